//! Sends one message through an SMTP server, with further tries where the fault may pass.
//!
//! Each recipient is asked for on its own, so that a refused one costs the others nothing. A passing fault (no
//! connection, silence, a 4xx answer) is tried again with growing waits; a permanent one never is, and neither is a
//! message whose last byte was sent and whose answer is missing: the server may have it.
//!
//! Certificates are checked against the system's store (Debian: `ca-certificates`; `update-ca-certificates` adds a
//! company's own authority). Where the environment has `SSL_CERT_FILE` or `SSL_CERT_DIR`, as OpenSSL knows them, these
//! are used *instead* of it. Nothing switches the check off.

mod connect;
mod error;
mod session;
mod stream;

use std::{mem, time::Duration};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use lettre::{Address, transport::smtp::authentication::Credentials};
use tokio::time::{Instant, sleep};

pub use error::SmtpError;
#[cfg(test)]
pub use error::Stage;
use session::{Answer, Session};

use super::{
    Delivery, Refused,
    settings::Settings,
    transport::{Security, Server},
};
use crate::escape::escape;

/// How long to wait for what, and how often to try.
#[derive(Debug, Clone)]
pub struct Patience {
    /// For one of the server's addresses to take the connection.
    pub connect: Duration,
    /// For one answer; also for the handshake of TLS, and for greeting and EHLO together.
    pub answer: Duration,
    /// For the answer to the message, which servers read and filter before they give it; transfer comes on top.
    pub accept: Duration,
    /// The slowest line, in bytes a second, that a message is sent over.
    pub slowest: u64,
    /// For the goodbye; then the connection is dropped.
    pub goodbye: Duration,
    /// Tries in all.
    pub tries: usize,
    /// Before the second try; it doubles from try to try, and varies.
    pub pause: Duration,
    /// No try begins later than this after the first.
    pub last_start: Duration,
}

/// Four tries within about a minute: after about 3, 6 and 12 s.
pub const PATIENCE: Patience = Patience {
    connect: Duration::from_secs(10),
    answer: Duration::from_secs(30),
    accept: Duration::from_secs(120),
    slowest: 64 * 1024,
    goodbye: Duration::from_secs(2),
    tries: 4,
    pause: Duration::from_secs(3),
    last_start: Duration::from_secs(60),
};

impl Patience {
    /// The waits between tries.
    fn pauses(&self) -> ExponentialBackoff {
        let builder = ExponentialBuilder::default().with_factor(2.0).with_jitter();
        builder.with_min_delay(self.pause).with_max_times(self.tries.saturating_sub(1)).build()
    }

    /// For a message of so many bytes and the answer to it.
    fn transfer(&self, bytes: usize) -> Duration {
        self.accept + Duration::from_secs(bytes as u64 / self.slowest.max(1))
    }
}

/// The tries there are, and the waits between them.
struct Tries {
    pauses: ExponentialBackoff,
    last_start: Instant,
    count: usize,
}

impl Tries {
    /// None made yet.
    fn new(patience: &Patience) -> Self {
        Self { pauses: patience.pauses(), last_start: Instant::now() + patience.last_start, count: 1 }
    }

    /// Waits for the next try; false when there is none.
    async fn again(&mut self) -> bool {
        let Some(pause) = self.pauses.next().filter(|pause| Instant::now() + *pause <= self.last_start)
        else {
            return false;
        };
        sleep(pause).await;
        self.count += 1;
        true
    }
}

/// Sends `message` to every recipient of `settings`.
///
/// # Errors
/// Nobody got it; or [`SmtpError::Unconfirmed`].
pub async fn send(
    server: &Server,
    settings: &Settings,
    message: &[u8],
    patience: &Patience,
) -> Result<Delivery, SmtpError> {
    let mut post = Post::new(settings);
    let mut tries = Tries::new(patience);
    loop {
        let fault = post.round(server, message, patience).await.err();
        let temporary_file = fault.as_ref().is_none_or(SmtpError::is_transient);
        let again = temporary_file && !post.pending.is_empty() && tries.again().await;
        if !again {
            return post.end(server, fault, tries.count);
        }
        post.remember(fault);
    }
}

