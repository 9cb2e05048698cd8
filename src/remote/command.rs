//! Short lines that run on a host, and their answers.
//!
//! Output is always read to its end before the exit status is asked for: asking first would lose bytes. Status 127 is
//! a status like any other. Limits: a line dies by signal and a line whose link broke look the same to the `openssh`
//! crate; which it was is found out by asking the host for something trivial.

use std::sync::Arc;
use std::time::Duration;

use openssh::{Child, ChildStderr, ChildStdin, ChildStdout, Error, Stdio};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};

use super::{Remote, RemoteError, STALL};

/// A running line; it holds its connection.
pub(super) type Running = Child<Arc<openssh::Session>>;

/// How often, and how long after each other, a session that the host refuses is asked for again.
pub(super) const SESSION_TRIES: u32 = 40;
pub(super) const SESSION_WAIT: Duration = Duration::from_millis(250);

/// How many bytes are read from a stream of any length at once.
pub(super) const CHUNK: usize = 64 * 1024;

/// A line that ended.
#[derive(Debug)]
pub struct CommandOutput {
    /// Its exit status; none if a signal ended it.
    pub status: Option<i32>,
    /// What it printed, at most as much as was asked for.
    pub stdout: Vec<u8>,
    /// What it complained of, bounded.
    pub stderr: Vec<u8>,
}

impl Remote {
    /// Runs a line, feeds it `input` and keeps up to `max` bytes of its output.
    ///
    /// # Errors
    /// The connection broke, the host refuses sessions, or a minute went by without a byte.
    pub async fn run(&self, line: &str, input: &[u8], max: usize) -> Result<CommandOutput, RemoteError> {
        let mut child = self.spawn(line, if input.is_empty() { Stdio::null } else { Stdio::piped }).await?;
        let (stdin, stdout, stderr) = streams(&mut child);
        let feed = async {
            if let Some(mut stdin) = stdin {
                // A line that ends early closes its stdin; its status tells why.
                let _all_or_part = stdin.write_all(input).await;
            }
        };
        let ((), stdout, stderr) = tokio::join!(feed, capture(stdout, max), capture(stderr, CHUNK));
        let (stdout, stderr) = match (stdout, stderr) {
            (Ok(stdout), Ok(stderr)) => (stdout, stderr),
            (Err(error), _) | (_, Err(error)) => {
                self.leave_unclean();
                return Err(error);
            }
        };
        Ok(CommandOutput { status: self.status(child).await?, stdout, stderr })
    }

    /// Starts a line. Where the host allows no further session, our others give theirs up and the line waits its turn.
    pub(super) async fn spawn(&self, line: &str, stdin: fn() -> Stdio) -> Result<Running, RemoteError> {
        for attempt in 0..SESSION_TRIES {
            match self.try_spawn(line, stdin()).await {
                Err(RemoteError::NoSession) => {
                    tokio::join!(self.close_sftp(), self.close_shell());
                    sleep(SESSION_WAIT * attempt.min(4)).await;
                }
                done => return done,
            }
        }
        Err(RemoteError::NoSession)
    }

    /// Starts a line, if the host has a session for it.
    pub(super) async fn try_spawn(&self, line: &str, stdin: Stdio) -> Result<Running, RemoteError> {
        let mut command = Arc::clone(&self.session).arc_raw_command(line);
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        match timeout(STALL, command.spawn()).await {
            Ok(Ok(child)) => Ok(child),
            Ok(Err(error)) if refused(&error) => Err(RemoteError::NoSession),
            Ok(Err(_)) => Err(RemoteError::Lost),
            Err(_) => Err(RemoteError::Stalled),
        }
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
        matches!(self.run("exit 0", b"", 0).await, Ok(CommandOutput { status: Some(0), .. }))
    }
}

/// The next bytes of a stream, as many as the buffer has room for; none at its end. A stream that is gone never has any.
pub(super) async fn next<'a, R: AsyncRead + Unpin>(
    from: &mut Option<R>,
    buffer: &'a mut Vec<u8>,
) -> Option<&'a [u8]> {
    match from {
        Some(stream) => {
            buffer.clear();
            let _nothing_at_its_end = stream.read_buf(buffer).await;
            Some(buffer.as_slice()).filter(|bytes| !bytes.is_empty())
        }
        None => std::future::pending().await,
    }
}

/// Where `needle` begins in `bytes`.
pub(super) fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, needle)
}

/// The streams of a child that was started with pipes.
pub(super) fn streams(child: &mut Running) -> (Option<ChildStdin>, Option<ChildStdout>, Option<ChildStderr>) {
    (child.stdin().take(), child.stdout().take(), child.stderr().take())
}

/// All that a stream says, of which `max` bytes are kept.
async fn capture<R: AsyncRead + Unpin>(from: Option<R>, max: usize) -> Result<Vec<u8>, RemoteError> {
    let (mut from, mut kept, mut buffer) = (from, Vec::new(), Vec::with_capacity(CHUNK));
    while from.is_some() {
        match timeout(STALL, next(&mut from, &mut buffer)).await {
            Ok(Some(bytes)) => kept.extend(bytes.iter().take(max.saturating_sub(kept.len()))),
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
