//! Runs commands on a host, each on a channel of its own, and reads their output.
//!
//! Output is always read to its end before the exit status is asked for: a command that prints more than a pipe holds
//! does not end before it is read, and for status 127 or a signal the `openssh` crate returns an error in place of
//! the output. Where the host refuses a further session (`MaxSessions`), our other sessions are closed and the
//! command is tried again. Limits: to the crate a command that died by a signal and one whose connection broke look
//! the same; which it was is found out by running something trivial.

use std::sync::Arc;
use std::time::Duration;

use backon::Retryable as _;
use openssh::{Child, ChildStderr, ChildStdin, ChildStdout, Error, Stdio};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::diagnose::parse_stderr;
use super::{LastWords, Remote, RemoteError, STALL};

/// A running command; it holds its connection.
pub(super) type RemoteChild = Child<Arc<openssh::Session>>;

/// The most bytes that are read at once from a stream of any length.
pub(super) const CHUNK: usize = 64 * 1024;

/// The result of a command that ended.
#[derive(Debug)]
pub struct CommandOutput {
    /// The exit status; none if a signal ended the command.
    pub status: Option<i32>,
    /// The output, up to the length that was asked for.
    pub stdout: Vec<u8>,
    /// The error output, bounded.
    pub stderr: Vec<u8>,
}

impl CommandOutput {
    /// Returns the output of a command that succeeded, else the error that its error output names.
    pub(super) fn into_stdout(self) -> Result<Vec<u8>, RemoteError> {
        if self.status == Some(0) { Ok(self.stdout) } else { Err(parse_stderr(&self.stderr)) }
    }
}

impl Remote {
    /// Runs a command line, feeds it `input` and keeps up to `max` bytes of its output.
    ///
    /// # Errors
    /// The connection broke, the host refuses sessions, or a minute went by without a byte.
    pub async fn run(&self, line: &str, input: &[u8], max: usize) -> Result<CommandOutput, RemoteError> {
        let mut child = self.spawn(line, if input.is_empty() { Stdio::null } else { Stdio::piped }).await?;
        let (stdin, stdout, stderr) = take_streams(&mut child);
        let feed = async {
            if let Some(mut stdin) = stdin {
                // A command that ends early closes its stdin; its status tells why.
                let _all_or_part = stdin.write_all(input).await;
            }
            Ok(())
        };
        let output = tokio::try_join!(feed, read_to_end(stdout, max), read_to_end(stderr, CHUNK));
        let ((), stdout, stderr) = output.inspect_err(|_| self.note_channel_left_open())?;
        Ok(CommandOutput { status: self.wait_for_status(child).await?, stdout, stderr })
    }

    /// Starts a command. Where the host allows no further session, closes our other ones and tries again.
    pub(super) async fn spawn(&self, line: &str, stdin: fn() -> Stdio) -> Result<RemoteChild, RemoteError> {
        let attempt = || async {
            let spawned = self.spawn_once(line, stdin()).await;
            if let Err(RemoteError::SessionRefused) = spawned {
                tokio::join!(self.close_sftp(), self.close_shell());
            }
            spawned
        };
        attempt.retry(session_waits()).when(|error| matches!(error, RemoteError::SessionRefused)).await
    }

    /// Starts a command, if the host allows a session for it now.
    pub(super) async fn spawn_once(&self, line: &str, stdin: Stdio) -> Result<RemoteChild, RemoteError> {
        let mut command = Arc::clone(&self.session).arc_raw_command(line);
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        timeout(STALL, command.spawn()).await?.map_err(|error| {
            if is_session_refused(&error) { RemoteError::SessionRefused } else { RemoteError::lost(error) }
        })
    }

