//! Sends a mail: an [`EmailMessage`] leaves once, by the transport that the job names, or an error says why not.
//!
//! Three transports: the system's `sendmail`, an SMTP server, a folder of `.eml` files. Knows nothing of hosts, runs
//! or archives: the caller decides what to write and to attach, and cuts an archive that is too large into parts
//! ([`max_attachment`] and [`server_limit`] give the figures).

mod compose;
mod file;
mod sendmail;
mod settings;
mod smtp;
mod transport;

#[cfg(test)]
mod tests;

use std::fmt;

use thiserror::Error;

pub use compose::{Attachment, EmailMessage};
use compose::{ComposeError, encoded_size};
use file::FolderError;
pub use lettre::message::Mailbox;
use sendmail::SendmailError;
pub use settings::{Password, Settings};
use smtp::SmtpError;
pub use transport::Transport;

use crate::escape::{error_chain, escape_tail};
use crate::message::MailMessage;

/// Bytes of a cause that are kept.
const MAX_CAUSE: usize = 600;
/// Bytes left free below a limit: servers also count headers of their own, and dots that are sent doubled.
const RESERVE: u64 = 1024;

/// The outcome of a mail that left.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delivery {
    /// Recipients who do not get it, for good or for now, each with the server's answer, made printable; all others
    /// get it. Only an SMTP server names them: elsewhere this is empty.
    pub refused: Vec<String>,
    /// Remarks for the report: further attempts, the name of the file.
    pub notes: Vec<String>,
}

/// A mail that did not leave, or is not known to have left.
///
/// The text of a variant does not repeat its cause, which is its `source()`; [`MailError::explain`] gives all of it.
#[derive(Debug, Error)]
pub enum MailError {
    /// The settings contradict each other; nothing was tried.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The message could not be made; nothing was tried.
    #[error(transparent)]
    Compose(#[from] ComposeError),
    /// The message is larger than the job allows; nothing was tried.
    #[error("{}", MailMessage::TooLarge { bytes: *bytes, limit: *limit })]
    TooLarge {
        /// The size of the message as it would be sent.
        bytes: u64,
        /// The job's `max_size`, in bytes.
        limit: u64,
    },
    /// The SMTP server.
    #[error(transparent)]
    Smtp(#[from] SmtpError),
    /// The system's `sendmail`.
    #[error(transparent)]
    Sendmail(#[from] SendmailError),
    /// The folder of messages.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

impl MailError {
    /// Returns what a reader can do about it.
    pub fn hint(&self) -> MailMessage {
        match self {
            Self::Settings(_) => MailMessage::CorrectMailTable,
            Self::Compose(_) => MailMessage::CorrectNamesOrMailTable,
            Self::TooLarge { .. } => MailMessage::RaiseMaxSize,
            Self::Smtp(error) => error.hint(),
            Self::Sendmail(error) => error.hint(),
            Self::Folder(_) => MailMessage::CheckFolder,
        }
    }

    /// Returns the error, its causes and the hint on one printable line.
    pub fn explain(&self) -> String {
        format!("{} ({})", error_chain(self), self.hint())
    }

    /// Checks whether the mail may have left all the same, so that sending it again may deliver it twice.
    pub fn may_have_left(&self) -> bool {
        match self {
            Self::Smtp(error) => error.kind == MailMessage::Unconfirmed,
            Self::Sendmail(error) => matches!(error.kind, MailMessage::SendmailTimedOut { .. }),
            _ => false,
        }
    }
}

/// Settings that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct SettingsError(pub MailMessage);

/// An error of a library as printable text on one line: such errors quote what a server sent.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct PrintableCause(String);

impl PrintableCause {
    /// Makes an error's text printable.
    pub fn new(error: impl fmt::Display) -> Self {
        Self(escape_tail(error.to_string().as_bytes(), MAX_CAUSE))
    }
}

/// Sends `email` to every recipient of `settings`, once.
///
/// Transient errors of an SMTP server are tried again (see `smtp`); `sendmail` and the folder are tried once. A
/// recipient that the server refuses does not keep the others from their mail: see [`Delivery::refused`].
///
/// # Errors
/// Nobody got it, or, where [`MailError::may_have_left`] says so, it is unknown whether somebody did.
pub async fn send(settings: &Settings, email: &EmailMessage) -> Result<Delivery, MailError> {
    send_within(settings, email, &smtp::TIMEOUTS).await
}

/// Sends a mail with the given timeouts, which tests shorten.
async fn send_within(
    settings: &Settings,
    email: &EmailMessage,
    timeouts: &smtp::Timeouts,
) -> Result<Delivery, MailError> {
    settings.validate()?;
    let (bytes, limit) = (encoded_size(settings, email)?, settings.max_size);
    if bytes > limit {
        return Err(MailError::TooLarge { bytes, limit });
    }
    let message = compose::compose(settings, email).await?;
    match &settings.transport {
        Transport::Sendmail => Ok(sendmail::send(settings, message).await?),
        Transport::File(folder) => Ok(file::send(folder, message).await?),
        Transport::Smtp(server) => Ok(smtp::send(server, settings, &message, timeouts).await?),
    }
}

/// Returns the size in bytes of the largest message that the SMTP server accepts (RFC 1870); `None` where it sets no
/// limit or the transport is not SMTP.
///
/// # Errors
/// The server cannot be asked, for any reason that would also keep [`send`] from sending.
pub async fn server_limit(settings: &Settings) -> Result<Option<u64>, MailError> {
    settings.validate()?;
    match &settings.transport {
        Transport::Smtp(server) => Ok(smtp::size_limit(server, &smtp::TIMEOUTS).await?),
        Transport::Sendmail | Transport::File(_) => Ok(None),
    }
}

/// Returns how many bytes can still be attached to `email` so that the message stays within `limit` bytes as sent.
///
/// Expects an empty attachment with the right name in `email`; so many bytes then fit into it, with 1 KiB to spare.
///
/// # Errors
/// The message cannot be made.
pub fn max_attachment(settings: &Settings, email: &EmailMessage, limit: u64) -> Result<u64, MailError> {
    let remaining = limit.saturating_sub(RESERVE).saturating_sub(encoded_size(settings, email)?);
    Ok(compose::max_base64_input(remaining))
}
