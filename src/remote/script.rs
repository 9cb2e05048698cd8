//! Runs the supplied script in the launcher's shell, *go*, and follows it to its end; or as a bare command.
//!
//! The script is stopped by one newline, which leaves the channel whole: its end and its files still come. Only where
//! no end comes the input is closed, as it is when this program dies; the host then ends the script by itself.
//! Limits: what a process that the script left behind prints afterwards is not kept.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::channel::Channel;
use super::launcher::OTHER_STREAM;
use super::list::Listing;
use super::protocol::{Item, Message, Stream};
use super::{FileWriter, LauncherShell, Remote, RemoteError, STALL};
use crate::event::Stop;
use crate::outcome::Cause;

/// The seconds from TERM to KILL; `sh/go.sh` counts them.
const GRACE: Duration = Duration::from_secs(10);

/// The run of a script: its state while it is followed, and its end.
#[derive(Default)]
pub struct ScriptEnd {
    /// The host's answer that nothing ran, and why.
    pub refused: Option<Message>,
    /// The exit status, where it ended by itself and not by a signal to all of its user.
    pub status: Option<i32>,
    /// The time-out or the request to stop, if one of these ended it.
    pub stopped_by: Option<Cause>,
    /// Set if the connection broke before its end was seen.
    pub connection_lost: bool,
    /// The end of its error output, bounded.
    pub stderr_tail: Vec<u8>,
    /// Set for a command without a launcher.
    bare: bool,
    /// Set if the launcher's shell ended without a word on the script.
    shell_ended: bool,
    /// The streams whose end must be seen. Another one is read all the same: its launcher may only have been late.
    awaited: [bool; 2],
    /// The streams that said the end.
    ended: [bool; 2],
    /// The moment at which nothing more is waited for, and how far it can be put off by what is still printed.
    limit: Option<(Instant, Instant)>,
}

/// The script's two output files.
pub struct Writers {
    /// Takes its output.
    pub stdout: FileWriter,
    /// Takes its error output.
    pub stderr: FileWriter,
}

impl Writers {
    async fn write(&mut self, stream: Stream, bytes: &[u8]) {
        let writer = if stream == Stream::Stdout { &mut self.stdout } else { &mut self.stderr };
        writer.write(bytes).await;
        writer.flush().await;
    }
}

impl LauncherShell<'_> {
    /// Says *go*, and follows the script to its end, its time-out or the request to stop, whichever is first. The
    /// listing of `globs` is asked for with it, and read by [`LauncherShell::read_listing`].
    ///
    /// # Errors
    /// *go* could not be sent; whether it arrived is not known.
    pub async fn go(
        &mut self,
        run: &str,
        argv: &[String],
        globs: &[String],
        small_files: usize,
    ) -> Result<(), RemoteError> {
        let program = self.shell.channel.marker.go(self.shell.answers, run, argv, globs, small_files);
        self.shell.channel.send(&program).await
    }

    /// Follows the script to its end, its time-out or the request to stop, whichever is first.
    pub async fn follow(&mut self, time: Option<Duration>, stop: &Stop, writers: &mut Writers) -> ScriptEnd {
        let awaited = [self.live.has(Stream::Stdout), self.live.has(Stream::Stderr)];
        let end = ScriptEnd { awaited, ..ScriptEnd::default() };
        let end = self.shell.channel.follow(end, time, stop, writers).await;
        if !end.is_seen() {
            // The host ends the script at the end of its input.
            self.shell.channel.close_input();
        }
        end
    }

    /// Ends the shell, so that a host with few sessions has one for the login user.
    pub async fn end(self) {
        self.remote.end_shell(self.shell).await;
    }

    /// Reads the listing that was asked for with *go*.
    ///
    /// # Errors
    /// See [`super::Shell::list`].
    pub async fn read_listing(&mut self) -> Result<Listing, RemoteError> {
        self.shell.read_listing().await
    }
}

