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

use std::error::Error;

use thiserror::Error;

pub use compose::{Attachment, EmailMessage};
pub use lettre::message::Mailbox;
pub use settings::{Password, Settings};
use smtp::SmtpError;
pub use transport::Transport;

use crate::escape::error_chain;
use crate::message::MailMessage;

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
    /// The SMTP server.
    #[error(transparent)]
    Smtp(#[from] SmtpError),
    /// This machine: settings, message, `sendmail`, the folder of messages.
    #[error("{kind}")]
    Local {
        /// The problem.
        kind: MailMessage,
        /// The cause below it, if there is one.
        source: Option<Box<dyn Error + Send + Sync>>,
    },
}

impl From<MailMessage> for MailError {
    fn from(kind: MailMessage) -> Self {
        Self::Local { kind, source: None }
    }
}

impl MailError {
    /// Returns what a reader can do about it.
    pub fn hint(&self) -> MailMessage {
        let kind = match self {
            Self::Smtp(error) => return error.hint(),
            Self::Local { kind, .. } => kind,
        };
        match kind {
            MailMessage::NoMediaType { .. } | MailMessage::CannotBeMade => {
                MailMessage::CorrectNamesOrMailTable
            }
            MailMessage::TooLarge { .. } => MailMessage::RaiseMaxSize,
            MailMessage::FolderUnwritable { .. } | MailMessage::FolderTimedOut { .. } => {
                MailMessage::CheckFolder
            }
            MailMessage::SendmailMissing => MailMessage::InstallSendmail,
            MailMessage::SendmailNotRun { .. } => MailMessage::CheckSendmailIsExecutable,
            MailMessage::SendmailTimedOut { .. } => MailMessage::CheckMailQueue,
            MailMessage::SendmailFailed { .. } | MailMessage::SendmailLeftInputUnread { .. } => {
                MailMessage::CheckMailLog
            }
            // Settings that contradict each other.
            _ => MailMessage::CorrectMailTable,
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
            Self::Local { kind, .. } => matches!(kind, MailMessage::SendmailTimedOut { .. }),
        }
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
    let message = compose::compose(settings, email).await?;
    let (bytes, limit) = (message.len() as u64, settings.max_size);
    if bytes > limit {
        return Err(MailMessage::TooLarge { bytes, limit }.into());
    }
    match &settings.transport {
        Transport::Sendmail => sendmail::send(settings, message).await,
        Transport::File(folder) => file::send(folder, message).await,
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
/// The settings contradict each other, or the message cannot be made.
pub fn max_attachment(settings: &Settings, email: EmailMessage, limit: u64) -> Result<u64, MailError> {
    settings.validate()?;
    let frame = compose::build_message(settings, email)?.formatted().len() as u64;
    Ok(compose::max_base64_input(limit.saturating_sub(RESERVE).saturating_sub(frame)))
}
