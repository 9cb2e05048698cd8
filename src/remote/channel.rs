//! One shell on the host and its channel: programs are sent, and both streams are taken apart into items.
//!
//! Both streams are always read, so that neither can block the other on the host. Limits: who reads decides how much
//! is kept; nothing here is bounded but one chunk of each stream.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use openssh::{ChildStderr, ChildStdin, ChildStdout};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::command::{CHUNK, RemoteChild, take_streams};
use super::protocol::{Item, Marker, Message, Parser, Stream};
use super::{FileWriter, RemoteError, STALL};

/// The bytes that are kept of what a stream says beside our messages: its last words.
const TAIL: usize = 2 * 1024;

/// A shell on the host with its channel. Dropped before its last program was answered, it notes that its channel is
/// left open: what runs there on the host holds it.
pub struct Channel {
    child: Option<RemoteChild>,
    /// The shell's input; none once it was closed.
    stdin: Option<ChildStdin>,
    stdout: Source<ChildStdout>,
    stderr: Source<ChildStderr>,
    pub marker: Marker,
    /// Set if the last program was answered to its end.
    answered: bool,
    left_open: Arc<AtomicBool>,
}

impl Drop for Channel {
    fn drop(&mut self) {
        if !self.answered {
            self.left_open.store(true, Ordering::Relaxed);
        }
    }
}

/// A stream and its parser.
struct Source<R> {
    /// None at its end.
    stream: Option<R>,
    parser: Parser,
    tail: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Source<R> {
    fn new(stream: R, marker: &Marker) -> Self {
        Self { stream: Some(stream), parser: Parser::new(marker), tail: Vec::new() }
    }

    /// Waits until something was read, or the stream ended. A stream that has ended never has anything.
    async fn fill(&mut self) {
        let Some(stream) = &mut self.stream else { return std::future::pending().await };
        self.parser.buffer.reserve(CHUNK);
        if !matches!(stream.read_buf(&mut self.parser.buffer).await, Ok(1..)) {
            self.stream = None;
        }
    }

    /// Returns the next item that was read, and remembers text.
    fn next(&mut self) -> Option<Item> {
        let item =
            self.parser.next().or_else(|| if self.stream.is_none() { self.parser.finish() } else { None })?;
        if let Item::Text(text) = &item {
            let last = text.get(text.len().saturating_sub(TAIL)..).unwrap_or_default();
            self.tail.extend_from_slice(last);
            self.tail.drain(..self.tail.len().saturating_sub(TAIL));
        }
        Some(item)
    }
}

impl Channel {
    /// Takes over a shell that was started with pipes.
    pub fn new(mut child: RemoteChild, left_open: &Arc<AtomicBool>) -> Result<Self, RemoteError> {
        let (Some(stdin), Some(stdout), Some(stderr)) = take_streams(&mut child) else {
            return Err(RemoteError::ended_early());
        };
        let marker = Marker::random();
        let (stdout, stderr) = (Source::new(stdout, &marker), Source::new(stderr, &marker));
        let (child, stdin, left_open) = (Some(child), Some(stdin), Arc::clone(left_open));
        Ok(Self { child, stdin, stdout, stderr, marker, answered: true, left_open })
    }

    /// Sends a program, or a line.
    pub async fn send(&mut self, program: &[u8]) -> Result<(), RemoteError> {
        self.answered = false;
        let stdin = self.stdin.as_mut().ok_or_else(RemoteError::ended_early)?;
        timeout(STALL, stdin.write_all(program)).await?.map_err(RemoteError::ConnectionLost)
    }

    /// Looks for the launcher's first line on both streams from now on, and forgets what was printed before.
    pub fn await_ready(&mut self) {
        (self.stdout.parser.awaits_ready, self.stderr.parser.awaits_ready) = (true, true);
        self.forget_words();
    }

    /// Forgets what was printed until now.
    pub fn forget_words(&mut self) {
        self.stdout.tail.clear();
        self.stderr.tail.clear();
    }

    /// Waits for the next item of either stream; none once both have ended. Nothing is lost by giving up the wait.
    pub async fn next(&mut self) -> Option<(Stream, Item)> {
        self.next_of_all([true; 2]).await
    }

    /// Waits for the next item of those streams, stdout and stderr, that are wanted. The other is not read.
    pub async fn next_of_all(&mut self, [stdout, stderr]: [bool; 2]) -> Option<(Stream, Item)> {
        loop {
            let from_stdout =
                if stdout { self.stdout.next().map(|item| (Stream::Stdout, item)) } else { None };
            let next = from_stdout.or_else(|| {
                if stderr { self.stderr.next().map(|item| (Stream::Stderr, item)) } else { None }
            });
            if let Some((_, item)) = &next {
                let is_end =
                    matches!(item, Item::Ready(..) | Item::Message(Message::End(_) | Message::Login(_)));
                self.answered |= is_end;
                return next;
            }
            let open = [stdout && self.stdout.stream.is_some(), stderr && self.stderr.stream.is_some()];
            tokio::select! {
                () = self.stdout.fill(), if open[0] => {}
                () = self.stderr.fill(), if open[1] => {}
                else => return None,
            }
        }
    }

    /// Waits for the next item of one stream, as long as it may take, and drops those of the other.
    ///
    /// # Errors
    /// The streams ended, or nothing came for [`STALL`].
    pub async fn next_of(&mut self, wanted: Stream) -> Result<Item, RemoteError> {
        let next = async {
            while let Some((stream, item)) = self.next().await {
                if stream == wanted {
                    return Ok(item);
                }
            }
            Err(RemoteError::ended_early())
        };
        timeout(STALL, next).await?
    }

    /// Moves data of stdout to a writer without taking it apart, up to `bytes`. Returns how many bytes came before
    /// the stream ended.
    pub async fn copy_data(&mut self, bytes: u64, writer: &mut FileWriter) -> Result<u64, RemoteError> {
        let mut copied = 0;
        self.stdout.parser.skip_data();
        while copied < bytes {
            let held =
                self.stdout.parser.buffer.len().min(usize::try_from(bytes - copied).unwrap_or(usize::MAX));
            if held > 0 {
                writer.write(&self.stdout.parser.buffer.split_to(held)).await;
                copied += held as u64;
                continue;
            }
            let Some(stream) = &mut self.stdout.stream else { break };
            match timeout(STALL, writer.read_from(stream, bytes - copied)).await?.unwrap_or(0) {
                0 => break,
                read => copied += read as u64,
            }
        }
        Ok(copied)
    }

    /// Returns the last words of a stream beside our messages, bounded.
    pub fn tail(&self, stream: Stream) -> &[u8] {
        match stream {
            Stream::Stdout => &self.stdout.tail,
            Stream::Stderr => &self.stderr.tail,
        }
    }

    /// Closes the shell's input: what it was not told by now it never is.
    pub fn close_input(&mut self) {
        self.stdin = None;
    }

    /// Gives the channel up and returns the child, whose status may be waited for.
    pub fn into_child(mut self) -> Option<RemoteChild> {
        self.stdin = None;
        self.child.take()
    }

    /// Returns the pipe of stdout, for settings of the system.
    pub fn stdout_pipe(&self) -> Option<&ChildStdout> {
        self.stdout.stream.as_ref()
    }
}
