//! One session with an SMTP server, from the connection to QUIT; each wait has a limit.
//!
//! Drives the mail library's connection command by command: the library's own `send` stops at the first refused
//! recipient, names no size, and waits without a limit.

use std::collections::HashSet;
use std::fmt::Display;
use std::net::Ipv4Addr;
use std::time::Duration;
use std::{io, iter};

use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Ehlo, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::{Response, Severity};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::stream::UnbufferedStream;
use super::{SmtpError, Stage, Timeouts};
use crate::disk::run_blocking;
use crate::escape::escape;
use crate::mail::transport::{Security, Server, is_host_name};
use crate::mail::{Delivery, Settings};
use crate::message::MailMessage;

/// Login mechanisms. Both send the password in clear, so [`Settings::validate`] demands TLS for them.
const MECHANISMS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];
/// The number of bytes of the message that are written at once.
const CHUNK: usize = 64 * 1024;
/// The slowest connection that is waited for while a message is sent, in bytes per second.
const MIN_SPEED: u64 = 64 * 1024;
/// The longest wait for an answer that changes little: to QUIT, or in the middle of the message.
const SHORT_WAIT: Duration = Duration::from_secs(2);

/// A session after EHLO, under TLS where the transport demands it.
pub struct Session<'a> {
    connection: AsyncSmtpConnection,
    server: &'a Server,
    timeouts: &'a Timeouts,
    /// The largest message that the server accepts, in bytes, if it names one (RFC 1870).
    pub size_limit: Option<u64>,
}

impl<'a> Session<'a> {
    /// Connects to a server.
    ///
    /// # Errors
    /// The server cannot be reached, does not answer in time, or has no TLS that can be trusted.
    pub async fn open(server: &'a Server, timeouts: &'a Timeouts) -> Result<Self, SmtpError> {
        let (name, limit) = (client_name(), timeouts.answer);
        let connection = if server.security == Security::Implicit {
            let tls = Some(load_certificates(server, limit).await?);
            let address = (server.host.as_str(), server.port);
            let connect = AsyncSmtpConnection::connect_tokio1(address, Some(limit / 3), &name, tls, None);
            with_timeout(server, &MailMessage::WhileConnecting, limit, connect).await?
        } else {
            let stream = Box::new(UnbufferedStream(connect_tcp(server, limit).await?));
            let greet = AsyncSmtpConnection::connect_with_transport(stream, &name);
            with_timeout(server, &MailMessage::WhileConnecting, limit, greet).await?
        };
        let mut session = Self { connection, server, timeouts, size_limit: None };
        if server.security == Security::StartTls {
            session.start_tls(&name).await?;
        }
        // The library has sent EHLO already, but does not keep SIZE from the answer.
        session.size_limit = parse_size(&session.command(&MailMessage::AtEhlo, Ehlo::new(name)).await?);
        Ok(session)
    }

    /// Sends a message to every recipient that the server accepts. Returns the others in [`Delivery::refused`], those
    /// that it refuses (5xx) and those that it defers (4xx).
    ///
    /// # Errors
    /// The message was sent to nobody, or its last byte was sent and no answer came ([`MailMessage::Unconfirmed`]).
    pub async fn send(&mut self, settings: &Settings, message: &[u8]) -> Result<Delivery, SmtpError> {
        if let (Some(user), Some(password)) = (&settings.user, &settings.password) {
            self.login(&Credentials::new(user.clone(), password.expose().to_owned())).await?;
        }
        let (from, options) = (settings.from.email.clone(), self.mail_options(settings, message)?);
        self.command(&MailMessage::AtMailFrom, Mail::new(Some(from), options)).await?;
        let refused = self.send_recipients(settings).await?;
        self.transfer(message).await?;
        Ok(Delivery { refused, ..Delivery::default() })
    }

    /// Ends the session; the server's answer to QUIT does not matter, nor whether it comes.
    pub async fn close(&mut self) {
        let _ = timeout(SHORT_WAIT, self.connection.quit()).await;
    }

    /// Upgrades the connection by STARTTLS.
    async fn start_tls(&mut self, name: &ClientId) -> Result<(), SmtpError> {
        if !self.connection.can_starttls() {
            return Err(self.error(&MailMessage::AtStartTls, MailMessage::NoStartTls));
        }
        let tls = load_certificates(self.server, self.timeouts.answer).await?;
        let upgrade = self.connection.starttls(tls, name);
        with_timeout(self.server, &MailMessage::AtStartTls, self.timeouts.answer, upgrade).await
    }

