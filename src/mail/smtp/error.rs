//! Errors of an SMTP session: at which stage, why, and what a reader can do about it.
//!
//! The mail library's errors are interpreted here and nowhere else: by the server's reply code, by the system error
//! below them, by their kind, and by one text of the library's that has no kind. Problems and stages are the texts
//! that name them.

use std::error::Error;
use std::time::Duration;
use std::{io, iter};

use lettre::transport::smtp;
use thiserror::Error;

use crate::escape::escape_tail;
use crate::mail::transport::{Security, Server};
use crate::message::MailMessage;

/// Bytes of an answer that are kept.
const MAX_ANSWER: usize = 500;
/// Bytes of a cause that are kept.
const MAX_CAUSE: usize = 600;

/// A stage of a session: the text that says when something happened.
pub type Stage = &'static MailMessage;

/// A session with an SMTP server that failed.
#[derive(Debug, Error)]
#[error("{}", MailMessage::MailServer { server: server.clone(), problem: kind.to_string() })]
pub struct SmtpError {
    /// The server, as `host:port`.
    pub server: String,
    /// The stage at which it failed.
    pub stage: Stage,
    /// The problem.
    pub kind: MailMessage,
    /// The cause below it, if there is one.
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl SmtpError {
    /// Creates an error that has no cause below it.
    pub fn new(server: &Server, stage: Stage, kind: MailMessage) -> Self {
        Self { server: server.to_string(), stage, kind, source: None }
    }

    /// Adds the cause, as printable text on one line: errors of a library quote what a server sent.
    pub fn because(self, source: impl std::fmt::Display) -> Self {
        let text = escape_tail(source.to_string().as_bytes(), MAX_CAUSE);
        Self { source: Some(text.into()), ..self }
    }

    /// Creates the error of a server that did not answer in time.
    pub fn timed_out(server: &Server, stage: Stage, waited: Duration) -> Self {
        let seconds = waited.as_secs();
        if stage == &MailMessage::AfterMessage {
            let error = Self::new(server, stage, MailMessage::Unconfirmed);
            return error.because(MailMessage::NoAnswerWithin { seconds });
        }
        Self::new(server, stage, MailMessage::ServerSilent { seconds, stage })
    }

    /// Interprets an error of the mail library.
    pub fn from_library(server: &Server, stage: Stage, error: &smtp::Error) -> Self {
        if let Some(code) = error.status() {
            let text = error.source().map(ToString::to_string).unwrap_or_default();
            let text = escape_tail(text.as_bytes(), MAX_ANSWER);
            let kind = MailMessage::NegativeAnswer { stage, code: code.into(), text };
            return Self::new(server, stage, kind);
        }
        let connecting = stage == &MailMessage::WhileConnecting;
        let handshake =
            stage == &MailMessage::AtStartTls || connecting && server.security == Security::Implicit;
        let closed = is_closed_by_server(error);
        let kind = match io_error_kind(error) {
            // After the final dot only an answer is certain: the server may have taken the message.
            _ if stage == &MailMessage::AfterMessage => MailMessage::Unconfirmed,
            // TLS reports a failed handshake this way, and the library an answer that is not UTF-8.
            Some(io::ErrorKind::InvalidData) if handshake => MailMessage::NoTrustworthyTls,
            Some(io::ErrorKind::InvalidData) => MailMessage::NoSmtpAnswer { stage },
            None if closed => MailMessage::ConnectionBroke { stage },
            None if error.is_response() || error.is_client() => MailMessage::NoSmtpAnswer { stage },
            _ if connecting => MailMessage::ServerUnreachable,
            _ => MailMessage::ConnectionBroke { stage },
        };
        let error = Self::new(server, stage, kind).because(error);
        if closed { error.because(MailMessage::ClosedByServer) } else { error }
    }

    /// Checks whether another attempt may succeed, and cannot deliver the message twice.
    pub fn is_transient(&self) -> bool {
        matches!(
            self.kind,
            MailMessage::ServerUnreachable
                | MailMessage::ServerSilent { .. }
                | MailMessage::ConnectionBroke { .. }
                | MailMessage::EveryRecipientDeferred { .. }
                | MailMessage::NegativeAnswer { code: 400..500, .. }
        )
    }

    /// Returns what a reader can do about it.
    pub fn hint(&self) -> MailMessage {
        match &self.kind {
            MailMessage::ServerUnreachable => MailMessage::CheckAddressAndFirewall,
            MailMessage::ServerSilent { .. } => MailMessage::CheckPortAndTls,
            MailMessage::NoSmtpAnswer { .. } => MailMessage::CheckPortIsMailServer,
            MailMessage::NoTrustworthyTls => MailMessage::CheckCertificate,
            MailMessage::NoStartTls => MailMessage::UseImplicitTls,
            MailMessage::NoLogin => MailMessage::LeaveUserOut,
            MailMessage::NegativeAnswer { code: 400..500, .. } => MailMessage::SendAgainLater,
            MailMessage::NegativeAnswer { .. } if self.stage == &MailMessage::AtLogin => {
                MailMessage::CheckLogin
            }
            MailMessage::OnlyAsciiAddresses { .. } => MailMessage::WriteDomainInAscii,
            MailMessage::OverServerLimit { .. } => MailMessage::LowerMaxSize,
            MailMessage::EveryRecipientRefused { .. } => MailMessage::CheckRecipients,
            MailMessage::EveryRecipientDeferred { .. } => MailMessage::SendAgainLater,
            MailMessage::Unconfirmed => MailMessage::AskRecipient,
            _ => MailMessage::CheckServerLog,
        }
    }
}

/// Returns the kind of the system error below an error of the library, if there is one.
fn io_error_kind(error: &smtp::Error) -> Option<io::ErrorKind> {
    let mut causes = iter::successors(error.source(), |cause: &&(dyn Error + 'static)| (*cause).source());
    causes.find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind)
}

/// Checks whether the server closed the connection instead of answering, for which the library has no kind.
fn is_closed_by_server(error: &smtp::Error) -> bool {
    error.is_response() && error.source().is_some_and(|cause| cause.to_string() == "incomplete response")
}
