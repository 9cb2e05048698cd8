//! One host, reached through one ssh master. Only the files of this module name `openssh` and `openssh_sftp_client`.
//!
//! The connection: `master` makes it or adopts the user's own, `socket` names its control socket, `ssh_args` calls
//! ssh, `proxy` and `greeting` keep words that ssh would lose, `diagnose` reads what all of them say. On it:
//! `command` runs one command a channel; `channel` is one shell and its streams, `protocol` what is said there,
//! `shell` runs our programs in it; `launcher` starts the shell as the user who runs the script, `script` runs it
//! there; `sftp` is the SFTP channel. Files: `upload` to the host, `list` what is there, `fetch` files into a
//! `file_writer`. Limits: the host is Linux or another Unix with a POSIX `sh`.

mod channel;
mod command;
mod diagnose;
mod fetch;
mod file_writer;
mod greeting;
mod launcher;
mod list;
mod master;
mod protocol;
mod proxy;
mod script;
mod sftp;
mod shell;
mod socket;
mod ssh_args;
mod upload;

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::Mutex;
use tokio::time::error::Elapsed;

pub use diagnose::{ConnectError, Diagnosis, Evidence, diagnose, parse_stderr};
pub use fetch::{LARGE, fetch_by_sftp};
pub use file_writer::{FileWriter, Written};
pub use launcher::{LastWords, LauncherCommand, LauncherShell, Live, NotReady};
pub use list::{Listing, RemoteFile};
pub use master::end_all;
pub use protocol::{INSTALL, LAUNCHER, LAUNCHER_NUMBER, LOOK_AT_INSTALL, Message, WAIT_FOR_END};
pub use proxy::become_proxy_shell;
pub use script::{ScriptEnd, Writers};
pub use shell::Shell;
pub use socket::{ControlSockets, PersistentMasters};
pub use ssh_args::{SshArgs, SshVersion, launch_line};

use crate::escape::escape_tail;
use crate::message::VisitMessage;

/// The longest time that a host may leave a request unanswered or a stream silent; then it counts as stalled.
pub const STALL: Duration = Duration::from_secs(60);

/// A connected host.
pub struct Remote {
    session: Arc<openssh::Session>,
    master: master::Master,
    sftp: Mutex<sftp::SftpState>,
    /// The shell for our small programs, while it is open and nobody uses it.
    shell: Mutex<Option<Shell>>,
    /// Set when a channel was left open, so that the master must be told to exit at once.
    channel_left_open: Arc<AtomicBool>,
    /// The user's control socket for this host, if no master listens there.
    pub stale_socket: Option<PathBuf>,
}

/// An error between the gateway and a connected host. What it means for a step is decided in `visit/failure`.
#[derive(Debug, Error)]
pub enum RemoteError {
    /// The connection broke.
    #[error("{}", VisitMessage::ConnectionBroke)]
    ConnectionLost(#[source] io::Error),
    /// The host answered nothing for [`STALL`].
    #[error("{}", VisitMessage::HostStalled { seconds: STALL.as_secs() })]
    Stalled(#[from] Elapsed),
    /// The host allows no further session on this connection (MaxSessions).
    #[error("{}", VisitMessage::SessionRefused)]
    SessionRefused,
    /// The login shell, or a process left behind, prints into an answer: this, where it is known.
    #[error("{}", noisy_shell(.0))]
    NoisyShell(String),
    /// The login user's shell, or what stands in its place, ended with a status before it ran anything.
    #[error("{}", VisitMessage::ShellEnded)]
    LoginEnded(Option<i32>, LastWords),
    /// The shell of the user who runs the script ended before its answer.
    #[error("{}", VisitMessage::ShellEnded)]
    ShellEnded,
    /// The host denies access.
    #[error("{}", VisitMessage::PermissionDenied)]
    PermissionDenied,
    /// No such file or folder.
    #[error("{}", VisitMessage::NotFound)]
    NotFound,
    /// The host's file system is full.
    #[error("{}", VisitMessage::HostDiskFull)]
    DiskFull,
    /// The host reports any other error, in its own words.
    #[error("{}", VisitMessage::HostError { text: String::clone(.0) })]
    HostError(String, #[source] Option<Box<openssh_sftp_client::Error>>),
    /// The host's answer cannot be parsed.
    #[error("{}", VisitMessage::UnexpectedAnswer { text: String::clone(.0) })]
    UnexpectedAnswer(String),
    /// The file is not what it was when its copy began.
    #[error("{}", VisitMessage::FileChanged)]
    FileChanged,
    /// This machine cannot write what came.
    #[error("{}", VisitMessage::LocalIo)]
    LocalIo(#[source] io::Error),
}

fn noisy_shell(text: &str) -> VisitMessage {
    if text.is_empty() {
        VisitMessage::NoisyShell
    } else {
        VisitMessage::NoisyShellSaid { text: text.to_owned() }
    }
}

impl RemoteError {
    /// Makes the error of an answer into which somebody prints.
    fn noisy(text: &[u8]) -> Self {
        Self::NoisyShell(escape_tail(text, 300))
    }

    /// Wraps the error by which a lost connection was noticed.
    fn lost(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::ConnectionLost(io::Error::other(error))
    }

    /// Returns the error of a stream that ended before its time.
    fn ended_early() -> Self {
        Self::ConnectionLost(io::ErrorKind::UnexpectedEof.into())
    }
}

impl Remote {
    /// Ends the connection if it is our own. Never fails: what is left ends by itself within a minute.
    ///
    /// The master first stops listening, then loses its channels and ends with the last: nobody waits for the host.
    pub async fn end(self) {
        let Self { session, master, sftp, shell, channel_left_open, .. } = self;
        master.end(session, channel_left_open.load(Ordering::Relaxed)).await;
        drop((sftp, shell));
    }

    /// Notes that a channel was left open: its process on the host may still run and hold it.
    fn note_channel_left_open(&self) {
        self.channel_left_open.store(true, Ordering::Relaxed);
    }
}
