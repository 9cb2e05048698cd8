//! One `sh` on the host that runs the script and our own small programs, so that each costs no channel and no shell of
//! its own.
//!
//! A program is one line; its answer stands between marks that nobody can guess. A shell that a program was taken away
//! from in the middle is not used again, nor one whose streams somebody else writes into, such as a daemon that the
//! script left. Where the host allows no further session, each program has a channel of its own, one after the other.
//! Limits: a program gets no input here; `Remote::run` feeds one.

use openssh::{ChildStderr, ChildStdin, ChildStdout, Stdio};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::command::{CHUNK, CommandOutput, Running, find, streams};
use super::{Remote, RemoteError, STALL};
use crate::shell_quoting;

/// The line that becomes it.
const HELPER: &str = "exec sh";

/// The helper of a host, once it was needed and as long as it is whole.
pub(super) type Slot = Mutex<Option<RemoteShell>>;

/// The most bytes of marks and a status that an answer holds.
const SPARE: usize = 1024;

/// How many bytes of an answer are read at once: most are short.
const ANSWER: usize = 8 * 1024;

/// A `sh` that waits for programs.
pub(super) struct RemoteShell {
    /// It lives as long as this.
    pub child: Running,
    pub stdin: ChildStdin,
    pub stdout: ChildStdout,
    pub stderr: ChildStderr,
    pub mark: String,
    /// The program that it was already told.
    pub pending: Option<PendingAnswer>,
}

/// A program whose answer is on its way.
pub(super) struct PendingAnswer {
    pub program: String,
    /// What was read of it, on both streams.
    pub read: (Vec<u8>, Vec<u8>),
}

impl Remote {
    /// Runs a program and keeps up to `max` bytes of its output.
    ///
    /// # Errors
    /// The connection broke, the host refuses sessions, or a minute went by without a byte.
    pub async fn run_in_shell(&self, program: &str, max: usize) -> Result<CommandOutput, RemoteError> {
        let mut slot = self.shell.lock().await;
        // Taken out while it is in use: whoever stops in the middle leaves none behind.
        let shell = match slot.take() {
            Some(shell) => shell,
            None => match self.open_shell().await {
                Ok(shell) => shell,
                Err(RemoteError::NoSession) => {
                    drop(slot);
                    return self.run(&shell_quoting::in_sh(program), b"", max).await;
                }
                Err(error) => return Err(error),
            },
        };
        let mut shell = ShellGuard { remote: self, shell: Some(shell) };
        match shell.run_in_shell(program, max).await {
            Ok(finished) => {
                *slot = shell.shell.take();
                Ok(finished)
            }
            Err(RemoteError::Noisy) => {
                drop((slot, shell));
                self.run(&shell_quoting::in_sh(program), b"", max).await
            }
            Err(error) => Err(error),
        }
    }

    /// Asks for something that is read by `read`; once more on a channel of its own if somebody talked into it.
    ///
    /// # Errors
    /// As [`Remote::ask`], and those of `read`.
    pub(super) async fn run_in_shell_and_read<T>(
        &self,
        program: &str,
        max: usize,
        read: impl Fn(&CommandOutput) -> Result<T, RemoteError>,
    ) -> Result<T, RemoteError> {
        match read(&self.run_in_shell(program, max).await?) {
            Err(RemoteError::Noisy) => read(&self.run(&shell_quoting::in_sh(program), b"", max).await?),
            answer => answer,
        }
    }

    /// Opens the helper ahead of its first program, where the host has a session for it.
    pub async fn open_ahead(&self) {
        let mut slot = self.shell.lock().await;
        if slot.is_none() {
            // Without one, the first program asks again and tells what is wrong.
            *slot = self.open_shell().await.ok();
        }
    }

    /// The helper, for a line that has its streams to itself. Our other sessions make room for it if need be.
    pub(super) async fn take_shell(&self) -> Result<RemoteShell, RemoteError> {
        let there = self.shell.lock().await.take();
        match there {
            Some(shell) => Ok(shell),
            None => RemoteShell::of(self.spawn(HELPER, Stdio::piped).await?),
        }
    }

    /// Gives the helper back for further programs.
    pub(super) async fn return_shell(&self, shell: RemoteShell) {
        *self.shell.lock().await = Some(shell);
    }

    async fn open_shell(&self) -> Result<RemoteShell, RemoteError> {
        RemoteShell::of(self.try_spawn(HELPER, Stdio::piped()).await?)
    }

    /// Gives the helper up, so that a host with few sessions has one more; at its end it has nothing left to do.
    pub(super) async fn close_shell(&self) {
        let Some(shell) = self.shell.lock().await.take() else { return };
        let RemoteShell { child, stdin, stdout, stderr, .. } = shell;
        drop((stdin, stdout, stderr));
        if !matches!(timeout(STALL / 30, child.wait()).await, Ok(Ok(_))) {
            self.leave_unclean();
        }
    }
}

impl RemoteShell {
    fn of(mut child: Running) -> Result<Self, RemoteError> {
        match streams(&mut child) {
            (Some(stdin), Some(stdout), Some(stderr)) => {
                Ok(Self { child, stdin, stdout, stderr, mark: shell_quoting::mark(), pending: None })
            }
            _ => Err(RemoteError::Lost),
        }
    }

