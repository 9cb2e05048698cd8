//! The one SFTP channel of a host: opened when it is first needed, closed for a command where sessions are few.
//!
//! Every request has a time limit. A host without SFTP is remembered, and its files travel through commands. Limits:
//! the client library does not say why the channel did not open; that is read from its text and by running a command.

use std::sync::Arc;

use backon::Retryable as _;
use openssh_sftp_client::error::SftpErrorKind;
use openssh_sftp_client::{Error, Sftp, SftpOptions};
use tokio::time::timeout;

use super::command::session_waits;
use super::{Remote, RemoteError, STALL};
use crate::escape::{error_chain, escape_tail};

/// The state of the host's SFTP channel.
#[derive(Default)]
pub(super) enum SftpState {
    /// Not opened yet, or closed for a command's sake.
    #[default]
    Closed,
    /// Open.
    Open(Arc<Sftp>),
    /// The host offers no SFTP.
    Absent,
}

impl Remote {
    /// Returns the SFTP channel, opened if need be; none on a host with no SFTP. Where the host allows no further
    /// session, closes the shell and tries again.
    ///
    /// # Errors
    /// The login shell is noisy, or the connection broke.
    pub async fn sftp(&self) -> Result<Option<Arc<Sftp>>, RemoteError> {
        let attempt = || async {
            let opened = self.open_sftp_once().await;
            if let Err(RemoteError::SessionRefused) = opened {
                // Only the shell: another task may have opened SFTP meanwhile.
                self.close_shell().await;
            }
            opened
        };
        attempt.retry(session_waits()).when(|error| matches!(error, RemoteError::SessionRefused)).await
    }

    /// Returns the SFTP channel, if it is open: then a file can be removed while a command runs.
    pub async fn sftp_if_open(&self) -> Option<Arc<Sftp>> {
        match &*self.sftp.lock().await {
            SftpState::Open(sftp) => Some(Arc::clone(sftp)),
            SftpState::Closed | SftpState::Absent => None,
        }
    }

    async fn open_sftp_once(&self) -> Result<Option<Arc<Sftp>>, RemoteError> {
        let mut state = self.sftp.lock().await;
        match &*state {
            SftpState::Open(sftp) => return Ok(Some(Arc::clone(sftp))),
            SftpState::Absent => return Ok(None),
            SftpState::Closed => {}
        }
        let opening = Sftp::from_clonable_session(Arc::clone(&self.session), SftpOptions::new());
        match timeout(STALL, opening).await? {
            Ok(sftp) => {
                let sftp = Arc::new(sftp);
                *state = SftpState::Open(Arc::clone(&sftp));
                Ok(Some(sftp))
            }
            Err(error) => {
                // Unlocked first: to find out why, a command runs, which may close SFTP.
                drop(state);
                self.why_sftp_failed(error).await
            }
        }
    }

    /// Finds out why the channel did not open. Returns none, and remembers it, if the host has no SFTP.
    async fn why_sftp_failed(&self, error: Error) -> Result<Option<Arc<Sftp>>, RemoteError> {
        let text = error_chain(&error);
        if text.contains("refused") {
            return Err(RemoteError::SessionRefused);
        }
        // A missing subsystem, a broken connection, a login that runs nothing, and a shell whose text spoils the
        // server's greeting look much the same to the client.
        Box::pin(self.check_login()).await?;
        *self.sftp.lock().await = SftpState::Absent;
        Ok(None)
    }

    /// Closes the SFTP channel, so that a host with few sessions has one more. One that is in use closes with its
    /// last use.
    pub(super) async fn close_sftp(&self) {
        let mut state = self.sftp.lock().await;
        let SftpState::Open(sftp) = &*state else { return };
        let sftp = Arc::clone(sftp);
        *state = SftpState::Closed;
        drop(state);
        // The client's `close` waits for ever while a handle is alive.
        let Some(sftp) = Arc::into_inner(sftp) else { return };
        // In a task of its own, since the client's `close` panics after some broken channels: the panic ends the task
        // alone, and the visit goes on.
        let closed = timeout(STALL / 30, tokio::spawn(sftp.close())).await;
        if !matches!(closed, Ok(Ok(Ok(())))) {
            self.note_channel_left_open();
        }
    }
}

/// Waits for a request to the SFTP server, with a time limit, and tells its errors apart.
pub(super) async fn request<T>(request: impl Future<Output = Result<T, Error>>) -> Result<T, RemoteError> {
    timeout(STALL, request).await?.map_err(|error| match &error {
        Error::SftpError(SftpErrorKind::NoSuchFile, _) => RemoteError::NotFound,
        Error::SftpError(SftpErrorKind::PermDenied, _) => RemoteError::PermissionDenied,
        Error::SftpError(_, text) => {
            RemoteError::HostError(escape_tail(text.to_string().as_bytes(), 200), Some(Box::new(error)))
        }
        Error::UnsupportedExtension(what) => RemoteError::HostError(what.to_string(), Some(Box::new(error))),
        _ => RemoteError::lost(error),
    })
}
