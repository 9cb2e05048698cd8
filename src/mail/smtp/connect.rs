//! Makes the connection: name, TCP, greeting, EHLO, and TLS as the transport demands it, never without.
//!
//! With TLS from the first byte the mail library opens the connection itself; else we do, as [`Careful`] says why.

use std::{io, net::Ipv4Addr, time::Duration};

use lettre::transport::smtp::{
    Error,
    client::{AsyncSmtpConnection, TlsParameters},
    extension::ClientId,
};
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

use super::{
    Patience,
    error::{SmtpError, Stage},
    stream::Careful,
};
use crate::mail::{
    CauseText,
    transport::{Security, Server},
};

/// A connection after EHLO.
///
/// # Errors
/// The server is not there, is silent, or is not to be trusted.
pub async fn connect(server: &Server, patience: &Patience) -> Result<AsyncSmtpConnection, SmtpError> {
    match (server.security, tls(server, patience).await?) {
        (Security::Implicit, tls) => implicit(server, patience, tls).await,
        (_, None) => plain(server, patience).await,
        (_, Some(tls)) => upgraded(plain(server, patience).await?, server, patience, tls).await,
    }
}

/// Waits, but not for ever.
///
/// # Errors
/// The library's, read; or silence.
pub async fn bounded<T>(
    server: &Server,
    stage: Stage,
    within: Duration,
    action: impl Future<Output = Result<T, Error>>,
) -> Result<T, SmtpError> {
    match timeout(within, action).await {
        Ok(done) => done.map_err(|error| SmtpError::read(server.to_string(), stage, &error)),
        Err(_elapsed) => Err(SmtpError::Silent { server: server.to_string(), stage, waited: within }),
    }
}

/// The name we give: this machine's, where that is one that servers take.
pub fn hello() -> ClientId {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    match ClientId::default() {
        ClientId::Domain(name) if !name.is_empty() && name.chars().all(plain) => ClientId::Domain(name),
        _ => ClientId::Ipv4(Ipv4Addr::LOCALHOST),
    }
}

/// That nothing came.
pub fn silence(waited: Duration) -> CauseText {
    CauseText::new(format_args!("silent for {} s", waited.as_secs_f32()))
}

/// What TLS needs, where the transport wants it: reads the system's certificates, off the async threads.
async fn tls(server: &Server, patience: &Patience) -> Result<Option<TlsParameters>, SmtpError> {
    if server.security == Security::None {
        return Ok(None);
    }
    let host = server.host.clone();
    let made = timeout(patience.answer, tokio::task::spawn_blocking(move || TlsParameters::new(host))).await;
    let source = match made {
        Ok(Ok(Ok(tls))) => return Ok(Some(tls)),
        Ok(Ok(Err(error))) => CauseText::new(error),
        Ok(Err(error)) => CauseText::new(error),
        Err(_elapsed) => CauseText::new("the system's certificates cannot be read in time"),
    };
    Err(SmtpError::Tls { server: server.to_string(), source })
}

/// TLS from the first byte.
async fn implicit(
    server: &Server,
    patience: &Patience,
    tls: Option<TlsParameters>,
) -> Result<AsyncSmtpConnection, SmtpError> {
    let address = (server.host.as_str(), server.port);
    let hello = hello();
    let connect = AsyncSmtpConnection::connect_tokio1(address, Some(patience.connect), &hello, tls, None);
    bounded(server, Stage::Secure, patience.answer, connect).await
}

/// Greeting and EHLO in clear.
async fn plain(server: &Server, patience: &Patience) -> Result<AsyncSmtpConnection, SmtpError> {
    let connecting = timeout(patience.answer, tcp(server, patience)).await;
    let tcp = match connecting {
        Ok(connected) => connected.map_err(|error| SmtpError::Connect {
            server: server.to_string(),
            source: CauseText::new(error),
        })?,
        Err(_elapsed) => {
            return Err(SmtpError::Connect { server: server.to_string(), source: silence(patience.answer) });
        }
    };
    let hello = hello();
    let greet = AsyncSmtpConnection::connect_with_transport(Box::new(Careful::new(tcp)), &hello);
    bounded(server, Stage::Connect, patience.answer, greet).await
}

/// The first of the server's addresses that answers.
async fn tcp(server: &Server, patience: &Patience) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in lookup_host((server.host.as_str(), server.port)).await? {
        match timeout(patience.connect, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => return Ok(tcp),
            Ok(Err(error)) => last = error,
            Err(_elapsed) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

/// STARTTLS, or an error.
async fn upgraded(
    mut conn: AsyncSmtpConnection,
    server: &Server,
    patience: &Patience,
    tls: TlsParameters,
) -> Result<AsyncSmtpConnection, SmtpError> {
    if !conn.can_starttls() {
        let _ = timeout(patience.goodbye, conn.quit()).await;
        return Err(SmtpError::NoStartTls { server: server.to_string() });
    }
    bounded(server, Stage::StartTls, patience.answer, conn.starttls(tls, &hello())).await?;
    if conn.is_encrypted() { Ok(conn) } else { Err(SmtpError::NoStartTls { server: server.to_string() }) }
}
