//! What can go wrong with an SMTP server, and whether it may pass.
//!
//! The mail library's errors are read here and nowhere else: by their kinds, their status and the system error below
//! them, and by one text of the library's that has no kind of its own.

use std::{error::Error as StdError, fmt, io, time::Duration};

use lettre::transport::smtp::{self, response::Severity};
use thiserror::Error;

use super::super::{CauseText, Refused};
use crate::escape::escape_tail;

/// Bytes of an answer that are kept.
const TEXT: usize = 500;

/// Where in the conversation something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Name, TCP, greeting and EHLO.
    Connect,
    /// The same with `smtps`, and the handshake of TLS.
    Secure,
    /// STARTTLS and its handshake.
    StartTls,
    /// EHLO, asked again.
    Ehlo,
    /// AUTH.
    Login,
    /// MAIL FROM.
    Sender,
    /// RCPT TO.
    Recipient,
    /// DATA, and the message up to its last byte.
    Data,
    /// The answer to the message.
    Accept,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect | Self::Secure => "while connecting",
            Self::StartTls => "at STARTTLS",
            Self::Ehlo => "at EHLO",
            Self::Login => "at login",
            Self::Sender => "at MAIL FROM",
            Self::Recipient => "at RCPT TO",
            Self::Data => "during the message",
            Self::Accept => "after the message",
        })
    }
}

/// Why the server did not take the message. `server` is `host:port`.
#[derive(Debug, Error)]
pub enum SmtpError {
    /// No connection came about.
    #[error("mail server {server}: cannot be reached")]
    Connect {
        /// Which.
        server: String,
        /// The system's answer.
        #[source]
        source: CauseText,
    },
    /// It says nothing.
    #[error("mail server {server}: silent for {} s {stage}", .waited.as_secs_f32())]
    Silent {
        /// Which.
        server: String,
        /// Where.
        stage: Stage,
        /// For how long.
        waited: Duration,
    },
    /// The connection broke.
    #[error("mail server {server}: the connection broke {stage}")]
    Lost {
        /// Which.
        server: String,
        /// Where.
        stage: Stage,
        /// The system's answer.
        #[source]
        source: CauseText,
    },
    /// It says what no SMTP server says.
    #[error("mail server {server}: no answer in SMTP {stage}")]
    Garbled {
        /// Which.
        server: String,
        /// Where.
        stage: Stage,
        /// What the library made of it.
        #[source]
        source: CauseText,
    },
    /// No TLS came about.
    #[error("mail server {server}: no trustworthy TLS connection")]
    Tls {
        /// Which.
        server: String,
        /// What is wrong with it.
        #[source]
        source: CauseText,
    },
    /// STARTTLS is asked for, and it has none.
    #[error("mail server {server}: offers no STARTTLS, and nothing is sent in clear")]
    NoStartTls {
        /// Which.
        server: String,
    },
    /// A user is set, and it takes no login that we know.
    #[error("mail server {server}: offers neither AUTH PLAIN nor AUTH LOGIN")]
    NoLogin {
        /// Which.
        server: String,
    },
    /// It says no, or not now.
    #[error("mail server {server}: answered {stage}: {code} {text}")]
    Answer {
        /// Which.
        server: String,
        /// Where.
        stage: Stage,
        /// The reply code: 4xx passes, 5xx stays.
        code: u16,
        /// Its words, made printable.
        text: String,
    },
    /// An address needs SMTPUTF8, and the server lacks it.
    #[error("mail server {server}: takes only plain ASCII addresses, not {address}")]
    Address {
        /// Which.
        server: String,
        /// The address, made printable.
        address: String,
    },
    /// The message is larger than it takes.
    #[error("mail server {server}: takes {limit} bytes, and the message has {bytes}")]
    TooLarge {
        /// Which.
        server: String,
        /// Of the message.
        bytes: u64,
        /// What it takes.
        limit: u64,
    },
    /// Nobody is taken.
    #[error("mail server {server}: refused every recipient: {}", list(.refused))]
    Refused {
        /// Which.
        server: String,
        /// Everybody, each with the reason.
        refused: Vec<Refused>,
    },
    /// The message was sent to its last byte, and no answer came: it may have been taken.
    #[error(
        "mail server {server}: the message was sent whole, but not confirmed; it is not sent again, as it may have arrived"
    )]
    Unconfirmed {
        /// Which.
        server: String,
        /// What came instead of the answer.
        #[source]
        source: CauseText,
    },
}

