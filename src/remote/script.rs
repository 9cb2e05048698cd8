//! Runs the supplied script: its output goes to disk as it comes, until its end, its time-out or the order to stop.
//!
//! It runs in the host's shell, which says when the line is over, whoever still holds its output. A script that must
//! stop loses its lifeline: its supervisor on the host sends TERM and, some seconds later, KILL. Limits: what a
//! process that the script left behind prints afterwards is not kept.

use std::time::Duration;

use openssh::{ChildStderr, ChildStdout};
use tokio::time::sleep;

use super::command::{CHUNK, read_chunk};
use super::shell::{PendingAnswer, RemoteShell};
use super::stream_filter::StreamFilter;
use super::{FileWriter, Remote, RemoteError};
use crate::event::Stop;
use crate::outcome::Cause;
use crate::shell_quoting::{self, GRACE_SECONDS};

/// The longest time that `sudo` and `su` take to end after the script, unless a process that it left keeps them.
const SUDO_END_TIMEOUT: Duration = Duration::from_secs(2);

/// A script that is ready to run.
pub struct ScriptCommand {
    /// The whole command line.
    pub line: String,
    /// The program to run after it. The host starts it as soon as the script ended, which spares a round trip.
    pub next_program: String,
    /// The random text that begins the markers in the script's output.
    pub marker: String,
    /// Set if it runs under the supervisor.
    pub supervised: bool,
    /// The longest time it may run.
    pub timeout: Option<Duration>,
    /// Takes its output.
    pub stdout: FileWriter,
    /// Takes its error output.
    pub stderr: FileWriter,
}

/// The end of the script's run.
pub struct ScriptEnd {
    /// Set if it began; not known of a bare command.
    pub began: Option<bool>,
    /// The exit status, where it ended by itself and not by a signal.
    pub status: Option<i32>,
    /// The time-out or the order to stop, if one of these ended it.
    pub stopped_by: Option<Cause>,
    /// Set if its end was seen.
    pub end_seen: bool,
    /// Set if a process that it left behind kept `sudo` from ending.
    pub left_process: bool,
    /// The end of its error output, bounded.
    pub stderr_tail: Vec<u8>,
    /// Took its output.
    pub stdout: FileWriter,
    /// Took its error output.
    pub stderr: FileWriter,
    /// The answer of the next program, where the shell is still whole.
    pub pending: Option<PendingAnswer>,
}

impl Remote {
    /// Runs the script to its end, its time-out or the order to stop, whichever is first.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn execute(&self, script: ScriptCommand, stop: &Stop) -> Result<ScriptEnd, RemoteError> {
        let mut shell = self.take_shell().await?;
        let line = shell_quoting::script_in_shell(&script.line, &script.marker, script.supervised);
        // The next program stands in the same line: the shell's input is the script's lifeline, and the supervisor
        // would read a further line and take it for the lifeline's end.
        let next = shell_quoting::framed(&script.next_program, &shell.marker);
        shell.send_line(&format!("{line}; {next}\n")).await?;
        let RemoteShell { child, stdin, stdout, stderr, marker } = shell;
        let timed_out = sleep(script.timeout.unwrap_or(Duration::MAX));
        let mut streams = ScriptStreams::new(script, stdout, stderr);
        let stopped_by = streams.pump(async {
            tokio::select! {
                biased;
                why = stop.wait() => why,
                () = timed_out => Cause::ScriptTimeout,
            }
        });
        let stopped_by = stopped_by.await;
        if stopped_by.is_some() {
            // The lifeline ends: the supervisor sends TERM to the script, then KILL.
            drop(stdin);
            streams.wait_for_end().await;
            if streams.are_open() {
                self.note_channel_left_open();
            }
            return Ok(streams.into_end(None, stopped_by, None));
        }
        let (status, pending) = match (streams.status(), streams.take_sources()) {
            (status, Some((stdout, stderr))) => {
                // A chunk may hold the line's end and the beginning of what follows.
                let prefix = (streams.stdout.filter.take_rest(), streams.stderr.filter.take_rest());
                let shell = RemoteShell { child, stdin, stdout, stderr, marker };
                (status, Some(PendingAnswer { shell, prefix }))
            }
            (Some(status), None) => {
                // A process that the script left holds the channel, which cannot be used again.
                self.note_channel_left_open();
                (Some(status), None)
            }
            // The streams ended without a marker: the shell itself ended, or the connection broke.
            (None, None) => (self.wait_for_status(child).await?, None),
        };
        Ok(streams.into_end(status, None, pending))
    }
}