    /// Waits for the exit status of a command whose streams ended; none if a signal ended it.
    pub(super) async fn wait_for_status(&self, child: RemoteChild) -> Result<Option<i32>, RemoteError> {
        match timeout(STALL, child.wait()).await {
            Ok(Ok(status)) => Ok(status.code()),
            // The crate reads status 127 as "command not found" and makes an error of it. Here it is a status like
            // any other: the script itself may end with it.
            Ok(Err(Error::Remote(_))) => Ok(Some(127)),
            // A signal or a broken connection. If the host still runs commands, it was a signal.
            Ok(Err(_)) if Box::pin(self.is_responding()).await => Ok(None),
            Ok(Err(error)) => Err(RemoteError::lost(error)),
            Err(elapsed) => {
                self.note_channel_left_open();
                Err(elapsed.into())
            }
        }
    }

    /// Checks that the login user's shell runs commands and prints nothing of its own.
    ///
    /// # Errors
    /// It runs none: a forced command, `nologin`, an expired password; it prints; or the connection broke.
    pub async fn check_login(&self) -> Result<(), RemoteError> {
        // Counted there: a forced command may well print the command line that it was given.
        let output = self.run("exec sh -c 'echo $((40 + 2))'", b"", CHUNK).await?;
        match output.stdout.trim_ascii_end().strip_suffix(b"42") {
            Some(b"") => Ok(()),
            Some(noise) => Err(RemoteError::noisy(noise)),
            None => {
                let (stdout, stderr) = (output.stdout, output.stderr);
                Err(RemoteError::LoginEnded(output.status, LastWords { stdout, stderr }))
            }
        }
    }

    /// Checks whether the host, not just the master, still runs commands.
    pub async fn is_responding(&self) -> bool {
        matches!(self.run("exit 0", b"", 0).await, Ok(CommandOutput { status: Some(0), .. }))
    }
}

/// Returns the waits before each further request for a session that the host refuses: none before the first, since
/// our own sessions were just closed (`MaxSessions 1`), then up to a second, since sshd frees a session only once its
/// process has ended, and others may share the connection. About 40 s in all.
pub(super) fn session_waits() -> impl Iterator<Item = Duration> + Send + Sync + Unpin {
    (0..39).map(|retry: u32| Duration::from_millis(250) * retry.min(4))
}

/// Reads the next bytes of a stream, up to the buffer's capacity; none at its end. Without a stream, waits for ever.
pub(super) async fn read_chunk<'a, R: AsyncRead + Unpin>(
    stream: &mut Option<R>,
    buffer: &'a mut Vec<u8>,
) -> Option<&'a [u8]> {
    match stream {
        Some(stream) => {
            buffer.clear();
            let _nothing_at_its_end = stream.read_buf(buffer).await;
            Some(buffer.as_slice()).filter(|bytes| !bytes.is_empty())
        }
        None => std::future::pending().await,
    }
}

/// Returns where `needle` begins in `bytes`.
pub(super) fn find_bytes(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, needle)
}

/// Takes the streams of a child that was started with pipes.
pub(super) fn take_streams(
    child: &mut RemoteChild,
) -> (Option<ChildStdin>, Option<ChildStdout>, Option<ChildStderr>) {
    (child.stdin().take(), child.stdout().take(), child.stderr().take())
}

/// Reads a stream to its end and keeps its first `max` bytes. Fails if it is silent for [`STALL`].
async fn read_to_end<R: AsyncRead + Unpin>(
    mut stream: Option<R>,
    max: usize,
) -> Result<Vec<u8>, RemoteError> {
    let (mut kept, mut buffer) = (Vec::new(), Vec::with_capacity(CHUNK));
    while stream.is_some() {
        match timeout(STALL, read_chunk(&mut stream, &mut buffer)).await? {
            Some(bytes) => kept.extend(bytes.iter().take(max.saturating_sub(kept.len()))),
            None => stream = None,
        }
    }
    Ok(kept)
}

/// Checks whether the host refused one more session, as sshd does beyond `MaxSessions`.
fn is_session_refused(error: &Error) -> bool {
    matches!(error, Error::SshMux(mux) if mux.to_string().contains("refused"))
}
