//! Lines that run on a host: short ones whose answer is kept, and the script, whose output goes to disk as it comes.
//!
//! Output is always read to its end before the exit status is asked for: asking first would lose bytes. Status 127 is
//! a status like any other. Limits: a line dies by signal and a line whose link broke look the same to the `openssh`
//! crate; which it was is found out by asking the host for something trivial.

use std::sync::Arc;
use std::time::Duration;

use openssh::{Child, ChildStderr, ChildStdin, ChildStdout, Error, Stdio};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, sleep, timeout};

use super::{Remote, RemoteError, STALL, Sink};
use crate::event::Stop;
use crate::outcome::Cause;
use crate::shell::GRACE_SECONDS;

/// A running line; it holds its connection.
pub(super) type Running = Child<Arc<openssh::Session>>;

/// How long a stream may stay open after the script's end: whoever holds it then is a daemon it left.
const LINGER: Duration = Duration::from_secs(2);

/// How often, and how long after each other, a session that the host refuses is asked for again.
const SESSION_TRIES: u32 = 40;
const SESSION_WAIT: Duration = Duration::from_millis(250);

/// How many bytes are read from a stream at once.
pub(super) const CHUNK: usize = 16 * 1024;

/// A line that ended.
#[derive(Debug)]
pub struct Finished {
    /// Its exit status; none if a signal ended it.
    pub status: Option<i32>,
    /// What it printed, at most as much as was asked for.
    pub stdout: Vec<u8>,
    /// What it complained of, bounded.
    pub stderr: Vec<u8>,
}

/// The script, ready to run.
pub struct Script {
    /// The whole line.
    pub line: String,
    /// The supervisor's mark, if it is supervised.
    pub mark: Option<String>,
    /// How long it may run.
    pub timeout: Option<Duration>,
    /// Where its output goes.
    pub stdout: Sink,
    /// Where its complaints go.
    pub stderr: Sink,
}

/// How the script's run ended.
pub struct Ran {
    /// Whether it began; not known of a bare command.
    pub began: Option<bool>,
    /// Its exit status, where it ended by itself and not by a signal.
    pub status: Option<i32>,
    /// What cut it short: the time-out, or the order to stop.
    pub cut: Option<Cause>,
    /// Whether its end was seen.
    pub confirmed: bool,
    /// Whether a process that it left behind still held its output.
    pub left_daemon: bool,
    /// The end of its complaints, bounded.
    pub complaint: Vec<u8>,
    /// Its output.
    pub stdout: Sink,
    /// Its complaints.
    pub stderr: Sink,
}

impl Remote {
    /// Runs a line, feeds it `input` and keeps up to `most` bytes of its output.
    ///
    /// # Errors
    /// The connection broke, the host refuses sessions, or a minute went by without a byte.
    pub async fn run(&self, line: &str, input: &[u8], most: usize) -> Result<Finished, RemoteError> {
        let mut child = self.spawn(line, if input.is_empty() { Stdio::null() } else { Stdio::piped() }).await?;
        let (stdin, stdout, stderr) = streams(&mut child);
        let feed = async {
            if let Some(mut stdin) = stdin {
                // A line that ends early closes its stdin; its status tells why.
                let _all_or_part = stdin.write_all(input).await;
            }
        };
        let ((), stdout, stderr) = tokio::join!(feed, capture(stdout, most), capture(stderr, CHUNK));
        let (stdout, stderr) = match (stdout, stderr) {
            (Ok(stdout), Ok(stderr)) => (stdout, stderr),
            (Err(error), _) | (_, Err(error)) => {
                self.leave_unclean();
                return Err(error);
            }
        };
        Ok(Finished { status: self.status(child).await?, stdout, stderr })
    }

    /// Starts a line. Where the host allows no further session, SFTP gives its own up and the line waits its turn.
    pub(super) async fn spawn(&self, line: &str, stdin: Stdio) -> Result<Running, RemoteError> {
        let mut stdin = Some(stdin);
        for attempt in 0..SESSION_TRIES {
            let mut command = Arc::clone(&self.session).arc_raw_command(line);
            command.stdin(stdin.take().unwrap_or_else(Stdio::piped)).stdout(Stdio::piped()).stderr(Stdio::piped());
            match timeout(STALL, command.spawn()).await {
                Ok(Ok(child)) => return Ok(child),
                Ok(Err(error)) if refused(&error) => {
                    self.close_sftp().await;
                    sleep(SESSION_WAIT * attempt.min(4)).await;
                }
                Ok(Err(_)) => return Err(RemoteError::Lost),
                Err(_) => return Err(RemoteError::Stalled),
            }
        }
        Err(RemoteError::NoSession)
    }

    /// The exit status of a line whose streams ended.
    pub(super) async fn status(&self, child: Running) -> Result<Option<i32>, RemoteError> {
        match timeout(STALL, child.wait()).await {
            Ok(Ok(status)) => Ok(status.code()),
            // The crate's word for status 127.
            Ok(Err(Error::Remote(_))) => Ok(Some(127)),
            Ok(Err(_)) if Box::pin(self.answers()).await => Ok(None),
            Ok(Err(_)) => Err(RemoteError::Lost),
            Err(_) => {
                self.leave_unclean();
                Err(RemoteError::Stalled)
            }
        }
    }

