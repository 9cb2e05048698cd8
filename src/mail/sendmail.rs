//! Hands a message to the system's `sendmail` command, which queues it or says why not.
//!
//! Tried once: a `sendmail` that fails may have queued the message already. Its queue, and what it refuses later, is
//! the mail system's: a recipient that is refused after queueing comes back to the sender by mail.

use std::{
    env,
    io::{self, ErrorKind},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    pin::pin,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use nix::{sys::signal, unistd::Pid};
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStdin, Command},
    time::timeout,
};

use super::{Delivery, settings::Settings};
use crate::escape::{escape, escape_tail};

/// Where the command is on systems whose users do not have it in `PATH`, as under cron.
const PLACES: [&str; 2] = ["/usr/sbin/sendmail", "/usr/lib/sendmail"];
/// How long it may take in all.
const WHOLE: Duration = Duration::from_secs(120);
/// How long its stderr may stay open after it ended, held by a child of its own.
const LINGER: Duration = Duration::from_millis(500);
/// How much of its stderr is kept, in bytes: the end.
const SAID: usize = 1000;
/// For an empty stderr.
const SILENT: &str = "it said nothing";

/// Why `sendmail` did not take the message.
#[derive(Debug, Error)]
pub enum SendmailError {
    /// There is none.
    #[error("sendmail: not found in PATH, /usr/sbin or /usr/lib")]
    Missing,
    /// It cannot be started or waited for.
    #[error("{}: cannot be run", escape(.path.as_os_str().as_encoded_bytes()))]
    Run {
        /// The command.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// It failed.
    #[error("{}: ended with {status}: {said}", escape(.path.as_os_str().as_encoded_bytes()))]
    Failed {
        /// The command.
        path: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// The end of its stderr, made printable.
        said: String,
    },
    /// It ended well, but not with the whole message.
    #[error("{}: ended without reading the whole message: {said}", escape(.path.as_os_str().as_encoded_bytes()))]
    Unread {
        /// The command.
        path: PathBuf,
        /// The end of its stderr, made printable.
        said: String,
    },
    /// It did not end, and was killed.
    #[error("{}: did not end within {} s and was killed: {said}", escape(.path.as_os_str().as_encoded_bytes()), .within.as_secs())]
    TimedOut {
        /// The command.
        path: PathBuf,
        /// How long it had.
        within: Duration,
        /// The end of its stderr, made printable.
        said: String,
    },
}

impl SendmailError {
    /// What the reader can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Missing => "install a mail system, or write smtp:// as transport",
            Self::Run { .. } => "see that the command can be executed",
            Self::Failed { .. } | Self::Unread { .. } => {
                "see the mail system's log, and its queue (mailq) before sending again; lower max_size where the message is too big"
            }
            Self::TimedOut { .. } => {
                "look in the mail queue (mailq) before sending again: it may hold the message"
            }
        }
    }
}

/// Hands `message` over for every recipient.
///
/// # Errors
/// See [`SendmailError`].
pub async fn send(settings: &Settings, message: Vec<u8>) -> Result<Delivery, SendmailError> {
    let path = find().await.ok_or(SendmailError::Missing)?;
    run(path, settings, &unix_lines(&message), WHOLE).await
}

/// The first `sendmail` that can be executed, in `PATH` and the usual places.
async fn find() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let listed =
        env::split_paths(&path).filter(|folder| folder.is_absolute()).map(|folder| folder.join("sendmail"));
    for candidate in listed.chain(PLACES.map(PathBuf::from)) {
        let found = timeout(WHOLE, tokio::fs::metadata(&candidate)).await;
        if matches!(found, Ok(Ok(meta)) if meta.is_file() && meta.permissions().mode() & 0o111 != 0) {
            return Some(candidate);
        }
    }
    None
}

/// Line ends as local commands expect them; the message has no bare CR of its own, being encoded.
pub fn unix_lines(message: &[u8]) -> Vec<u8> {
    message.iter().copied().filter(|byte| *byte != b'\r').collect()
}

/// How `sendmail` took it: whether it read all, and how it ended.
type End = (io::Result<()>, io::Result<ExitStatus>);

/// One `sendmail`, to its end or to its time-out.
///
/// # Errors
/// See [`SendmailError`].
pub async fn run(
    path: PathBuf,
    settings: &Settings,
    message: &[u8],
    within: Duration,
) -> Result<Delivery, SendmailError> {
    let mut child = match command(&path, settings).spawn() {
        Ok(child) => child,
        Err(source) => return Err(SendmailError::Run { path, source }),
    };
    let mut said = Vec::new();
    let ended = timeout(within, converse(&mut child, message, &mut said)).await;
    let said = if said.trim_ascii().is_empty() { SILENT.to_owned() } else { escape_tail(&said, SAID) };
    match ended {
        Err(_elapsed) => {
            kill(&mut child).await;
            Err(SendmailError::TimedOut { path, within, said })
        }
        Ok((_, Err(source))) => Err(SendmailError::Run { path, source }),
        Ok((_, Ok(status))) if !status.success() => Err(SendmailError::Failed { path, status, said }),
        Ok((Err(_), Ok(_))) => Err(SendmailError::Unread { path, said }),
        Ok((Ok(()), Ok(_))) => Ok(Delivery { refused: Vec::new(), notes: warnings(said) }),
    }
}

/// What it said although all went well.
fn warnings(said: String) -> Vec<String> {
    if said == SILENT { Vec::new() } else { vec![format!("sendmail said: {said}")] }
}

/// The command line: a dot does not end the message (`-i`), no address is taken for an option (`--`).
fn command(path: &PathBuf, settings: &Settings) -> Command {
    let mut command = Command::new(path);
    command.arg("-i").arg("-f").arg(&settings.from.email).arg("--");
    command.args(settings.to.iter().map(|to| &to.email));
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    // A group of its own: Ctrl-C at the terminal ends the run in its order, not the mail in the middle.
    command.process_group(0).kill_on_drop(true);
    command
}

/// Writes the message, reads stderr all the while, and waits for the end.
async fn converse(child: &mut Child, message: &[u8], said: &mut Vec<u8>) -> End {
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let mut listen = pin!(listen(stderr, said));
    let mut talk = pin!(async {
        let fed = feed(stdin, message).await;
        (fed, child.wait().await)
    });
    let mut open = true;
    let end = loop {
        tokio::select! {
            end = &mut talk => break end,
            () = &mut listen, if open => open = false,
        }
    };
    if open {
        let _ = timeout(LINGER, listen).await;
    }
    end
}

/// Writes all and closes.
async fn feed(stdin: Option<ChildStdin>, message: &[u8]) -> io::Result<()> {
    let mut stdin = stdin.ok_or(ErrorKind::BrokenPipe)?;
    stdin.write_all(message).await?;
    stdin.shutdown().await
}

/// Reads to the end, keeping the last bytes.
async fn listen(stderr: Option<impl AsyncRead + Unpin>, said: &mut Vec<u8>) {
    let Some(mut stderr) = stderr else { return };
    while let Ok(1..) = stderr.read_buf(said).await {
        let surplus = said.len().saturating_sub(2 * SAID);
        said.drain(..surplus);
    }
}

/// Ends the command and what it started.
async fn kill(child: &mut Child) {
    if let Some(group) = child.id().and_then(|id| i32::try_from(id).ok()) {
        // Gone already is as good.
        let _ = signal::killpg(Pid::from_raw(group), signal::Signal::SIGKILL);
    }
    let _ = timeout(LINGER, child.wait()).await;
}
