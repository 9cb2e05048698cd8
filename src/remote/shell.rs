//! Keeps one `sh` open on the host for the script and our own small programs: none of them costs a channel or a
//! process of its own.
//!
//! A program is one line; its answer is framed by markers that nobody can guess. A shell whose answer was not read to
//! its end is not used again, nor one into whose streams somebody else writes, such as a daemon that the script left.
//! Where the host allows no further session (`MaxSessions 1`), each program gets a channel of its own, one after the
//! other. Limits: a program gets no input here; `Remote::run` feeds one.

use openssh::{ChildStderr, ChildStdin, ChildStdout, Stdio};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::command::{CHUNK, CommandOutput, RemoteChild, find_bytes, take_streams};
use super::{Remote, RemoteError, STALL};
use crate::shell_quoting;

/// The command line that opens the shell.
const SHELL: &str = "exec sh";

/// The most bytes of markers and a status in an answer.
const FRAME_MAX: usize = 1024;

/// The most bytes of an answer that are read at once: most answers are short.
const READ_SIZE: usize = 8 * 1024;

/// A `sh` on the host that waits for programs.
pub(super) struct RemoteShell {
    /// Kept for its exit status; its channel is open as long as the streams are.
    pub child: RemoteChild,
    pub stdin: ChildStdin,
    pub stdout: ChildStdout,
    pub stderr: ChildStderr,
    /// Frames the answers of this shell.
    pub marker: String,
}

/// The answer of a program that was sent and not read yet, with the shell that gives it.
pub struct PendingAnswer {
    pub(super) shell: RemoteShell,
    /// The bytes that were already read of it, from stdout and from stderr.
    pub(super) prefix: (Vec<u8>, Vec<u8>),
}

impl Remote {
    /// Runs a program in the shell and keeps up to `max` bytes of its output.
    ///
    /// # Errors
    /// The connection broke, the host refuses sessions, or a minute went by without a byte.
    pub async fn run_in_shell(&self, program: &str, max: usize) -> Result<CommandOutput, RemoteError> {
        // Locked until the answer is read: one program at a time.
        let mut slot = self.shell.lock().await;
        // Taken out while it is in use: a caller that is cancelled drops it, and the next one opens another.
        let shell = match slot.take() {
            Some(shell) => Ok(shell),
            None => self.open_shell().await,
        };
        let answer = match shell {
            Ok(shell) => self.guarded(async { shell.send_program(program).await?.read(max).await }).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok((output, shell)) => {
                *slot = Some(shell);
                Ok(output)
            }
            Err(RemoteError::SessionRefused | RemoteError::NoisyShell) => {
                // Unlocked first: to get a session, `run` closes the shell.
                drop(slot);
                self.run(&shell_quoting::in_sh(program), b"", max).await
            }
            Err(error) => Err(error),
        }
    }

    /// Runs a program and parses its answer; `pending` is that answer where it was asked for ahead. Where somebody
    /// printed into it, runs the program once more on a channel of its own.
    ///
    /// # Errors
    /// As [`Remote::run_in_shell`], and those of `parse`.
    pub(super) async fn run_and_parse<T>(
        &self,
        program: &str,
        pending: Option<PendingAnswer>,
        max: usize,
        parse: impl Fn(CommandOutput) -> Result<T, RemoteError>,
    ) -> Result<T, RemoteError> {
        let output = match pending {
            Some(pending) => self.read_pending(pending, max).await,
            None => self.run_in_shell(program, max).await,
        };
        match output.and_then(&parse) {
            Err(RemoteError::NoisyShell) => parse(self.run(&shell_quoting::in_sh(program), b"", max).await?),
            parsed => parsed,
        }
    }

    /// Reads an answer that was asked for ahead, and keeps its shell for further programs.
    async fn read_pending(&self, pending: PendingAnswer, max: usize) -> Result<CommandOutput, RemoteError> {
        let (output, shell) = self.guarded(pending.read(max)).await?;
        *self.shell.lock().await = Some(shell);
        Ok(output)
    }

    /// Runs a dialogue with the shell. If it fails or is cancelled, notes that the shell's channel was left open.
    async fn guarded<T>(
        &self,
        dialogue: impl Future<Output = Result<T, RemoteError>>,
    ) -> Result<T, RemoteError> {
        let mut guard = DialogueGuard { remote: self, finished: false };
        let result = dialogue.await;
        guard.finished = result.is_ok();
        result
    }

    /// Opens the shell before its first program is known, where the host has a session for it.
    pub async fn open_shell_early(&self) {
        let mut slot = self.shell.lock().await;
        if slot.is_none() {
            // Without one, the first program opens it again and reports what is wrong.
            *slot = self.open_shell().await.ok();
        }
    }

    /// Takes the shell, for a line that has its streams to itself. Closes our other sessions for it if need be.
    pub(super) async fn take_shell(&self) -> Result<RemoteShell, RemoteError> {
        let open = self.shell.lock().await.take();
        match open {
            Some(shell) => Ok(shell),
            None => RemoteShell::from_child(self.spawn(SHELL, Stdio::piped).await?),
        }
    }

    async fn open_shell(&self) -> Result<RemoteShell, RemoteError> {
        RemoteShell::from_child(self.spawn_once(SHELL, Stdio::piped()).await?)
    }

    /// Closes the shell, so that a host with few sessions has one more. At the end of its input it ends.
    pub(super) async fn close_shell(&self) {
        let Some(shell) = self.shell.lock().await.take() else { return };
        let RemoteShell { child, stdin, stdout, stderr, .. } = shell;
        drop((stdin, stdout, stderr));
        if !matches!(timeout(STALL / 30, child.wait()).await, Ok(Ok(_))) {
            self.note_channel_left_open();
        }
    }
}

