//! The script's run: its output goes to disk as it comes, its supervisor's words are taken out, and its end is seen.
//!
//! It runs in the host's helper shell, which tells when the line is over, whoever still holds its output. Limits: what a
//! process that the script left behind prints afterwards is not kept.

use std::time::Duration;

use openssh::{ChildStderr, ChildStdout};
use tokio::time::{Instant, sleep};

use super::command::{CHUNK, next};
use super::shell::{PendingAnswer, RemoteShell};
use super::stream_filter::StreamFilter;
use super::{FileWriter, Remote, RemoteError};
use crate::event::Stop;
use crate::outcome::Cause;
use crate::shell_quoting::{self, GRACE_SECONDS};

/// How long `sudo` and `su` may take to end after the script's end: who waits longer waits for a process it left.
const LINGER: Duration = Duration::from_secs(2);

/// The script, ready to run.
pub struct ScriptCommand {
    /// The whole line.
    pub line: String,
    /// The program that will be asked for next: it runs as soon as the script ended, not a turn later.
    pub then: String,
    /// The mark of what is said beside its own words.
    pub mark: String,
    /// Whether it runs under the supervisor.
    pub supervised: bool,
    /// How long it may run.
    pub timeout: Option<Duration>,
    /// Where its output goes.
    pub stdout: FileWriter,
    /// Where its complaints go.
    pub stderr: FileWriter,
}

/// How the script's run ended.
pub struct ScriptEnd {
    /// Whether it began; not known of a bare command.
    pub began: Option<bool>,
    /// Its exit status, where it ended by itself and not by a signal.
    pub status: Option<i32>,
    /// What cut it short: the time-out, or the order to stop.
    pub cut: Option<Cause>,
    /// Whether its end was seen.
    pub confirmed: bool,
    /// Whether a process that it left behind kept `sudo` from ending.
    pub left_daemon: bool,
    /// The end of its complaints, bounded.
    pub complaint: Vec<u8>,
    /// Its output.
    pub stdout: FileWriter,
    /// Its complaints.
    pub stderr: FileWriter,
}

impl Remote {
    /// Runs the script to its end, its time-out or the order to stop, whichever is first.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn execute(&self, script: ScriptCommand, stop: &Stop) -> Result<ScriptEnd, RemoteError> {
        let mut shell = self.take_shell().await?;
        let line = shell_quoting::executed(&script.line, &script.mark, script.supervised);
        // One line: what follows a line belongs to the script's lifeline.
        shell.send_line(&format!("{line}; {}\n", shell_quoting::asked(&script.then, &shell.mark))).await?;
        let RemoteShell { child, stdin, stdout, stderr, mark, .. } = shell;
        let then = script.then.clone();
        let late = until(script.timeout.map(|time| Instant::now() + time));
        let mut flow = ScriptStreams::new(script, stdout, stderr);
        let cut = flow.pump(async {
            tokio::select! {
                biased;
                why = stop.wait() => why,
                () = late => Cause::ScriptTimeout,
            }
        });
        let cut = cut.await;
        if cut.is_some() {
            drop(stdin);
            flow.see_the_end().await;
            if flow.open() {
                self.leave_unclean();
            }
            return Ok(flow.ended(None, cut));
        }
        let status = match (flow.status(), flow.streams()) {
            (status, Some((stdout, stderr))) => {
                let read = (flow.stdout.marks.behind(), flow.stderr.marks.behind());
                let pending = Some(PendingAnswer { program: then, read });
                self.return_shell(RemoteShell { child, stdin, stdout, stderr, mark, pending }).await;
                status
            }
            (Some(status), None) => {
                self.leave_unclean();
                Some(status)
            }
            (None, None) => self.status(child).await?,
        };
        Ok(flow.ended(status, None))
    }
}

/// The script's two streams on their way to disk.
struct ScriptStreams {
    stdout: ScriptStream<ChildStdout>,
    stderr: ScriptStream<ChildStderr>,
    supervised: bool,
    left_daemon: bool,
}

/// One stream.
struct ScriptStream<R> {
    /// Where it comes from, while there is more.
    from: Option<R>,
    /// The same once the line is over.
    rested: Option<R>,
    marks: StreamFilter,
    to: FileWriter,
}

impl<R> ScriptStream<R> {
    fn new(from: R, mark: &str, to: FileWriter) -> Self {
        Self { from: Some(from), rested: None, marks: StreamFilter::new(mark.to_owned()), to }
    }

    /// Takes what came, or the stream's end.
    async fn take(&mut self, read: Option<&[u8]>) {
        let own = match read {
            Some(bytes) => self.marks.strip(bytes),
            None => {
                self.from = None;
                self.marks.rest()
            }
        };
        self.to.write(&own).await;
        if self.marks.over.is_some() {
            // Its file is about to be ended.
            self.rested = self.from.take();
        } else {
            self.to.flush().await;
        }
    }
}

impl ScriptStreams {
    fn new(script: ScriptCommand, stdout: ChildStdout, stderr: ChildStderr) -> Self {
        Self {
            stdout: ScriptStream::new(stdout, &script.mark, script.stdout),
            stderr: ScriptStream::new(stderr, &script.mark, script.stderr),
            supervised: script.supervised,
            left_daemon: false,
        }
    }

    fn open(&self) -> bool {
        self.stdout.from.is_some() || self.stderr.from.is_some()
    }

    /// The script's status by its supervisor, else that of the whole line.
    fn status(&self) -> Option<i32> {
        self.stderr.marks.status.or(self.stderr.marks.over)
    }

    /// The streams of a line that is over.
    fn streams(&mut self) -> Option<(ChildStdout, ChildStderr)> {
        Some((self.stdout.rested.take()?, self.stderr.rested.take()?))
    }

    /// Gives a script whose lifeline was cut the time to end. Without a supervisor nothing ends it: no wait.
    async fn see_the_end(&mut self) {
        let grace = Duration::from_secs(if self.supervised { u64::from(GRACE_SECONDS) + 10 } else { 0 });
        let _ended_or_not = self.pump(async { sleep(grace).await }).await;
    }

    /// Moves bytes until the line is over or both streams end, or the script ended and nothing came for [`LINGER`], or
    /// until `cut` says so, whose word is returned. Nothing that was read is lost by a cut.
    async fn pump<T>(&mut self, cut: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(cut);
        let (mut out, mut err) = (Vec::with_capacity(CHUNK), Vec::with_capacity(CHUNK));
        while self.open() {
            let ended = self.stderr.marks.status.is_some();
            tokio::select! {
                why = &mut cut, if !ended => return Some(why),
                read = next(&mut self.stdout.from, &mut out) => self.stdout.take(read).await,
                read = next(&mut self.stderr.from, &mut err) => self.stderr.take(read).await,
                () = sleep(LINGER), if ended => {
                    self.left_daemon = true;
                    break;
                }
            }
        }
        None
    }

    fn ended(self, status: Option<i32>, cut: Option<Cause>) -> ScriptEnd {
        let confirmed = !self.open() || self.stderr.marks.status.is_some();
        ScriptEnd {
            began: self.supervised.then_some(self.stderr.marks.began),
            status,
            cut,
            confirmed,
            left_daemon: self.left_daemon,
            complaint: self.stderr.marks.tail,
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
