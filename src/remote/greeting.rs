//! Asks a port what it says to anybody, where ssh says only that the connection was closed: sshd tells a banned
//! source, or one connection too many, in a line that ssh keeps for its debug log; what is no sshd says so itself.
//!
//! Limits: only an address that this machine connects to itself is asked, which ssh names.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The longest time for the whole question.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The time in which an sshd speaks by itself.
const SPEAKS_FIRST: Duration = Duration::from_millis(700);

/// The most bytes that are read.
const MAX: usize = 200;

/// Returns the first bytes of what the port says that closed the connection, by what ssh said; else nothing.
pub(super) async fn ask_greeting(ssh_said: &[u8]) -> Vec<u8> {
    let Some(address) = closed_by(&String::from_utf8_lossy(ssh_said)) else { return Vec::new() };
    timeout(TIMEOUT, greeting_of(address)).await.ok().and_then(Result::ok).unwrap_or_default()
}

/// Returns the address that closed a connection: `Connection closed by 192.0.2.1 port 22`.
fn closed_by(text: &str) -> Option<SocketAddr> {
    text.lines().find_map(|line| {
        let words: Vec<&str> = line.trim().split(' ').collect();
        let [.., "by", address, "port", port] = words[..] else { return None };
        Some(SocketAddr::new(address.parse::<IpAddr>().ok()?, port.parse().ok()?))
    })
}

async fn greeting_of(address: SocketAddr) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    let mut said = Vec::with_capacity(MAX);
    if timeout(SPEAKS_FIRST, stream.read_buf(&mut said)).await.is_err() {
        // A server of another protocol waits to be spoken to.
        stream.write_all(b"SSH-2.0-recolte\r\n\r\n").await?;
        stream.read_buf(&mut said).await?;
    }
    said.truncate(MAX);
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_that_ssh_names_is_asked() {
        for (text, address) in [
            (
                "kex_exchange_identification: read: reset\r\nConnection reset by 10.7.1.2 port 22\r\n",
                Some("10.7.1.2:22"),
            ),
            ("Connection closed by ::1 port 2222\r\n", Some("[::1]:2222")),
            ("Connection closed by UNKNOWN port 65535\r\n", None),
            ("Connection closed by remote host\r\n", None),
        ] {
            assert_eq!(closed_by(text).map(|address| address.to_string()).as_deref(), address, "{text}");
        }
    }
}
