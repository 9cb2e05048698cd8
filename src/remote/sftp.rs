//! The one SFTP channel of a host: opened when it is first needed, given up for a command where sessions are few.
//!
//! The client's own faults are kept at bay here: every request has a time limit, and closing, which may panic or hang
//! after a broken channel, happens in a task of its own.

use std::sync::Arc;

use openssh_sftp_client::error::SftpErrorKind;
use openssh_sftp_client::{Error, Sftp, SftpOptions};
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use super::command::{SESSION_TRIES, SESSION_WAIT};
use super::{Remote, RemoteError, STALL};
use crate::escape::{error_chain, escape_tail};

/// The one SFTP channel of a host.
pub(super) type Slot = Mutex<Channel>;

/// What is known of the host's SFTP.
#[derive(Default)]
pub(super) enum Channel {
    /// Not asked yet, or given up for a command's sake.
    #[default]
    Closed,
    /// Open.
    Open(Arc<Sftp>),
    /// The host offers none.
    Absent,
}

impl Remote {
    /// The SFTP channel, opened if need be.
    ///
    /// # Errors
    /// The host offers none, its login shell is noisy, or the connection broke.
    pub(super) async fn sftp(&self) -> Result<Arc<Sftp>, RemoteError> {
        for attempt in 0..SESSION_TRIES {
            match self.try_sftp().await {
                Err(RemoteError::NoSession) => {
                    self.close_shell().await;
                    sleep(SESSION_WAIT * attempt.min(4)).await;
                }
                done => return done,
            }
        }
        Err(RemoteError::NoSession)
    }

    /// The SFTP channel, if it is open.
    pub(super) async fn open_sftp(&self) -> Option<Arc<Sftp>> {
        match &*self.sftp.lock().await {
            Channel::Open(sftp) => Some(Arc::clone(sftp)),
            Channel::Closed | Channel::Absent => None,
        }
    }

    /// Whether SFTP is open, so that a file can be seen to while a line runs.
    pub async fn has_sftp_open(&self) -> bool {
        self.open_sftp().await.is_some()
    }

    async fn try_sftp(&self) -> Result<Arc<Sftp>, RemoteError> {
        let mut slot = self.sftp.lock().await;
        match &*slot {
            Channel::Open(sftp) => return Ok(Arc::clone(sftp)),
            Channel::Absent => return Err(RemoteError::NoSftp),
            Channel::Closed => {}
        }
        let opening = Sftp::from_clonable_session(Arc::clone(&self.session), SftpOptions::new());
        match timeout(STALL, opening).await {
            Ok(Ok(sftp)) => {
                let sftp = Arc::new(sftp);
                *slot = Channel::Open(Arc::clone(&sftp));
                Ok(sftp)
            }
            Ok(Err(error)) => {
                drop(slot);
                self.why_no_sftp(&error).await
            }
            Err(_) => Err(RemoteError::Stalled),
        }
    }

    /// Whether the host offers SFTP.
    ///
    /// # Errors
    /// It does not, its login shell is noisy, or the connection broke.
    pub async fn offers_sftp(&self) -> Result<(), RemoteError> {
        self.sftp().await.map(drop)
    }

    /// What a channel that did not open means.
    async fn why_no_sftp(&self, error: &Error) -> Result<Arc<Sftp>, RemoteError> {
        let text = error_chain(error);
        if text.contains("refused") {
            return Err(RemoteError::NoSession);
        }
        if text.contains("hello") || text.contains("Hello") || text.contains("version") {
            return Err(RemoteError::Noisy);
        }
        if !Box::pin(self.answers()).await {
            return Err(RemoteError::Lost);
        }
        *self.sftp.lock().await = Channel::Absent;
        Err(RemoteError::NoSftp)
    }

    /// Gives the SFTP channel up, so that a host with few sessions has one more.
    pub(super) async fn close_sftp(&self) {
        let mut slot = self.sftp.lock().await;
        let Channel::Open(sftp) = &*slot else { return };
        let sftp = Arc::clone(sftp);
        *slot = Channel::Closed;
        drop(slot);
        let closed = match Arc::into_inner(sftp) {
            // A task of its own: the client may panic here after a broken channel.
            Some(sftp) => timeout(STALL / 30, tokio::spawn(sftp.close())).await,
            None => return,
        };
        if !matches!(closed, Ok(Ok(Ok(())))) {
            self.leave_unclean();
        }
    }
}

/// A request to the SFTP server, with its time limit, its errors told apart.
pub(super) async fn asked<T>(request: impl Future<Output = Result<T, Error>>) -> Result<T, RemoteError> {
    match timeout(STALL, request).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(Error::SftpError(kind, text))) => Err(match kind {
            SftpErrorKind::NoSuchFile => RemoteError::Missing,
            SftpErrorKind::PermDenied => RemoteError::Denied,
            _ => RemoteError::Failure(escape_tail(text.to_string().as_bytes(), 200)),
        }),
        Ok(Err(Error::UnsupportedExtension(what))) => Err(RemoteError::Failure(what.to_string())),
        Ok(Err(_)) => Err(RemoteError::Lost),
        Err(_) => Err(RemoteError::Stalled),
    }
}