    /// Tells it a line.
    pub async fn send_line(&mut self, line: &str) -> Result<(), RemoteError> {
        let told = timeout(STALL, self.stdin.write_all(line.as_bytes())).await;
        told.ok().ok_or(RemoteError::Stalled)?.ok().ok_or(RemoteError::Lost)
    }
}

/// A helper in use. One that is not given back was left in the middle: its channel is still open.
struct ShellGuard<'a> {
    remote: &'a Remote,
    shell: Option<RemoteShell>,
}

impl Drop for ShellGuard<'_> {
    fn drop(&mut self) {
        if self.shell.is_some() {
            self.remote.leave_unclean();
        }
    }
}

impl ShellGuard<'_> {
    async fn run_in_shell(&mut self, program: &str, max: usize) -> Result<CommandOutput, RemoteError> {
        let Some(shell) = &mut self.shell else { return Err(RemoteError::Lost) };
        let (read_out, read_err) = match shell.pending.take() {
            Some(pending) if pending.program == program => pending.read,
            // Nobody wants that answer: another channel gives this one.
            Some(_) => return Err(RemoteError::Noisy),
            None => {
                shell.send_line(&format!("{}\n", shell_quoting::asked(program, &shell.mark))).await?;
                (Vec::new(), Vec::new())
            }
        };
        let RemoteShell { stdout, stderr, mark, .. } = shell;
        let begin = format!("{mark}:");
        let (mut stdout, mut stderr) = (read_out.chain(stdout), read_err.chain(stderr));
        let (out, err) = tokio::try_join!(
            until_mark(&mut stdout, mark, begin.as_bytes(), max),
            until_mark(&mut stderr, mark, b"", CHUNK)
        )?;
        Ok(CommandOutput { status: out.status, stdout: out.text, stderr: err.text })
    }
}

/// What a stream said before its mark.
struct FramedAnswer {
    text: Vec<u8>,
    status: Option<i32>,
}

/// Reads a stream from `begin` up to its mark, `=`, a status and `;`, and keeps `max` bytes of what is between.
async fn until_mark<R: AsyncRead + Unpin>(
    from: &mut R,
    mark: &str,
    begin: &[u8],
    max: usize,
) -> Result<FramedAnswer, RemoteError> {
    let (mut text, mut buffer) = (Vec::new(), vec![0; ANSWER]);
    let max = max + begin.len();
    loop {
        let read = match timeout(STALL, from.read(&mut buffer)).await {
            Ok(read) => read.unwrap_or(0),
            Err(_) => return Err(RemoteError::Stalled),
        };
        let bytes = buffer.get(..read).filter(|bytes| !bytes.is_empty()).ok_or(RemoteError::Lost)?;
        // A mark may have begun in what was read before.
        let seen = text.len().saturating_sub(mark.len() + 16);
        text.extend_from_slice(bytes);
        let length = text.len().min(begin.len());
        if text.get(..length) != begin.get(..length) {
            return Err(RemoteError::Noisy);
        }
        let seen = seen.max(begin.len()).min(text.len());
        if let Some(at) = find(text.get(seen..).unwrap_or_default(), mark.as_bytes()).map(|at| seen + at)
            && let Some(end) = text.iter().skip(at).position(|b| *b == b';').map(|end| at + end)
        {
            let digits = text.get(at + mark.len() + 1..end).unwrap_or_default();
            let status = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
            text.truncate(at.min(max));
            text.drain(..begin.len().min(text.len()));
            return Ok(FramedAnswer { text, status });
        }
        if text.len() > max + SPARE {
            // Beyond the bound only the place where a mark may begin is kept.
            let keep = text.len() - SPARE / 2;
            text.drain(max..keep.max(max));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_ends_at_its_mark_wherever_the_stream_is_cut() {
        let stream = b"recolte-1:one\ntwo recolte-x recolte-1=7;";
        for cut in 1..stream.len() {
            let (head, tail) = stream.split_at(cut);
            let answer = until_mark(&mut head.chain(tail), "recolte-1", b"recolte-1:", 100).await.unwrap();
            assert_eq!((answer.text.as_slice(), answer.status), (&b"one\ntwo recolte-x "[..], Some(7)));
        }
        let lost = until_mark(&mut &b"no mark"[..], "recolte-1", b"", 100).await;
        assert!(matches!(lost, Err(RemoteError::Lost)));
    }

    #[tokio::test]
    async fn who_talks_before_an_answer_is_noticed() {
        let mut stream = &b"daemon: hello\nrecolte-1:one recolte-1=7;"[..];
        let answer = until_mark(&mut stream, "recolte-1", b"recolte-1:", 100).await;
        assert!(matches!(answer, Err(RemoteError::Noisy)));
    }

    #[tokio::test]
    async fn an_endless_answer_takes_bounded_memory_and_still_ends() {
        let mut stream = vec![b'x'; 500_000];
        stream.extend(b"recolte-1=0;");
        let answer = until_mark(&mut stream.as_slice(), "recolte-1", b"", 1000).await.unwrap();
        assert_eq!((answer.text.len(), answer.status), (1000, Some(0)));
    }
}