impl Channel {
    async fn follow(
        &mut self,
        mut end: ScriptEnd,
        time: Option<Duration>,
        stop: &Stop,
        writers: &mut Writers,
    ) -> ScriptEnd {
        self.forget_words();
        let mut timed_out = std::pin::pin!(sleep(time.unwrap_or(Duration::MAX)));
        while !end.is_over() {
            let limit = end.limit.map(|(limit, _)| limit);
            tokio::select! {
                biased;
                why = stop.wait(), if end.can_be_stopped() => self.stop(&mut end, why).await,
                () = &mut timed_out, if end.can_be_stopped() => self.stop(&mut end, Cause::ScriptTimeout).await,
                () = sleep_until(limit.unwrap_or_else(Instant::now)), if limit.is_some() => break,
                // A stream that said the end is not read further: what follows there is the listing.
                item = self.next_of_all(end.ended.map(|ended| !ended)) => end.take(item, writers).await,
            }
        }
        end.stderr_tail = self.tail(Stream::Stderr).to_vec();
        end
    }

    /// Stops the script: the watcher beside it sends TERM, and KILL after [`GRACE`]. A bare command goes on.
    async fn stop(&mut self, end: &mut ScriptEnd, why: Cause) {
        end.stopped_by = Some(why);
        let limit = Instant::now() + if end.bare { Duration::ZERO } else { GRACE + Duration::from_secs(10) };
        end.limit = Some((limit, limit));
        if !end.bare && self.send(b"\n").await.is_err() {
            self.close_input();
        }
    }
}

impl ScriptEnd {
    /// Checks whether the script's end was seen, or the host answered that it did not begin.
    pub fn is_seen(&self) -> bool {
        self.status.is_some() || self.refused.is_some() || self.shell_ended
    }

    /// Checks whether the launcher's shell is still there to list and to send files.
    pub fn leaves_shell(&self) -> bool {
        self.is_seen() && !self.shell_ended
    }

    fn is_over(&self) -> bool {
        self.refused.is_some() || self.connection_lost || self.awaited_ended()
    }

    fn awaited_ended(&self) -> bool {
        self.awaited.iter().zip(&self.ended).all(|(awaited, ended)| *ended || !awaited)
    }

    fn can_be_stopped(&self) -> bool {
        self.stopped_by.is_none() && !self.is_seen()
    }

    async fn take(&mut self, item: Option<(Stream, Item)>, writers: &mut Writers) {
        match item {
            None if self.is_seen() => self.ended = [true; 2],
            None => self.connection_lost = true,
            Some((stream, Item::Message(Message::Login(status)))) if self.bare => self.exit(stream, status),
            // What the script printed last may still be on its way on the other stream.
            Some((stream, Item::Message(Message::Login(_)))) => {
                self.shell_ended = true;
                self.expect_nothing_on(stream);
            }
            Some((_, Item::Message(why @ (Message::RefusedArguments | Message::RefusedExecutable)))) => {
                self.refused = Some(why);
            }
            Some((stream, Item::Message(Message::Exit(status)))) => self.exit(stream, status),
            Some((stream, Item::Text(bytes))) => {
                writers.write(stream, &bytes).await;
                let later = Instant::now() + OTHER_STREAM;
                self.limit = self.limit.map(|(limit, latest)| (limit.max(later).min(latest), latest));
            }
            Some(_) => {}
        }
    }

    fn exit(&mut self, stream: Stream, status: i32) {
        self.status = Some(status);
        self.expect_nothing_on(stream);
    }

    /// Notes that one stream said the end. Where a process that goes on has taken the other, its end never comes.
    fn expect_nothing_on(&mut self, stream: Stream) {
        *stream.pick(&mut self.ended) = true;
        let now = Instant::now();
        self.limit = self.limit.or(Some((now + OTHER_STREAM * 4, now + STALL)));
    }
}

impl Remote {
    /// Runs a command line with an empty input, without a launcher, to its end, its time-out or the request to stop.
    /// Nothing can end it but itself.
    ///
    /// # Errors
    /// The connection broke before it was sent.
    pub async fn run_bare(
        &self,
        command: &str,
        time: Option<Duration>,
        stop: &Stop,
        writers: &mut Writers,
    ) -> Result<ScriptEnd, RemoteError> {
        let mut channel = self.take_shell().await?.channel;
        channel.send(&channel.marker.execute_line(&format!("{command} </dev/null"))).await?;
        let end = ScriptEnd { bare: true, awaited: [true; 2], ..ScriptEnd::default() };
        Ok(channel.follow(end, time, stop, writers).await)
    }
}
