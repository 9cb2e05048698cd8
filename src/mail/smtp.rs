//! Sends one message through an SMTP server, with further attempts after a transient error.
//!
//! Each recipient is named on its own, so that a refused one does not keep the others from their mail. A transient
//! error (no connection, no answer in time, a 4xx answer) is tried again as long as nobody has the message. Never
//! tried again are a permanent error, and a message sent to its last byte without an answer: the server may have it.
//!
//! Certificates are checked against the system's store (Debian: `ca-certificates`; `update-ca-certificates` adds a
//! company's own authority). Where the environment has `SSL_CERT_FILE` or `SSL_CERT_DIR`, as in OpenSSL, these are
//! used *instead* of it. Nothing switches the check off.

mod error;
mod session;
mod stream;

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use tokio::time::Instant;

pub use error::{SmtpError, Stage};
use session::Session;

use super::transport::Server;
use super::{Delivery, Settings};
use crate::escape::error_chain;
use crate::message::MailMessage;

/// Limits of the waits in a session, and of the attempts.
#[derive(Debug, Clone)]
pub struct Timeouts {
    /// The wait for one answer; also for a TLS handshake, and for greeting and EHLO together.
    pub answer: Duration,
    /// The number of attempts after the first.
    pub retries: usize,
    /// The pause before the second attempt; it doubles from attempt to attempt, with jitter.
    pub first_pause: Duration,
    /// The time after which no further attempt follows.
    pub last_attempt: Duration,
}

/// Four attempts within about a minute: after about 3, 6 and 12 s.
pub const TIMEOUTS: Timeouts = Timeouts {
    answer: Duration::from_secs(30),
    retries: 3,
    first_pause: Duration::from_secs(3),
    last_attempt: Duration::from_secs(60),
};

/// Sends a message to every recipient of the settings.
///
/// # Errors
/// Nobody got it; or it is unknown whether somebody did ([`MailMessage::Unconfirmed`]).
pub async fn send(
    server: &Server,
    settings: &Settings,
    message: &[u8],
    timeouts: &Timeouts,
) -> Result<Delivery, SmtpError> {
    let mut failed = Vec::new();
    let mut delivery = retry(timeouts, &mut failed, || async {
        let mut session = Session::open(server, timeouts).await?;
        let sent = session.send(settings, message).await;
        session.close().await;
        sent
    })
    .await?;
    let note = failed.pop().map(|error| MailMessage::SentAfterRetries { attempts: failed.len() + 2, error });
    delivery.notes.extend(note.map(|note| note.to_string()));
    Ok(delivery)
}

/// Returns the size in bytes of the largest message that the server accepts, if it names one.
///
/// # Errors
/// The server cannot be asked.
pub async fn size_limit(server: &Server, timeouts: &Timeouts) -> Result<Option<u64>, SmtpError> {
    let mut session = retry(timeouts, &mut Vec::new(), || Session::open(server, timeouts)).await?;
    session.close().await;
    Ok(session.size_limit)
}

/// Repeats an attempt as long as its errors are transient and time remains; adds those errors to `failed`.
async fn retry<T, F: Future<Output = Result<T, SmtpError>>>(
    timeouts: &Timeouts,
    failed: &mut Vec<String>,
    attempt: impl FnMut() -> F,
) -> Result<T, SmtpError> {
    let pauses = ExponentialBuilder::default().with_jitter();
    let pauses = pauses.with_min_delay(timeouts.first_pause).with_max_times(timeouts.retries);
    let last = Instant::now() + timeouts.last_attempt;
    attempt
        .retry(pauses)
        .when(|error| error.is_transient() && Instant::now() < last)
        .notify(|error, _pause| failed.push(error_chain(error)))
        .await
}