    /// Whether the host, not just the master, still does what it is told.
    pub async fn answers(&self) -> bool {
        matches!(self.run("exit 0", b"", 0).await, Ok(Finished { status: Some(0), .. }))
    }

    /// Runs the script to its end, its time-out or the order to stop, whichever is first.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn execute(&self, script: Script, stop: &Stop) -> Result<Ran, RemoteError> {
        let supervised = script.mark.is_some();
        let mut child = self.spawn(&script.line, if supervised { Stdio::piped() } else { Stdio::null() }).await?;
        let (lifeline, stdout, stderr) = streams(&mut child);
        let late = until(script.timeout.map(|time| Instant::now() + time));
        let mut flow = Flow::new(script, stdout, stderr);
        let cut = flow.pump(async {
            tokio::select! {
                biased;
                why = stop.wait() => why,
                () = late => Cause::ScriptTimeout,
            }
        });
        let cut = cut.await;
        if cut.is_some() {
            drop(lifeline);
            flow.see_the_end(supervised).await;
        }
        let open = flow.open();
        let status = match (flow.marks.status, open) {
            (Some(status), _) => Some(status),
            (None, false) if cut.is_none() => self.status(child).await?,
            _ => None,
        };
        if open {
            self.leave_unclean();
        }
        Ok(flow.ended(status, cut))
    }
}

/// The script's two streams on their way to disk.
struct Flow {
    stdout: Stream<ChildStdout>,
    stderr: Stream<ChildStderr>,
    marks: Marks,
    left_daemon: bool,
}

/// One stream: where it comes from while it is open, and where it goes.
struct Stream<R> {
    from: Option<R>,
    to: Sink,
}

impl Flow {
    fn new(script: Script, stdout: Option<ChildStdout>, stderr: Option<ChildStderr>) -> Self {
        Self {
            stdout: Stream { from: stdout, to: script.stdout },
            stderr: Stream { from: stderr, to: script.stderr },
            marks: Marks::new(script.mark),
            left_daemon: false,
        }
    }

    fn open(&self) -> bool {
        self.stdout.from.is_some() || self.stderr.from.is_some()
    }

    /// Gives a script whose lifeline was cut the time to end. Without a supervisor nothing ends it: no wait.
    async fn see_the_end(&mut self, supervised: bool) {
        let grace = Duration::from_secs(if supervised { u64::from(GRACE_SECONDS) + 10 } else { 0 });
        let _ended_or_not = self.pump(async { sleep(grace).await }).await;
    }

    /// Moves bytes until both streams end, or the script ended and nothing came for [`LINGER`], or until `cut` says
    /// so, whose word is returned. Nothing that was read is lost by a cut.
    async fn pump<T>(&mut self, cut: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(cut);
        let (mut out, mut err) = (vec![0; CHUNK], vec![0; CHUNK]);
        while self.open() {
            let ended = self.marks.status.is_some();
            tokio::select! {
                why = &mut cut => return Some(why),
                read = next(&mut self.stdout.from, &mut out) => match read {
                    Some(bytes) => self.stdout.to.write(bytes).await,
                    None => self.stdout.from = None,
                },
                read = next(&mut self.stderr.from, &mut err) => self.complain(read).await,
                () = sleep(LINGER), if ended => {
                    self.left_daemon = true;
                    break;
                }
            }
        }
        None
    }

    /// Takes what came on stderr, or its end.
    async fn complain(&mut self, read: Option<&[u8]>) {
        let own = match read {
            Some(bytes) => self.marks.strip(bytes),
            None => {
                self.stderr.from = None;
                self.marks.rest()
            }
        };
        self.stderr.to.write(&own).await;
    }

    fn ended(self, status: Option<i32>, cut: Option<Cause>) -> Ran {
        let confirmed = !self.open() || self.marks.status.is_some();
        Ran {
            began: self.marks.mark.is_some().then_some(self.marks.began),
            status: status.filter(|_| cut.is_none()),
            cut,
            confirmed,
            left_daemon: self.left_daemon,
            complaint: self.marks.tail,
            stdout: self.stdout.to,
            stderr: self.stderr.to,
        }
    }
}

/// Waits for a moment; without one, for ever.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// The next bytes of a stream; none at its end. A stream that is gone never has any.
async fn next<'a, R: AsyncRead + Unpin>(from: &mut Option<R>, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    match from {
        Some(stream) => {
            let read = stream.read(buffer).await.unwrap_or(0);
            buffer.get(..read).filter(|bytes| !bytes.is_empty())
        }
        None => std::future::pending().await,
    }
}

/// Finds the supervisor's words among the script's, and takes them out.
struct Marks {
    mark: Option<String>,
    began: bool,
    status: Option<i32>,
    /// Bytes that may be the beginning of a mark.
    held: Vec<u8>,
    /// The last bytes of what is the script's own.
    tail: Vec<u8>,
}

