//! One host, reached through one ssh master: the only files that name `openssh` and `openssh_sftp_client`.
//!
//! `plan` says how it is reached, `master` makes the connection or adopts the user's own and ends it, `kept` is about
//! those of ours that outlive a command; `ssh_text` reads what ssh says; `command` runs
//! lines, `shell` our own small programs, `script` the supplied script, whose supervisor `marks` listens to; `sftp` is the SFTP channel;
//! `transfer` uploads, `list` looks at what is there, `fetch` copies one file home into a `sink`. Limits: the host is
//! Linux or another Unix with a POSIX `sh`.

mod command;
mod diagnose;
mod fetch;
mod file_writer;
mod list;
mod master;
mod script;
mod sftp;
mod shell;
mod socket;
mod ssh_args;
mod stream_filter;
mod upload;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

pub use diagnose::ConnectError;
pub use fetch::ReadAs;
pub use file_writer::{FileWriter, Written};
pub use list::{FileKind, RemoteFile, list_program};
pub use master::end_all;
pub use script::{ScriptCommand, ScriptEnd};
pub use socket::PersistentMasters;
pub use ssh_args::{ControlSockets, SshArgs, launch_line};
pub use upload::complaint;

/// How long a host may leave one request unanswered, or a stream silent, before it counts as stalled.
pub const STALL: Duration = Duration::from_secs(60);

/// A connected host.
pub struct Remote {
    /// The connection that everything shares.
    session: Arc<openssh::Session>,
    /// What to do with the master in the end.
    master: master::Master,
    /// What answers from the host begin with: a word that nobody can guess.
    word: String,
    /// The SFTP channel, once one was opened.
    sftp: sftp::Slot,
    /// Small files that came with their names.
    prefetched: fetch::Prefetched,
    /// Whose turn it is to fetch a large file.
    large: tokio::sync::Mutex<()>,
    /// The shell for our own small programs, once one was opened.
    shell: shell::Slot,
    /// Whether a channel was left open, so that the master must be told to exit at once.
    unclean: std::sync::atomic::AtomicBool,
    /// A socket of the user's where nobody answers.
    stale: Option<std::path::PathBuf>,
}

/// What can go wrong between the gateway and a connected host. Which step it spoils is the visit's business.
#[derive(Debug, Error)]
pub enum RemoteError {
    /// The connection is gone.
    #[error("the connection broke")]
    Lost,
    /// The host answered nothing for [`STALL`].
    #[error("the host stopped answering for {} s", STALL.as_secs())]
    Stalled,
    /// The host allows no more sessions on this connection.
    #[error("the host allows no further session on its connection (MaxSessions)")]
    NoSession,
    /// The host offers no SFTP.
    #[error("the host offers no sftp")]
    NoSftp,
    /// The login shell prints where only the protocol may speak.
    #[error("the login shell prints text of its own")]
    Noisy,
    /// The host denies access.
    #[error("permission denied")]
    Denied,
    /// No such file or folder.
    #[error("no such file or folder")]
    Missing,
    /// The host's file system has no room.
    #[error("no space left on the host")]
    Full,
    /// The host says no more than "failure".
    #[error("the host reports a failure: {0}")]
    Failure(String),
    /// It answered in a way that makes no sense.
    #[error("the host's answer makes no sense: {0}")]
    Nonsense(String),
    /// The file is not what it was when its copy began.
    #[error("the file changed while it was copied")]
    Changed,
    /// This machine cannot write what came.
    #[error("cannot be written here")]
    Local(#[source] io::Error),
}

impl Remote {
    /// Ends the connection if it is our own. Never fails: what is left ends by itself within a minute.
    ///
    /// The master first stops listening, then loses its channels and ends with the last: nobody waits for the host.
    pub async fn end(self) {
        let Self { session, master, sftp, shell, unclean, .. } = self;
        master.end(session, unclean.into_inner()).await;
        drop((sftp, shell));
    }

    /// Notes that a channel was left open.
    fn leave_unclean(&self) {
        self.unclean.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}
