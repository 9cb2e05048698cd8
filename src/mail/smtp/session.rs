//! One connection to an SMTP server, from its greeting to the goodbye; each wait has an end.
//!
//! Drives the mail library's connection command by command: its own `send` gives up at the first refused recipient,
//! names no size, and waits for the goodbye of a server that has already taken the message.

use std::{
    iter,
    sync::atomic::{AtomicBool, Ordering},
};

use lettre::{
    Address,
    transport::smtp::{
        Error,
        authentication::{Credentials, Mechanism},
        client::AsyncSmtpConnection,
        commands::{Data, Ehlo, Mail, Rcpt},
        extension::{Extension, MailBodyParameter, MailParameter},
        response::Response,
    },
};
use tokio::time::timeout;

use super::{
    Patience,
    connect::{bounded, connect, hello, silence},
    error::{SmtpError, Stage, is_yes},
};
use crate::{
    escape::escape,
    mail::{CauseText, transport::Server},
};

/// The logins we know; both show the password to the server, so they need TLS.
const LOGINS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];
/// Bytes handed to the connection at once.
const CHUNK: usize = 64 * 1024;

/// What the server says to one recipient.
pub enum Answer {
    /// Yes.
    ReservedNames,
    /// Not now.
    Deferred(String),
    /// No.
    Refused(String),
}

/// The connection, after EHLO, and under TLS where that is asked for.
pub struct Session<'a> {
    conn: AsyncSmtpConnection,
    server: &'a Server,
    patience: &'a Patience,
    limit: Option<u64>,
}

impl<'a> Session<'a> {
    /// Connects, and begins TLS as the transport demands; never without it where it does.
    ///
    /// # Errors
    /// The server is not there, not silent for long, or not to be trusted.
    pub async fn open(server: &'a Server, patience: &'a Patience) -> Result<Self, SmtpError> {
        let conn = connect(server, patience).await?;
        let mut session = Self { conn, server, patience, limit: None };
        let hello = session.command(Stage::Ehlo, Ehlo::new(hello())).await?;
        session.limit = size(&hello);
        Ok(session)
    }

    /// The largest message it takes, in bytes.
    pub fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// Logs in; only under TLS.
    ///
    /// # Errors
    /// The server refuses, or offers no way.
    pub async fn login(&mut self, login: &Credentials) -> Result<(), SmtpError> {
        let server = self.server.to_string();
        if !self.conn.is_encrypted() {
            return Err(SmtpError::NoStartTls { server });
        }
        if self.conn.server_info().get_auth_mechanism(&LOGINS).is_none() {
            return Err(SmtpError::NoLogin { server });
        }
        let auth = self.conn.auth(&LOGINS, login);
        bounded(self.server, Stage::Login, self.patience.answer, auth).await.map(drop)
    }