impl RemoteShell {
    fn from_child(mut child: RemoteChild) -> Result<Self, RemoteError> {
        match take_streams(&mut child) {
            (Some(stdin), Some(stdout), Some(stderr)) => {
                Ok(Self { child, stdin, stdout, stderr, marker: shell_quoting::random_marker() })
            }
            _ => Err(RemoteError::ended_early()),
        }
    }

    /// Sends a line to the shell.
    pub async fn send_line(&mut self, line: &str) -> Result<(), RemoteError> {
        timeout(STALL, self.stdin.write_all(line.as_bytes())).await?.map_err(RemoteError::ConnectionLost)
    }

    /// Sends a program, whose answer is then pending.
    async fn send_program(mut self, program: &str) -> Result<PendingAnswer, RemoteError> {
        self.send_line(&format!("{}\n", shell_quoting::framed(program, &self.marker))).await?;
        Ok(PendingAnswer { shell: self, prefix: Default::default() })
    }
}

impl PendingAnswer {
    /// Reads the answer and keeps up to `max` bytes of its output. Returns the shell for further programs.
    async fn read(self, max: usize) -> Result<(CommandOutput, RemoteShell), RemoteError> {
        let Self { mut shell, prefix } = self;
        let begin = format!("{}:", shell.marker);
        let mut stdout = prefix.0.chain(&mut shell.stdout);
        let mut stderr = prefix.1.chain(&mut shell.stderr);
        let (out, err) = tokio::try_join!(
            read_framed(&mut stdout, &shell.marker, begin.as_bytes(), max),
            // Only stdout has a marker at its beginning: both streams end with one.
            read_framed(&mut stderr, &shell.marker, b"", CHUNK)
        )?;
        Ok((CommandOutput { status: out.status, stdout: out.text, stderr: err.text }, shell))
    }
}

/// Notes, when it is dropped before the dialogue finished, that its channel was left open.
struct DialogueGuard<'a> {
    remote: &'a Remote,
    finished: bool,
}

impl Drop for DialogueGuard<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.remote.note_channel_left_open();
        }
    }
}

/// The text of a stream up to its closing marker, and the status behind that.
struct FramedAnswer {
    text: Vec<u8>,
    status: Option<i32>,
}

/// Reads a stream from `begin` up to the marker, `=`, a status and `;`, and keeps `max` bytes of what is between.
async fn read_framed<R: AsyncRead + Unpin>(
    stream: &mut R,
    marker: &str,
    begin: &[u8],
    max: usize,
) -> Result<FramedAnswer, RemoteError> {
    let (mut text, mut buffer) = (Vec::new(), vec![0; READ_SIZE]);
    let max = max + begin.len();
    loop {
        let read = timeout(STALL, stream.read(&mut buffer)).await?.map_err(RemoteError::ConnectionLost)?;
        let bytes = buffer.get(..read).filter(|bytes| !bytes.is_empty());
        // The closing marker may be cut between two reads: as many bytes as it may have are searched again.
        let searched = text.len().saturating_sub(marker.len() + 16);
        text.extend_from_slice(bytes.ok_or_else(RemoteError::ended_early)?);
        // A different beginning, even of a part of `begin`, is somebody else's text.
        let length = text.len().min(begin.len());
        if text.get(..length) != begin.get(..length) {
            return Err(RemoteError::NoisyShell);
        }
        // `begin` itself holds the marker.
        let searched = searched.max(begin.len()).min(text.len());
        let unsearched = text.get(searched..).unwrap_or_default();
        if let Some(at) = find_bytes(unsearched, marker.as_bytes()).map(|at| searched + at)
            && let Some(end) = text.iter().skip(at).position(|b| *b == b';').map(|end| at + end)
        {
            let digits = text.get(at + marker.len() + 1..end).unwrap_or_default();
            let status = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
            text.truncate(at.min(max));
            text.drain(..begin.len().min(text.len()));
            return Ok(FramedAnswer { text, status });
        }
        if text.len() > max + FRAME_MAX {
            // Beyond the bound only the last bytes are kept, where the closing marker may have begun.
            let keep = text.len() - FRAME_MAX / 2;
            text.drain(max..keep.max(max));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_ends_at_its_marker_wherever_the_stream_is_cut() {
        let stream = b"recolte-1:one\ntwo recolte-x recolte-1=7;";
        for cut in 1..stream.len() {
            let (head, tail) = stream.split_at(cut);
            let answer = read_framed(&mut head.chain(tail), "recolte-1", b"recolte-1:", 100).await.unwrap();
            assert_eq!((answer.text.as_slice(), answer.status), (&b"one\ntwo recolte-x "[..], Some(7)));
        }
        let lost = read_framed(&mut &b"no mark"[..], "recolte-1", b"", 100).await;
        assert!(matches!(lost, Err(RemoteError::ConnectionLost(_))));
    }

    #[tokio::test]
    async fn text_before_an_answer_is_noticed() {
        let mut stream = &b"daemon: hello\nrecolte-1:one recolte-1=7;"[..];
        let answer = read_framed(&mut stream, "recolte-1", b"recolte-1:", 100).await;
        assert!(matches!(answer, Err(RemoteError::NoisyShell)));
    }

    #[tokio::test]
    async fn an_endless_answer_takes_bounded_memory_and_still_ends() {
        let mut stream = vec![b'x'; 500_000];
        stream.extend(b"recolte-1=0;");
        let answer = read_framed(&mut stream.as_slice(), "recolte-1", b"", 1000).await.unwrap();
        assert_eq!((answer.text.len(), answer.status), (1000, Some(0)));
    }
}