/// The largest message the server takes, in bytes, if it says so.
///
/// # Errors
/// It cannot be asked.
pub async fn limit(server: &Server, patience: &Patience) -> Result<Option<u64>, SmtpError> {
    let mut tries = Tries::new(patience);
    loop {
        match Session::open(server, patience).await {
            Ok(session) => {
                let limit = session.limit();
                session.close().await;
                return Ok(limit);
            }
            Err(fault) if fault.is_transient() && tries.again().await => {}
            Err(fault) => return Err(fault),
        }
    }
}

/// One message on its way: who still waits for it, and who will not get it.
struct Post {
    from: Address,
    login: Option<Credentials>,
    pending: Vec<Address>,
    deferred: Vec<Refused>,
    refused: Vec<Refused>,
    delivered: usize,
    trouble: Option<String>,
}

impl Post {
    /// Everybody waits; an address named twice once.
    fn new(settings: &Settings) -> Self {
        let mut pending: Vec<Address> = Vec::new();
        for to in &settings.to {
            if !pending.contains(&to.email) {
                pending.push(to.email.clone());
            }
        }
        let password = settings.password.as_ref().map(|p| p.expose().to_owned());
        let login =
            settings.user.clone().zip(password).map(|(user, password)| Credentials::new(user, password));
        let from = settings.from.email.clone();
        Self { from, login, pending, deferred: vec![], refused: vec![], delivered: 0, trouble: None }
    }

    /// One connection: the message goes to whoever of those waiting the server takes.
    async fn round(&mut self, server: &Server, message: &[u8], patience: &Patience) -> Result<(), SmtpError> {
        let mut session = Session::open(server, patience).await?;
        let done = self.transact(&mut session, server.security, message).await;
        session.close().await;
        done
    }

    /// From the login to the answer to the message.
    async fn transact(
        &mut self,
        session: &mut Session<'_>,
        security: Security,
        message: &[u8],
    ) -> Result<(), SmtpError> {
        if let Some(login) = self.login.as_ref().filter(|_| security != Security::None) {
            session.login(login).await?;
        }
        session.mail_from(&self.from, &self.pending, message).await?;
        let accepted = self.ask(session).await?;
        if accepted > 0 {
            session.data(message).await?;
            self.delivered += accepted;
            let deferred = |to: &Address| self.deferred.iter().any(|r| r.address == to.to_string());
            self.pending = self.pending.iter().filter(|to| deferred(to)).cloned().collect();
        }
        Ok(())
    }

    /// Asks for each recipient; says how many are taken now.
    async fn ask(&mut self, session: &mut Session<'_>) -> Result<usize, SmtpError> {
        self.deferred.clear();
        for to in mem::take(&mut self.pending) {
            // Whatever fails below, nobody is forgotten.
            self.pending.push(to.clone());
            let address = to.to_string();
            match session.recipient(&to).await {
                Ok(Answer::ReservedNames) => {}
                Ok(Answer::Deferred(reason)) => self.deferred.push(Refused { address, reason }),
                Ok(Answer::Refused(reason)) => {
                    self.pending.pop();
                    self.refused.push(Refused { address, reason });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(self.pending.len() - self.deferred.len())
    }

    /// What a reader may want to know of a try that was not the last.
    fn remember(&mut self, fault: Option<SmtpError>) {
        let deferred = self.deferred.last().map(|r| format!("{}: {}", r.address, r.reason));
        self.trouble = fault.map(|f| f.error_chain()).or(deferred);
    }

    /// What it came to.
    fn end(mut self, server: &Server, fault: Option<SmtpError>, tries: usize) -> Result<Delivery, SmtpError> {
        match fault {
            Some(fault) if self.delivered == 0 => return Err(fault),
            Some(fault) => self.give_up(&fault.error_chain()),
            None => self.refused.append(&mut self.deferred),
        }
        if self.delivered == 0 {
            return Err(SmtpError::Refused { server: server.to_string(), refused: self.refused });
        }
        let last =
            self.trouble.map(|trouble| format!("it took {tries} tries, the one before failed: {trouble}"));
        Ok(Delivery { refused: self.refused, notes: last.into_iter().collect() })
    }

    /// Those still waiting get nothing, for this reason.
    fn give_up(&mut self, reason: &str) {
        let lost = mem::take(&mut self.pending).into_iter();
        let reason = escape(reason.as_bytes());
        self.refused.extend(lost.map(|to| Refused { address: to.to_string(), reason: reason.clone() }));
    }
}