    /// Announces sender and size.
    ///
    /// # Errors
    /// The server refuses, or cannot take such a size or such addresses.
    pub async fn mail_from(
        &mut self,
        from: &Address,
        to: &[Address],
        message: &[u8],
    ) -> Result<(), SmtpError> {
        let bytes = message.len() as u64;
        let server = || self.server.to_string();
        if let Some(limit) = self.limit.filter(|limit| bytes > *limit) {
            return Err(SmtpError::TooLarge { server: server(), bytes, limit });
        }
        let mut options = Vec::new();
        options.extend(self.limit.map(|_| MailParameter::Size(message.len())));
        let foreign = iter::once(from).chain(to).map(ToString::to_string).find(|address| !address.is_ascii());
        if let Some(address) = foreign {
            if !self.conn.server_info().supports_feature(Extension::SmtpUtfEight) {
                return Err(SmtpError::Address { server: server(), address: escape(address.as_bytes()) });
            }
            options.push(MailParameter::SmtpUtfEight);
        }
        if !message.is_ascii() && self.conn.server_info().supports_feature(Extension::EightBitMime) {
            options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        self.command(Stage::Sender, Mail::new(Some(from.clone()), options)).await.map(drop)
    }

    /// Asks for one recipient.
    ///
    /// # Errors
    /// The whole session ended; a recipient refused is an [`Answer`].
    pub async fn recipient(&mut self, to: &Address) -> Result<Answer, SmtpError> {
        match self.command(Stage::Recipient, Rcpt::new(to.clone(), vec![])).await {
            Ok(_) => Ok(Answer::ReservedNames),
            // 421: the server closes the connection.
            Err(error @ SmtpError::Answer { code: 421, .. }) => Err(error),
            Err(SmtpError::Answer { code: code @ 400..500, text, .. }) => {
                Ok(Answer::Deferred(format!("{code} {text}")))
            }
            Err(SmtpError::Answer { code, text, .. }) => Ok(Answer::Refused(format!("{code} {text}"))),
            Err(error) => Err(error),
        }
    }

    /// Sends the message to the recipients taken.
    ///
    /// # Errors
    /// [`SmtpError::Unconfirmed`] when its last byte was sent and no answer came; else it was not taken.
    pub async fn data(&mut self, message: &[u8]) -> Result<(), SmtpError> {
        let go = self.command(Stage::Data, Data).await?;
        if !go.has_code(354) {
            return Err(self.garbled(Stage::Data, "DATA was not answered with 354"));
        }
        let sent = AtomicBool::new(false);
        let within = self.patience.transfer(message.len());
        let answer = timeout(within, self.conn.message_iter(chunks(message, &sent))).await;
        let server = self.server.to_string();
        match (answer, sent.load(Ordering::Relaxed)) {
            (Ok(Ok(answer)), _) if is_yes(answer.code().severity) => Ok(()),
            (Ok(Ok(_)), _) => {
                Err(SmtpError::Unconfirmed { server, source: CauseText::new("an answer out of order") })
            }
            (Ok(Err(error)), true) => Err(SmtpError::read_unconfirmed(server, &error)),
            (Err(_), true) => Err(SmtpError::Unconfirmed { server, source: silence(within) }),
            (Ok(Err(error)), false) => Err(self.last_words(&error).await),
            (Err(_), false) => Err(SmtpError::Silent { server, stage: Stage::Data, waited: within }),
        }
    }

    /// Says goodbye, and does not mind what comes back.
    pub async fn close(mut self) {
        let _ = timeout(self.patience.goodbye, self.conn.quit()).await;
    }

    /// The answer that a server gave before it hung up in the middle of the message, if it can still be read.
    async fn last_words(&mut self, error: &Error) -> SmtpError {
        let server = self.server.to_string();
        match timeout(self.patience.goodbye, self.conn.read_response()).await {
            Ok(Err(answer)) if answer.status().is_some() => SmtpError::read(server, Stage::Data, &answer),
            _ => SmtpError::read(server, Stage::Data, error),
        }
    }

    /// One command and its answer.
    async fn command(
        &mut self,
        stage: Stage,
        command: impl std::fmt::Display,
    ) -> Result<Response, SmtpError> {
        bounded(self.server, stage, self.patience.answer, self.conn.command(command)).await
    }

    /// The server and we are not in the same conversation.
    fn garbled(&self, stage: Stage, what: &str) -> SmtpError {
        SmtpError::Garbled { server: self.server.to_string(), stage, source: CauseText::new(what) }
    }
}

/// `SIZE` of an EHLO answer; 0 means no limit.
fn size(hello: &Response) -> Option<u64> {
    let mut lines = hello.message().skip(1).map(str::split_ascii_whitespace);
    let size = lines
        .find_map(|mut words| words.next().filter(|w| w.eq_ignore_ascii_case("SIZE")).map(|_| words.next()));
    size.flatten().and_then(|n| n.parse().ok()).filter(|n| *n > 0)
}

/// The message in pieces; `sent` is set once all of them are with the system and only the final dot is left.
fn chunks<'m>(message: &'m [u8], sent: &'m AtomicBool) -> impl Iterator<Item = &'m [u8]> + Send {
    // The library puts a line end of its own before the dot.
    let message = message.strip_suffix(b"\r\n").unwrap_or(message);
    let last = iter::once_with(|| {
        sent.store(true, Ordering::Relaxed);
        <&[u8]>::default()
    });
    message.chunks(CHUNK).chain(last)
}
