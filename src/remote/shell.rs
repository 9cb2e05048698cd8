//! A shell on the host that runs our programs: the login user's, or the launcher's, which is that of the user who
//! runs the script.
//!
//! The login user's shell is kept open for the next program; one whose answer was not read to its end is not used
//! again. Where the host allows no further session (`MaxSessions 1`), SFTP is closed for it. Limits: a program gets
//! no input of its own.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use openssh::Stdio;
use tokio::time::timeout;

use super::channel::Channel;
use super::command::CommandOutput;
use super::list::Listing;
use super::protocol::{Item, Message, Stream};
use super::{FileWriter, LastWords, Remote, RemoteError, RemoteFile, STALL};
use crate::message::VisitMessage;

/// The command line that opens the login user's shell.
pub(super) const SHELL: &str = "exec sh";

/// The longest time in which a shell ends that gets no further program.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// The bytes that an item takes besides its content.
const ITEM_BYTES: usize = 64;

/// The most bytes of error output that are kept.
const MAX_STDERR: usize = 64 * 1024;

/// A shell on the host.
pub struct Shell {
    pub(super) channel: Channel,
    /// The stream on which its programs answer.
    pub(super) answers: Stream,
}

impl Shell {
    /// Reads the items of an answer, up to `max` bytes, until the program's end on the stream of answers.
    pub(super) async fn read_answer(&mut self, max: usize) -> Result<Vec<Item>, RemoteError> {
        let (mut items, mut remaining) = (Vec::new(), max);
        loop {
            let item = self.channel.next_of(self.answers).await?;
            // Every item counts: a host may send any number of them.
            let too_long = || RemoteError::UnexpectedAnswer(VisitMessage::ListingTooLong.to_string());
            remaining = remaining.checked_sub(ITEM_BYTES).ok_or_else(too_long)?;
            let item = match item {
                // A copy: a part of a block would keep all of it.
                Item::Text(bytes) => Item::Text(Bytes::copy_from_slice(&bytes)),
                Item::Data(bytes) => Item::Data(Bytes::copy_from_slice(&bytes)),
                item => item,
            };
            match &item {
                Item::Message(Message::End(_)) => return Ok(items),
                Item::Message(Message::Login(_)) => return Err(RemoteError::ShellEnded),
                // Late, from a stream that was joined with this one.
                Item::Message(Message::Exit(_)) | Item::Ready(..) => continue,
                Item::Text(bytes) | Item::Data(bytes) => {
                    remaining = remaining.checked_sub(bytes.len()).ok_or_else(too_long)?;
                }
                _ => {}
            }
            items.push(item);
        }
    }

    /// Reads what a program of the login user's shell printed, up to `max` bytes, and its status.
    async fn read_output(&mut self, max: usize) -> Result<CommandOutput, RemoteError> {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let (mut ended, mut status) = ([false; 2], None);
        while ended != [true; 2] {
            let next = timeout(STALL, self.channel.next()).await?;
            match next.ok_or_else(RemoteError::ended_early)? {
                // What a profile printed before.
                (Stream::Stdout, Item::Message(Message::Begin)) => stdout.clear(),
                (stream, Item::Message(Message::End(told))) => {
                    status = Some(told);
                    *stream.pick(&mut ended) = true;
                }
                (Stream::Stdout, Item::Text(bytes) | Item::Data(bytes)) => {
                    stdout.extend(bytes.iter().take(max.saturating_sub(stdout.len())));
                }
                (Stream::Stderr, Item::Text(bytes)) => {
                    stderr.extend(bytes.iter().take(MAX_STDERR.saturating_sub(stderr.len())));
                }
                _ => {}
            }
        }
        Ok(CommandOutput { status, stdout, stderr })
    }
}

