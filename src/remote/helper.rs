//! One `sh` on the host that runs our own small programs, so that each costs no channel and no shell of its own.
//!
//! A program is one line; its answer ends at a mark that nobody can guess, on both streams. A shell that a program was
//! taken away from in the middle is not used again. Where the host allows no further session, each program has a
//! channel of its own, one after the other. Limits: a program gets no input here; `Remote::run` feeds one.

use openssh::{ChildStderr, ChildStdin, ChildStdout, Stdio};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::command::{CHUNK, Finished, Running, find, streams};
use super::{Remote, RemoteError, STALL};
use crate::shell;

/// The helper of a host, once it was needed and as long as it is whole.
pub(super) type Slot = Mutex<Option<Helper>>;

/// The most bytes that stand before a mark: the mark itself, a status, a little of what a profile may say.
const SPARE: usize = 1024;

/// A `sh` that waits for programs.
pub(super) struct Helper {
    /// It lives as long as this.
    child: Running,
    stdin: ChildStdin,
    stdout: ChildStdout,
    stderr: ChildStderr,
    mark: String,
}

impl Remote {
    /// Runs a program and keeps up to `most` bytes of its output.
    ///
    /// # Errors
    /// The connection broke, the host refuses sessions, or a minute went by without a byte.
    pub async fn ask(&self, program: &str, most: usize) -> Result<Finished, RemoteError> {
        let mut slot = self.helper.lock().await;
        // Taken out while it is in use: whoever stops in the middle leaves none behind.
        let helper = match slot.take() {
            Some(helper) => helper,
            None => match self.open_helper().await {
                Ok(helper) => helper,
                Err(RemoteError::NoSession) => {
                    drop(slot);
                    return self.run(&shell::in_sh(program), b"", most).await;
                }
                Err(error) => return Err(error),
            },
        };
        let mut helper = Guard { remote: self, helper: Some(helper) };
        let finished = helper.ask(program, most).await?;
        *slot = helper.helper.take();
        Ok(finished)
    }

    /// Opens the helper ahead of its first program, where the host has a session for it.
    pub async fn open_ahead(&self) {
        let mut slot = self.helper.lock().await;
        if slot.is_none() {
            // Without one, the first program asks again and tells what is wrong.
            *slot = self.open_helper().await.ok();
        }
    }

    async fn open_helper(&self) -> Result<Helper, RemoteError> {
        let mut child = self.try_spawn("exec sh", Stdio::piped()).await?;
        match streams(&mut child) {
            (Some(stdin), Some(stdout), Some(stderr)) => {
                Ok(Helper { child, stdin, stdout, stderr, mark: shell::mark() })
            }
            _ => Err(RemoteError::Lost),
        }
    }

    /// Gives the helper up, so that a host with few sessions has one more; at its end it has nothing left to do.
    pub(super) async fn close_helper(&self) {
        let Some(helper) = self.helper.lock().await.take() else { return };
        let Helper { child, stdin, stdout, stderr, .. } = helper;
        drop((stdin, stdout, stderr));
        if !matches!(timeout(STALL / 30, child.wait()).await, Ok(Ok(_))) {
            self.leave_unclean();
        }
    }
}

/// A helper in use. One that is not given back was left in the middle: its channel is still open.
struct Guard<'a> {
    remote: &'a Remote,
    helper: Option<Helper>,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if self.helper.is_some() {
            self.remote.leave_unclean();
        }
    }
}

impl Guard<'_> {
    async fn ask(&mut self, program: &str, most: usize) -> Result<Finished, RemoteError> {
        let Some(helper) = &mut self.helper else { return Err(RemoteError::Lost) };
        let Helper { stdin, stdout, stderr, mark, .. } = helper;
        let line = shell::asked(program, mark);
        let told = timeout(STALL, async { stdin.write_all(line.as_bytes()).await });
        told.await.ok().ok_or(RemoteError::Stalled)?.ok().ok_or(RemoteError::Lost)?;
        let (out, err) = tokio::try_join!(until_mark(stdout, mark, most), until_mark(stderr, mark, CHUNK))?;
        Ok(Finished { status: out.status, stdout: out.text, stderr: err.text })
    }
}

/// What a stream said before its mark.
struct Answer {
    text: Vec<u8>,
    status: Option<i32>,
}

/// Reads a stream up to its mark, `=`, a status and `;`, and keeps `most` bytes.
async fn until_mark<R: AsyncRead + Unpin>(
    from: &mut R,
    mark: &str,
    most: usize,
) -> Result<Answer, RemoteError> {
    let (mut text, mut buffer) = (Vec::new(), vec![0; CHUNK]);
    loop {
        let read = match timeout(STALL, from.read(&mut buffer)).await {
            Ok(read) => read.unwrap_or(0),
            Err(_) => return Err(RemoteError::Stalled),
        };
        let bytes = buffer.get(..read).filter(|bytes| !bytes.is_empty()).ok_or(RemoteError::Lost)?;
        // A mark may have begun in what was read before.
        let seen = text.len().saturating_sub(mark.len() + 16);
        text.extend_from_slice(bytes);
        if let Some(at) = find(text.get(seen..).unwrap_or_default(), mark.as_bytes()).map(|at| seen + at)
            && let Some(end) = text.iter().skip(at).position(|b| *b == b';').map(|end| at + end)
        {
            let digits = text.get(at + mark.len() + 1..end).unwrap_or_default();
            let status = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
            text.truncate(at.min(most));
            return Ok(Answer { text, status });
        }
        if text.len() > most + SPARE {
            // Beyond the bound only the place where a mark may begin is kept.
            let keep = text.len() - SPARE / 2;
            text.drain(most..keep.max(most));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_ends_at_its_mark_wherever_the_stream_is_cut() {
        let stream = b"one\ntwo recolte-x recolte-1=7;";
        for cut in 1..stream.len() {
            let (head, tail) = stream.split_at(cut);
            let answer = until_mark(&mut head.chain(tail), "recolte-1", 100).await.unwrap();
            assert_eq!((answer.text.as_slice(), answer.status), (&b"one\ntwo recolte-x "[..], Some(7)));
        }
        assert!(matches!(until_mark(&mut &b"no mark"[..], "recolte-1", 100).await, Err(RemoteError::Lost)));
    }

    #[tokio::test]
    async fn an_endless_answer_takes_bounded_memory_and_still_ends() {
        let mut stream = vec![b'x'; 500_000];
        stream.extend(b"recolte-1=0;");
        let answer = until_mark(&mut stream.as_slice(), "recolte-1", 1000).await.unwrap();
        assert_eq!((answer.text.len(), answer.status), (1000, Some(0)));
    }
}
