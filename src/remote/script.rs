//! The script's run: its output goes to disk as it comes, its supervisor's words are taken out, and its end is seen.
//!
//! Limits: without a supervisor nothing tells when the script ended while a process that it left behind still holds
//! its output; then only the time-out ends the wait.

use std::time::Duration;

use openssh::{ChildStderr, ChildStdout, Stdio};
use tokio::time::{Instant, sleep};

use super::command::{CHUNK, next, streams};
use super::marks::Marks;
use super::{Remote, RemoteError, Sink};
use crate::event::Stop;
use crate::outcome::Cause;
use crate::shell::GRACE_SECONDS;

/// How long a stream may stay open after the script's end: whoever holds it then is a daemon it left.
const LINGER: Duration = Duration::from_secs(2);

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
    /// Runs the script to its end, its time-out or the order to stop, whichever is first.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn execute(&self, script: Script, stop: &Stop) -> Result<Ran, RemoteError> {
        let supervised = script.mark.is_some();
        let mut child = self.spawn(&script.line, if supervised { Stdio::piped } else { Stdio::null }).await?;
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
                why = &mut cut, if !ended => return Some(why),
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