/// How much of the script's last words is kept for messages.
const TAIL: usize = 2 * 1024;

/// What the supervisor says behind a mark.
enum Word {
    Began,
    Ended(Option<i32>),
    None,
}

impl Word {
    /// Reads a word, with its length; none if it is not whole yet.
    fn read(after: &[u8]) -> Option<(Self, usize)> {
        match after.first()? {
            b'+' => Some((Self::Began, 1)),
            b'=' => {
                let end = after.iter().position(|b| *b == b';').or((after.len() > 8).then_some(0))?;
                let digits = after.get(1..end).unwrap_or_default();
                let status = std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok());
                Some((Self::Ended(status), end + 1))
            }
            _ => Some((Self::None, 0)),
        }
    }
}

impl Marks {
    fn new(mark: Option<String>) -> Self {
        Self { mark, began: false, status: None, held: Vec::new(), tail: Vec::new() }
    }

    /// What of these bytes, and of those held back, is the script's own.
    fn strip(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(bytes);
        let mut own = Vec::new();
        let Some(mark) = self.mark.clone() else {
            own.append(&mut self.held);
            return self.keep(own);
        };
        while let Some(at) = find(&self.held, mark.as_bytes()) {
            let after = self.held.get(at + mark.len()..).unwrap_or_default();
            let Some((word, length)) = Word::read(after) else { break };
            match word {
                Word::Began => self.began = true,
                Word::Ended(status) => self.status = status,
                Word::None => {}
            }
            own.extend(self.held.drain(..at));
            self.held.drain(..mark.len() + length);
        }
        let certain = match find(&self.held, mark.as_bytes()) {
            Some(at) => at,
            None => self.held.len() - partial(&self.held, mark.as_bytes()),
        };
        own.extend(self.held.drain(..certain));
        self.keep(own)
    }

    /// What was held back when the stream ended.
    fn rest(&mut self) -> Vec<u8> {
        let rest = std::mem::take(&mut self.held);
        self.keep(rest)
    }

    fn keep(&mut self, own: Vec<u8>) -> Vec<u8> {
        self.tail.extend_from_slice(&own);
        self.tail.drain(..self.tail.len().saturating_sub(TAIL));
        own
    }
}

/// Where `needle` begins in `bytes`.
pub(super) fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

/// How many bytes at the end of `bytes` may be the beginning of `needle`.
fn partial(bytes: &[u8], needle: &[u8]) -> usize {
    let most = bytes.len().min(needle.len().saturating_sub(1));
    (1..=most).rev().find(|n| bytes.ends_with(needle.get(..*n).unwrap_or_default())).unwrap_or(0)
}

/// The streams of a child that was started with pipes.
pub(super) fn streams(child: &mut Running) -> (Option<ChildStdin>, Option<ChildStdout>, Option<ChildStderr>) {
    (child.stdin().take(), child.stdout().take(), child.stderr().take())
}

/// All that a stream says, of which `most` bytes are kept.
async fn capture<R: AsyncRead + Unpin>(from: Option<R>, most: usize) -> Result<Vec<u8>, RemoteError> {
    let (mut from, mut kept, mut buffer) = (from, Vec::new(), vec![0; CHUNK]);
    while from.is_some() {
        match timeout(STALL, next(&mut from, &mut buffer)).await {
            Ok(Some(bytes)) => kept.extend(bytes.iter().take(most.saturating_sub(kept.len()))),
            Ok(None) => from = None,
            Err(_) => return Err(RemoteError::Stalled),
        }
    }
    Ok(kept)
}

/// Whether the host refused one more session, as `MaxSessions` makes it.
fn refused(error: &Error) -> bool {
    matches!(error, Error::SshMux(mux) if mux.to_string().contains("refused"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_mark_is_found_wherever_the_stream_is_cut() {
        let stream = b"profile noise\nrecolte-ab+one recolte-ax\nrecolte-ab=143;two";
        for cut in 0..=stream.len() {
            let mut marks = Marks::new(Some("recolte-ab".to_owned()));
            let (head, tail) = stream.split_at(cut);
            let mut own = marks.strip(head);
            own.extend(marks.strip(tail));
            own.extend(marks.rest());
            assert_eq!(String::from_utf8(own).unwrap(), "profile noise\none recolte-ax\ntwo");
            assert_eq!((marks.began, marks.status), (true, Some(143)));
        }
    }

    proptest! {
        #[test]
        fn without_marks_nothing_is_taken(parts in prop::collection::vec("[recolt-]{0,12}", 0..6)) {
            let mut marks = Marks::new(Some("recolte-0".to_owned()));
            let mut own: Vec<u8> = parts.iter().flat_map(|part| marks.strip(part.as_bytes())).collect();
            own.extend(marks.rest());
            prop_assert_eq!(own, parts.concat().into_bytes());
            prop_assert!(!marks.began);
        }
    }
}
