//! The mail that brings the harvest home: a [`EmailMessage`] goes out by the way the job names, once, or an error says why.
//!
//! Three ways: the system's `sendmail`, an SMTP server, a folder of `.eml` files. Knows nothing of hosts, runs or
//! archives: what to write and what to attach is the caller's; so is cutting an archive that is too large into parts
//! ([`encoded_size`], [`attachment_room`] and [`server_limit`] give the figures).

mod compose;
mod file;
mod sendmail;
mod settings;
mod smtp;
mod transport;

#[cfg(test)]
mod tests;

use thiserror::Error;

use compose::ComposeError;
pub use compose::{Attachment, EmailMessage};
use file::FileError;
pub use lettre::message::Mailbox;
use sendmail::SendmailError;
use settings::SettingsError;
pub use settings::{Password, Settings};
use smtp::SmtpError;
pub use transport::Transport;

use crate::escape::{error_chain, escape_tail};

/// What became of a letter that left.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delivery {
    /// Recipients who do not get it; all others do. Only an SMTP server tells: elsewhere this is empty.
    pub refused: Vec<Refused>,
    /// What a reader of the report may want to know: further tries, the name of the file.
    pub notes: Vec<String>,
}

/// One recipient that the server did not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The address, as the job writes it.
    pub address: String,
    /// Why, in the server's words, made printable.
    pub reason: String,
}

/// Why a letter did not leave, or is not known to have left.
///
/// What a variant says ends before its cause: `source()` has that. [`MailError::explain`] tells all in one line.
#[derive(Debug, Error)]
pub enum MailError {
    /// The settings contradict each other; nothing was tried.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The message could not be made; nothing was tried.
    #[error(transparent)]
    Compose(#[from] ComposeError),
    /// The message is larger than the job allows; nothing was tried.
    #[error("mail: the message has {bytes} bytes, and max_size allows {limit}")]
    TooLarge {
        /// Of the message as it would be sent.
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
    /// The folder.
    #[error(transparent)]
    File(#[from] FileError),
}

impl MailError {
    /// What the reader can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Settings(_) => "correct [mail] in the job file",
            Self::Compose(_) => "correct [mail] in the job file, or the names of the files attached",
            Self::TooLarge { .. } => "raise max_size, or attach less",
            Self::Smtp(error) => error.hint(),
            Self::Sendmail(error) => error.hint(),
            Self::File(_) => "see that the folder can be written and has room",
        }
    }

    /// The whole story on one printable line: who, what, the causes, then the way out.
    pub fn explain(&self) -> String {
        format!("{} ({})", error_chain(self), self.hint())
    }

    /// Whether the letter may have left all the same, so that sending it again may give it twice.
    pub fn may_have_left(&self) -> bool {
        matches!(
            self,
            Self::Smtp(SmtpError::Unconfirmed { .. }) | Self::Sendmail(SendmailError::TimedOut { .. })
        )
    }
}

/// A cause from below (a library, the system), kept as printable text.
///
/// Such causes quote what a server sent; as text made harmless here, no printer of an error chain has to know.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct CauseText(String);

impl CauseText {
    /// The error's own words, on one line.
    pub fn new(error: impl std::fmt::Display) -> Self {
        Self(escape_tail(error.to_string().as_bytes(), 600))
    }
}

/// Sends `letter` to every recipient of `settings`, once.
///
/// Passing faults of an SMTP server are tried again (see `smtp`); `sendmail` and the folder are tried once. A recipient
/// that the server refuses does not cost the others theirs: see [`Delivery::refused`].
///
/// # Errors
/// Nobody got it, or, where [`MailError::may_have_left`] says so, it is unknown whether somebody did.
pub async fn send(settings: &Settings, letter: &EmailMessage) -> Result<Delivery, MailError> {
    send_with(settings, letter, &smtp::PATIENCE).await
}

/// [`send`], with the waits that tests shorten.
async fn send_with(
    settings: &Settings,
    letter: &EmailMessage,
    patience: &smtp::Patience,
) -> Result<Delivery, MailError> {
    settings.validate()?;
    let bytes = encoded_size(settings, letter)?;
    if bytes > settings.max_size {
        return Err(MailError::TooLarge { bytes, limit: settings.max_size });
    }
    let message = compose::compose(settings, letter).await?;
    match &settings.transport {
        Transport::Sendmail => Ok(sendmail::send(settings, message).await?),
        Transport::File(folder) => Ok(file::send(folder, message).await?),
        Transport::Smtp(server) => Ok(smtp::send(server, settings, &message, patience).await?),
    }
}

/// The largest message, in bytes, that the SMTP server says it takes (RFC 1870); `None` where it sets no limit or the
/// transport is not SMTP.
///
/// # Errors
/// The server cannot be asked: what would keep [`send`] from sending.
pub async fn server_limit(settings: &Settings) -> Result<Option<u64>, MailError> {
    settings.validate()?;
    match &settings.transport {
        Transport::Smtp(server) => Ok(smtp::limit(server, &smtp::PATIENCE).await?),
        Transport::Sendmail | Transport::File(_) => Ok(None),
    }
}

/// The size of the message as it would be sent, in bytes, without encoding what is attached.
///
/// # Errors
/// The message cannot be made.
pub fn encoded_size(settings: &Settings, letter: &EmailMessage) -> Result<u64, MailError> {
    Ok(compose::encoded_size(settings, letter)?)
}

/// Bytes left free below a limit: servers count what they add themselves, and dots that travel doubled.
const SLACK: u64 = 1024;

/// How many bytes can still be attached to `letter`, so that the message stays within `limit` bytes as sent.
///
/// Give the letter with an empty attachment of the right name: what it is filled with then fits, with 1 KiB to spare.
///
/// # Errors
/// The message cannot be made.
pub fn attachment_room(settings: &Settings, letter: &EmailMessage, limit: u64) -> Result<u64, MailError> {
    Ok(compose::base64_room(limit.saturating_sub(SLACK).saturating_sub(encoded_size(settings, letter)?)))
}