impl Remote {
    /// Runs a program in the login user's shell and keeps up to `max` bytes of its output.
    ///
    /// # Errors
    /// The connection broke, the host refuses sessions, or a minute went by without a byte.
    pub async fn run_in_shell(
        &self,
        variables: &[(&str, &[u8])],
        body: &str,
        max: usize,
    ) -> Result<CommandOutput, RemoteError> {
        let mut shell = self.take_shell().await?;
        let program = shell.channel.marker.login_program(variables, body);
        let answered = async {
            shell.channel.send(&program).await?;
            shell.read_output(max).await
        };
        match answered.await {
            Ok(output) => {
                self.keep_shell(shell).await;
                Ok(output)
            }
            Err(RemoteError::ConnectionLost(error)) => Err(self.why_shell_ended(shell, error).await),
            Err(error) => Err(error),
        }
    }

    /// Tells a login that ran nothing from a connection that broke: only the former leaves a status.
    async fn why_shell_ended(&self, shell: Shell, error: io::Error) -> RemoteError {
        let words = LastWords::of(&shell.channel);
        let Some(child) = shell.channel.into_child() else { return RemoteError::ConnectionLost(error) };
        match self.wait_for_status(child).await {
            Ok(status) => RemoteError::LoginEnded(status, words),
            Err(_) => RemoteError::ConnectionLost(error),
        }
    }

    /// Lists files as the login user.
    ///
    /// # Errors
    /// See [`Shell::list`].
    pub async fn list(&self, globs: &[String], small_files: usize) -> Result<Listing, RemoteError> {
        let mut shell = self.take_shell().await?;
        let listing = shell.list(globs, small_files).await?;
        self.keep_shell(shell).await;
        Ok(listing)
    }

    /// Fetches a file as the login user through the shell, where there is no SFTP.
    ///
    /// # Errors
    /// It may not be read, it changed since it was listed, or the connection broke.
    pub async fn fetch_by_shell(
        &self,
        file: &RemoteFile,
        writer: &mut FileWriter,
    ) -> Result<(), RemoteError> {
        let mut shell = self.take_shell().await?;
        shell.fetch(file, writer).await?;
        self.keep_shell(shell).await;
        Ok(())
    }

    /// Opens the login user's shell before its first program is known, where the host has a session for it.
    pub async fn open_shell_early(&self) {
        let mut slot = self.shell.lock().await;
        if slot.is_none() {
            // Without one, the first program opens it again and reports what is wrong.
            let opened = self.spawn_once(SHELL, Stdio::piped()).await;
            *slot = opened.and_then(|child| self.shell_of(child)).ok();
        }
    }

    /// Takes the login user's shell. Closes our other sessions for it if need be.
    pub(super) async fn take_shell(&self) -> Result<Shell, RemoteError> {
        // Taken out while it is in use: a caller that is cancelled drops it, and the next one opens another.
        let open = self.shell.lock().await.take();
        match open {
            Some(shell) => Ok(shell),
            None => self.shell_of(self.spawn(SHELL, Stdio::piped).await?),
        }
    }

    /// Keeps the login user's shell for further programs.
    pub(super) async fn keep_shell(&self, shell: Shell) {
        *self.shell.lock().await = Some(shell);
    }

    fn shell_of(&self, child: super::command::RemoteChild) -> Result<Shell, RemoteError> {
        Ok(Shell { channel: Channel::new(child, &self.channel_left_open)?, answers: Stream::Stdout })
    }

    /// Closes the shell, so that a host with few sessions has one more. At the end of its input it ends.
    pub(super) async fn close_shell(&self) {
        if let Some(shell) = self.shell.lock().await.take() {
            self.end_shell(shell).await;
        }
    }

    /// Waits for the end of a shell that gets no further program.
    pub(super) async fn end_shell(&self, shell: Shell) {
        let Some(child) = shell.channel.into_child() else { return };
        if !matches!(timeout(END_TIMEOUT, child.wait()).await, Ok(Ok(_))) {
            self.note_channel_left_open();
        }
    }
}