    /// Logs in by a mechanism that the server offers.
    async fn login(&mut self, login: &Credentials) -> Result<(), SmtpError> {
        if self.connection.server_info().get_auth_mechanism(&MECHANISMS).is_none() {
            return Err(self.error(&MailMessage::AtLogin, MailMessage::NoLogin));
        }
        let auth = self.connection.auth(&MECHANISMS, login);
        with_timeout(self.server, &MailMessage::AtLogin, self.timeouts.answer, auth).await.map(drop)
    }

    /// Returns the parameters of MAIL FROM, or an error where the server lacks what this message needs.
    fn mail_options(&self, settings: &Settings, message: &[u8]) -> Result<Vec<MailParameter>, SmtpError> {
        let (info, bytes) = (self.connection.server_info(), message.len() as u64);
        if let Some(limit) = self.size_limit.filter(|limit| bytes > *limit) {
            return Err(self.error(&MailMessage::AtMailFrom, MailMessage::OverServerLimit { limit, bytes }));
        }
        let mut options = Vec::from_iter(self.size_limit.map(|_| MailParameter::Size(message.len())));
        let mut addresses =
            settings.to.iter().chain([&settings.from]).map(|mailbox| mailbox.email.to_string());
        if let Some(address) = addresses.find(|address| !address.is_ascii()) {
            if !info.supports_feature(Extension::SmtpUtfEight) {
                let kind = MailMessage::OnlyAsciiAddresses { address: escape(address.as_bytes()) };
                return Err(self.error(&MailMessage::AtMailFrom, kind));
            }
            options.push(MailParameter::SmtpUtfEight);
        }
        if !message.is_ascii() && info.supports_feature(Extension::EightBitMime) {
            options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        Ok(options)
    }

    /// Sends RCPT TO for each recipient. Returns those that the server refuses (5xx) or defers (4xx), or an error if
    /// it accepts none. Only then is a deferred one tried again: else the accepted ones would get the mail twice.
    async fn send_recipients(&mut self, settings: &Settings) -> Result<Vec<String>, SmtpError> {
        let (mut named, mut refused, mut deferred) = (HashSet::new(), Vec::new(), false);
        for recipient in settings.to.iter().map(|to| &to.email).filter(|email| named.insert(*email)) {
            match self.command(&MailMessage::AtRcptTo, Rcpt::new(recipient.clone(), vec![])).await {
                Ok(_) => {}
                // 421 is not about the recipient: the server closes the connection.
                Err(SmtpError { kind: MailMessage::NegativeAnswer { code, text, .. }, .. })
                    if code != 421 =>
                {
                    deferred |= code < 500;
                    refused.push(format!("{recipient}: {code} {text}"));
                }
                Err(error) => return Err(error),
            }
        }
        if refused.len() < named.len() {
            return Ok(refused);
        }
        let recipients = refused.join("; ");
        let kind = match deferred {
            true => MailMessage::EveryRecipientDeferred { recipients },
            false => MailMessage::EveryRecipientRefused { recipients },
        };
        Err(self.error(&MailMessage::AtRcptTo, kind))
    }

    /// Sends DATA and the message, for the recipients that were accepted.
    async fn transfer(&mut self, message: &[u8]) -> Result<(), SmtpError> {
        if !self.command(&MailMessage::DuringMessage, Data).await?.has_code(354) {
            let kind = MailMessage::NoSmtpAnswer { stage: &MailMessage::DuringMessage };
            return Err(self.error(&MailMessage::DuringMessage, kind).because(MailMessage::DataNotAccepted));
        }
        // Servers filter a message before they answer.
        let limit = self.timeouts.answer * 4 + Duration::from_secs(message.len() as u64 / MIN_SPEED);
        let mut all_sent = false;
        let sending = self.connection.message_iter(chunks(message, &mut all_sent));
        let answer = timeout(limit, sending).await;
        // From the final dot on the server may have the message: only a negative answer says that it has not.
        let stage = if all_sent { &MailMessage::AfterMessage } else { &MailMessage::DuringMessage };
        match answer {
            Ok(Ok(answer)) if answer.code().severity == Severity::PositiveCompletion => Ok(()),
            Ok(Ok(_)) => {
                Err(self.error(stage, MailMessage::Unconfirmed).because(MailMessage::AnswerOutOfOrder))
            }
            Ok(Err(error)) if all_sent => Err(SmtpError::from_library(self.server, stage, &error)),
            Ok(Err(error)) => Err(self.read_early_answer(stage, error).await),
            Err(_elapsed) => Err(SmtpError::timed_out(self.server, stage, limit)),
        }
    }

    /// Reads the answer of a server that closed the connection in the middle of the message, if there is one.
    async fn read_early_answer(&mut self, stage: Stage, error: Error) -> SmtpError {
        let answer = timeout(SHORT_WAIT, self.connection.read_response()).await;
        let answer = answer.ok().and_then(Result::err).filter(|answer| answer.status().is_some());
        SmtpError::from_library(self.server, stage, &answer.unwrap_or(error))
    }

    /// Sends one command and waits for its answer.
    async fn command(&mut self, stage: Stage, command: impl Display) -> Result<Response, SmtpError> {
        with_timeout(self.server, stage, self.timeouts.answer, self.connection.command(command)).await
    }

    /// Creates an error of this session.
    fn error(&self, stage: Stage, kind: MailMessage) -> SmtpError {
        SmtpError::new(self.server, stage, kind)
    }
}

/// Runs an action of the mail library for at most `limit`.
async fn with_timeout<T>(
    server: &Server,
    stage: Stage,
    limit: Duration,
    action: impl Future<Output = Result<T, Error>>,
) -> Result<T, SmtpError> {
    match timeout(limit, action).await {
        Ok(done) => done.map_err(|error| SmtpError::from_library(server, stage, &error)),
        Err(_elapsed) => Err(SmtpError::timed_out(server, stage, limit)),
    }
}

/// Returns the name for EHLO: this machine's, or an address where servers would not accept that name.
fn client_name() -> ClientId {
    match ClientId::default() {
        ClientId::Domain(name) if is_host_name(&name) && !name.contains('_') => ClientId::Domain(name),
        _ => ClientId::Ipv4(Ipv4Addr::LOCALHOST),
    }
}

/// Reads the system's certificates, on a thread where that may block.
async fn load_certificates(server: &Server, limit: Duration) -> Result<TlsParameters, SmtpError> {
    let host = server.host.clone();
    let load = run_blocking(move || TlsParameters::new(host).map_err(io::Error::other));
    let late = |_elapsed| Err(io::Error::other(MailMessage::CertificatesTimedOut.to_string()));
    timeout(limit, load).await.unwrap_or_else(late).map_err(|error| {
        SmtpError::new(server, &MailMessage::AtStartTls, MailMessage::NoTrustworthyTls).because(error)
    })
}

/// Connects to the first of the server's addresses that accepts.
async fn connect_tcp(server: &Server, limit: Duration) -> Result<TcpStream, SmtpError> {
    let connect = async {
        let mut last = io::Error::new(io::ErrorKind::NotFound, MailMessage::NoAddress.to_string());
        for address in lookup_host((server.host.as_str(), server.port)).await? {
            // An address that does not answer leaves time for the others.
            match timeout(limit / 3, TcpStream::connect(address)).await {
                Ok(Ok(tcp)) => return Ok(tcp),
                Ok(Err(error)) => last = error,
                Err(_elapsed) => last = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(last)
    };
    let silent = MailMessage::NoAnswerWithin { seconds: limit.as_secs() };
    let late = |_elapsed| Err(io::Error::other(silent.to_string()));
    timeout(limit, connect).await.unwrap_or_else(late).map_err(|error| {
        SmtpError::new(server, &MailMessage::WhileConnecting, MailMessage::ServerUnreachable).because(error)
    })
}

/// Reads `SIZE` from the answer to EHLO; 0 means no limit.
fn parse_size(hello: &Response) -> Option<u64> {
    let parse = |line: &str| line.to_ascii_uppercase().strip_prefix("SIZE ")?.trim().parse().ok();
    hello.message().skip(1).find_map(parse).filter(|limit| *limit > 0)
}

/// Cuts the message into chunks; sets `all_sent` when the last has been written and only the final dot remains.
fn chunks<'m>(message: &'m [u8], all_sent: &'m mut bool) -> impl Iterator<Item = &'m [u8]> + Send {
    // The library adds a line end before the dot, and asks for a chunk only after it has written the one before.
    let message = message.strip_suffix(b"\r\n").unwrap_or(message);
    message.chunks(CHUNK).chain(iter::once_with(|| {
        *all_sent = true;
        <&[u8]>::default()
    }))
}