/// The script's two streams on their way to disk.
struct ScriptStreams {
    stdout: ScriptStream<ChildStdout>,
    stderr: ScriptStream<ChildStderr>,
    supervised: bool,
    left_process: bool,
}

/// One stream of the script.
struct ScriptStream<R> {
    /// The source, until the line or the stream ends.
    source: Option<R>,
    /// The source once the line ended, for the answers of further programs.
    source_after_line: Option<R>,
    filter: StreamFilter,
    writer: FileWriter,
}

impl<R> ScriptStream<R> {
    fn new(source: R, marker: &str, writer: FileWriter) -> Self {
        let filter = StreamFilter::new(marker.to_owned());
        Self { source: Some(source), source_after_line: None, filter, writer }
    }

    /// Writes a chunk of the stream, or notes its end.
    async fn write(&mut self, chunk: Option<&[u8]>) {
        let output = match chunk {
            Some(bytes) => self.filter.filter(bytes),
            None => {
                self.source = None;
                self.filter.finish()
            }
        };
        self.writer.write(&output).await;
        if self.filter.line_status.is_some() {
            // No flush: the file is finished right after this.
            self.source_after_line = self.source.take();
        } else {
            self.writer.flush().await;
        }
    }
}

impl ScriptStreams {
    fn new(script: ScriptCommand, stdout: ChildStdout, stderr: ChildStderr) -> Self {
        Self {
            stdout: ScriptStream::new(stdout, &script.marker, script.stdout),
            stderr: ScriptStream::new(stderr, &script.marker, script.stderr),
            supervised: script.supervised,
            left_process: false,
        }
    }

    fn are_open(&self) -> bool {
        self.stdout.source.is_some() || self.stderr.source.is_some()
    }

    /// Returns the script's status by its supervisor, else that of the whole line.
    fn status(&self) -> Option<i32> {
        self.stderr.filter.script_status.or(self.stderr.filter.line_status)
    }

    /// Takes the sources of a line that ended on both streams.
    fn take_sources(&mut self) -> Option<(ChildStdout, ChildStderr)> {
        Some((self.stdout.source_after_line.take()?, self.stderr.source_after_line.take()?))
    }

    /// Waits for the end of a script whose lifeline ended: TERM, [`GRACE_SECONDS`] to KILL, and as long again for a
    /// slow host to say so. Without a supervisor nothing ends the script: no wait.
    async fn wait_for_end(&mut self) {
        let time = Duration::from_secs(if self.supervised { u64::from(GRACE_SECONDS) + 10 } else { 0 });
        let _ended_or_not = self.pump(sleep(time)).await;
    }

    /// Writes the streams to disk until the line is over or both streams end. Also ends when the script ended and
    /// nothing came for [`SUDO_END_TIMEOUT`], or when `stop` is ready, whose value is then returned. Loses nothing
    /// that was read.
    async fn pump<T>(&mut self, stop: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(stop);
        let (mut out, mut err) = (Vec::with_capacity(CHUNK), Vec::with_capacity(CHUNK));
        while self.are_open() {
            let ended = self.stderr.filter.script_status.is_some();
            tokio::select! {
                // A script that ended by itself is not stopped any more: its status counts.
                why = &mut stop, if !ended => return Some(why),
                chunk = read_chunk(&mut self.stdout.source, &mut out) => self.stdout.write(chunk).await,
                chunk = read_chunk(&mut self.stderr.source, &mut err) => self.stderr.write(chunk).await,
                () = sleep(SUDO_END_TIMEOUT), if ended => {
                    self.left_process = true;
                    break;
                }
            }
        }
        None
    }

    fn into_end(
        self,
        status: Option<i32>,
        stopped_by: Option<Cause>,
        pending: Option<PendingAnswer>,
    ) -> ScriptEnd {
        ScriptEnd {
            began: self.supervised.then_some(self.stderr.filter.began),
            status,
            stopped_by,
            end_seen: !self.are_open() || self.stderr.filter.script_status.is_some(),
            left_process: self.left_process,
            stderr_tail: self.stderr.filter.tail,
            stdout: self.stdout.writer,
            stderr: self.stderr.writer,
            pending,
        }
    }
}
