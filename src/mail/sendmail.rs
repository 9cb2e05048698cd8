//! Hands a message to the system's `sendmail` command, which queues it or says why not.
//!
//! Tried once: a `sendmail` that fails may have queued the message already. The queue is the mail system's: of a
//! recipient that is refused later, the mail system informs the sender by mail.

use std::env;
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

use super::settings::Settings;
use super::{Delivery, MailError};
use crate::escape::{escape_path, escape_tail};
use crate::message::MailMessage;

/// Places of the command on systems whose users do not have it in `PATH`, as under cron.
const FALLBACKS: [&str; 2] = ["/usr/sbin/sendmail", "/usr/lib/sendmail"];
/// The longest time that the command may take.
const LIMIT: Duration = Duration::from_secs(120);
/// The longest wait for the end of stderr after the command ended: a child of it may hold it open.
const STDERR_WAIT: Duration = Duration::from_millis(500);
/// Bytes of stderr that are kept, from its end.
const MAX_STDERR: usize = 1000;

/// Hands `message` over for every recipient.
///
/// # Errors
/// There is no such command, or it did not accept the message.
pub async fn send(settings: &Settings, message: Vec<u8>) -> Result<Delivery, MailError> {
    let path = find().await.ok_or(MailMessage::SendmailMissing)?;
    run(&path, settings, &without_carriage_returns(&message), LIMIT).await
}

/// Finds the first `sendmail` that can be executed, in `PATH` and the usual places.
async fn find() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).filter(|folder| folder.is_absolute());
    for candidate in folders.map(|folder| folder.join("sendmail")).chain(FALLBACKS.map(PathBuf::from)) {
        let found = timeout(LIMIT, tokio::fs::metadata(&candidate)).await;
        if matches!(found, Ok(Ok(meta)) if meta.is_file() && meta.permissions().mode() & 0o111 != 0) {
            return Some(candidate);
        }
    }
    None
}

/// Returns the message with line ends as local commands expect them; being encoded, it has no other CR.
pub fn without_carriage_returns(message: &[u8]) -> Vec<u8> {
    message.iter().copied().filter(|byte| *byte != b'\r').collect()
}

/// Runs one `sendmail`, to its end or to its time-out.
///
/// # Errors
/// It cannot be run, fails, leaves a part of the message unread, or does not end in time.
pub async fn run(
    path: &Path,
    settings: &Settings,
    message: &[u8],
    limit: Duration,
) -> Result<Delivery, MailError> {
    let shown = escape_path(path);
    let not_run = |error: io::Error| {
        let kind = MailMessage::SendmailNotRun { path: shown.clone() };
        MailError::Local { kind, source: Some(error.into()) }
    };
    let mut child = command(path, settings).spawn().map_err(not_run)?;
    let mut stderr = Vec::new();
    let ended = timeout(limit, feed_and_wait(&mut child, message, &mut stderr)).await;
    let is_silent = stderr.trim_ascii().is_empty();
    let stderr = match is_silent {
        true => MailMessage::SendmailPrintedNothing.to_string(),
        false => escape_tail(&stderr, MAX_STDERR),
    };
    let Ok((written, status)) = ended else {
        kill(&mut child).await;
        let kind = MailMessage::SendmailTimedOut { path: shown, seconds: limit.as_secs(), stderr };
        return Err(kind.into());
    };
    let status = status.map_err(not_run)?;
    if !status.success() {
        return Err(MailMessage::SendmailFailed { path: shown, status, stderr }.into());
    }
    // A command that ended well without reading all has not queued the whole message.
    if written.is_err() {
        return Err(MailMessage::SendmailLeftInputUnread { path: shown, stderr }.into());
    }
    let note = (!is_silent).then(|| MailMessage::SendmailPrinted { stderr }.to_string());
    Ok(Delivery { notes: note.into_iter().collect(), ..Delivery::default() })
}

/// Builds the command line: a dot does not end the message (`-i`), no address is taken for an option (`--`).
fn command(path: &Path, settings: &Settings) -> Command {
    let mut command = Command::new(path);
    command.arg("-i").arg("-f").arg(&settings.from.email).arg("--");
    command.args(settings.to.iter().map(|to| &to.email));
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    // A process group of its own: Ctrl-C at the terminal must not cut the mail off; the run decides when it ends.
    command.process_group(0).kill_on_drop(true);
    command
}

/// Writes the message, reads stderr meanwhile, and waits for the end; returns whether all was read, and the status.
async fn feed_and_wait(
    child: &mut Child,
    message: &[u8],
    kept: &mut Vec<u8>,
) -> (io::Result<()>, io::Result<ExitStatus>) {
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let mut read = pin!(read_tail(stderr, kept));
    let mut work = pin!(async { (feed(stdin, message).await, child.wait().await) });
    tokio::select! {
        () = &mut read => work.await,
        ended = &mut work => {
            let _ = timeout(STDERR_WAIT, read).await;
            ended
        }
    }
}

/// Writes the whole message to stdin, which is dropped and thereby closed.
async fn feed(stdin: Option<ChildStdin>, message: &[u8]) -> io::Result<()> {
    stdin.ok_or(ErrorKind::BrokenPipe)?.write_all(message).await
}

/// Reads to the end and keeps the last bytes.
async fn read_tail(stderr: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut stderr) = stderr else { return };
    while let Ok(1..) = stderr.read_buf(kept).await {
        let surplus = kept.len().saturating_sub(2 * MAX_STDERR);
        kept.drain(..surplus);
    }
}

/// Kills the command and the processes that it started.
async fn kill(child: &mut Child) {
    if let Some(group) = child.id().and_then(|id| i32::try_from(id).ok()) {
        // An error means that the group has ended already.
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
    let _ = timeout(STDERR_WAIT, child.wait()).await;
}