/// `a@x: reason; b@y: reason`
fn list(refused: &[Refused]) -> String {
    let each: Vec<String> = refused.iter().map(|r| format!("{}: {}", r.address, r.reason)).collect();
    each.join("; ")
}

impl SmtpError {
    /// Whether another try may do better, and can do no harm.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Silent { .. } | Self::Lost { .. } => true,
            Self::Answer { code, .. } => (400..500).contains(code),
            _ => false,
        }
    }

    /// What the reader can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Connect { .. } => "see that the name, the port and the firewall are right",
            Self::Silent { .. } => {
                "see that the port and the kind of TLS are right: 25 smtp, 587 smtp+starttls, 465 smtps"
            }
            Self::Garbled { .. } => "see that the port is a mail server's, and the kind of TLS the right one",
            Self::Tls { .. } => {
                "the certificate must name this server and come from an authority in the system's store, or in SSL_CERT_FILE; port 465 goes with smtps, 587 with smtp+starttls"
            }
            Self::NoStartTls { .. } => "write smtps:// if it has TLS on port 465",
            Self::NoLogin { .. } => "leave user out, or ask for another login on that server",
            Self::Answer { stage: Stage::Login, .. } => "see that user and password are right",
            Self::Address { .. } => "write the domain in its xn-- form, or name a server with SMTPUTF8",
            Self::TooLarge { .. } => "lower max_size, so that the archive is sent in parts",
            Self::Refused { .. } => {
                "see that the addresses are right and that the server relays for this machine"
            }
            Self::Unconfirmed { .. } => "ask a recipient before sending again",
            Self::Lost { .. } | Self::Answer { .. } => "see the server's log",
        }
    }

    /// What happened and why, without the way out.
    pub fn error_chain(&self) -> String {
        match StdError::source(self) {
            Some(cause) => format!("{self}: {cause}"),
            None => self.to_string(),
        }
    }

    /// Reads an error of the library that came up at `stage`.
    pub fn read(server: String, stage: Stage, error: &smtp::Error) -> Self {
        if let Some(code) = error.status() {
            let text = error.source().map(ToString::to_string).unwrap_or_default();
            return Self::Answer {
                server,
                stage,
                code: code.into(),
                text: escape_tail(text.as_bytes(), TEXT),
            };
        }
        let source = CauseText::new(error);
        match system_error(error) {
            Some(io::ErrorKind::InvalidData) if matches!(stage, Stage::Secure | Stage::StartTls) => {
                Self::Tls { server, source }
            }
            Some(io::ErrorKind::InvalidData) => Self::Garbled { server, stage, source },
            None if error.is_tls() => Self::Tls { server, source },
            None if is_cut_short(error) => {
                Self::Lost { server, stage, source: CauseText::new("closed by the server") }
            }
            None if error.is_response() || error.is_client() => Self::Garbled { server, stage, source },
            _ if matches!(stage, Stage::Connect | Stage::Secure) => Self::Connect { server, source },
            _ => Self::Lost { server, stage, source },
        }
    }

    /// Reads an error that came up after the last byte of the message: only an answer is certain then.
    pub fn read_unconfirmed(server: String, error: &smtp::Error) -> Self {
        match Self::read(server, Stage::Accept, error) {
            answer @ Self::Answer { .. } => answer,
            Self::Lost { server, source, .. } | Self::Garbled { server, source, .. } => {
                Self::Unconfirmed { server, source }
            }
            other => other,
        }
    }
}

/// Whether a reply's code says yes.
pub fn is_yes(severity: Severity) -> bool {
    severity == Severity::PositiveCompletion
}

/// The system error below, if there is one.
fn system_error(error: &smtp::Error) -> Option<io::ErrorKind> {
    causes(error).find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind)
}

/// The library's only sign that the server hung up instead of answering.
fn is_cut_short(error: &smtp::Error) -> bool {
    error.is_response() && error.source().is_some_and(|cause| cause.to_string() == "incomplete response")
}

/// The chain below an error.
fn causes(error: &smtp::Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    std::iter::successors(error.source(), |cause: &&(dyn StdError + 'static)| (*cause).source())
}
