//! A TCP connection that takes in one byte at a time, and not without end.
//!
//! The mail library reads ahead. What somebody in the middle puts behind the answer to STARTTLS would then count as
//! said by the server under TLS (CVE-2021-38371 and its kin); read byte by byte, it stays in the connection, where the
//! handshake of TLS meets it and fails. The library also reads a line to its end however long it is: a bound stops it.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// All that a server may say in one session, in bytes: certificates and some answers take a small part of it.
const MOST: usize = 1 << 20;

/// The connection.
#[derive(Debug)]
pub struct Careful {
    tcp: TcpStream,
    left: usize,
}

impl Careful {
    /// Around a fresh connection.
    pub fn new(tcp: TcpStream) -> Self {
        Self { tcp, left: MOST }
    }
}

impl AsyncTokioStream for Careful {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.peer_addr()
    }
}

impl AsyncRead for Careful {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.left == 0 {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the server talks without end",
            )));
        }
        let mut byte = [0];
        let mut one = ReadBuf::new(&mut byte);
        if buf.remaining() > 0 {
            ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut one))?;
            buf.put_slice(one.filled());
            self.left -= one.filled().len();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Careful {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
