//! The transport of a mail, as the job file's `transport` names it.
//!
//! Pure: text to value and back. Credentials never stand in it: they have keys of their own.

use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use crate::escape::escape;
use crate::message::MailMessage;

/// The way by which mail leaves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Transport {
    /// The system's `sendmail` command.
    #[default]
    Sendmail,
    /// An SMTP server.
    Smtp(Server),
    /// A folder that gets one `.eml` file a message; a relative path is the caller's to resolve.
    File(PathBuf),
}

/// An SMTP server, with the protection of the connection to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// A name or an address; an IPv6 address without its brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// The start of TLS.
    pub security: Security,
}

/// The moment when TLS begins, if it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// `smtp://`: never; no credentials travel this way.
    None,
    /// `smtp+starttls://`: by STARTTLS, before anything else; a server that lacks it gets no mail.
    StartTls,
    /// `smtps://`: from the first byte.
    Implicit,
}

impl Security {
    const ALL: [Self; 3] = [Self::None, Self::StartTls, Self::Implicit];

    /// Returns the scheme that the job file writes, and the port where none is named.
    fn scheme_and_port(self) -> (&'static str, u16) {
        match self {
            Self::None => ("smtp", 25),
            Self::StartTls => ("smtp+starttls", 587),
            Self::Implicit => ("smtps", 465),
        }
    }
}

impl FromStr for Transport {
    type Err = MailMessage;

    fn from_str(text: &str) -> Result<Self, MailMessage> {
        if text == "sendmail" {
            return Ok(Self::Sendmail);
        }
        if let Some(folder) = text.strip_prefix("file:") {
            return parse_folder(folder);
        }
        // Before any text is quoted: it may hold a password.
        if text.contains('@') {
            return Err(MailMessage::TransportWithCredentials);
        }
        let unknown = || MailMessage::UnknownTransport { text: escape(text.as_bytes()) };
        let (scheme, address) = text.split_once("://").ok_or_else(unknown)?;
        let security = Security::ALL.into_iter().find(|security| security.scheme_and_port().0 == scheme);
        parse_server(security.ok_or_else(unknown)?, address).map(Self::Smtp)
    }
}

/// Reads the folder of `file:DIR`, and of `file:///DIR` as browsers write it.
fn parse_folder(text: &str) -> Result<Transport, MailMessage> {
    match if text.starts_with("///") { text.trim_start_matches("//") } else { text } {
        "" => Err(MailMessage::TransportWithoutFolder),
        folder => Ok(Transport::File(folder.into())),
    }
}

/// Reads `host`, `host:port`, `[::1]` or `[::1]:port`; one slash may follow.
fn parse_server(security: Security, text: &str) -> Result<Server, MailMessage> {
    let text = text.strip_suffix('/').unwrap_or(text);
    if let Some(at) = text.find(['/', '?', '#']) {
        return Err(MailMessage::MoreThanHostAndPort { text: escape(text.split_at(at).1.as_bytes()) });
    }
    let invalid = || MailMessage::InvalidHost { text: escape(text.as_bytes()) };
    let (host, rest) = match text.strip_prefix('[').map(|address| address.split_once(']')) {
        Some(split) => split.filter(|(host, _)| host.parse::<Ipv6Addr>().is_ok()),
        // A second colon: an IPv6 address without its brackets.
        None => Some(text.split_at(text.find(':').unwrap_or(text.len())))
            .filter(|(host, rest)| is_host_name(host) && rest.matches(':').count() <= 1),
    }
    .ok_or_else(invalid)?;
    let port = match rest.strip_prefix(':') {
        Some(port) => parse_port(port)?,
        None if rest.is_empty() => security.scheme_and_port().1,
        None => return Err(invalid()),
    };
    Ok(Server { host: host.to_owned(), port, security })
}

/// Checks by its characters whether this can be a host name or an IPv4 address.
pub fn is_host_name(host: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    !host.is_empty() && host.len() <= 253 && !host.starts_with(['-', '.']) && host.chars().all(is_plain)
}

/// Reads a port that can be connected to.
fn parse_port(text: &str) -> Result<u16, MailMessage> {
    match text.parse() {
        Ok(port @ 1..) if text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(port),
        _ => Err(MailMessage::InvalidPort { text: escape(text.as_bytes()) }),
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.parse::<Ipv6Addr>() {
            Ok(ip) => SocketAddr::from((ip, self.port)).fmt(f),
            Err(_) => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sendmail => f.write_str("sendmail"),
            Self::Smtp(server) => write!(f, "{}://{server}", server.security.scheme_and_port().0),
            Self::File(folder) => write!(f, "file:{}", folder.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match text.parse::<Transport>() {
            Ok(transport) => transport.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn each_kind_is_read_with_its_port() {
        assert_eq!(shown("sendmail"), "sendmail");
        assert_eq!(shown("smtp://relais"), "smtp://relais:25");
        assert_eq!(shown("smtp+starttls://relais.example.fr"), "smtp+starttls://relais.example.fr:587");
        assert_eq!(shown("smtps://relais/"), "smtps://relais:465");
        assert_eq!(shown("smtp://127.0.0.1:2525"), "smtp://127.0.0.1:2525");
        assert_eq!(shown("smtp://[::1]:2525"), "smtp://[::1]:2525");
        assert_eq!(shown("smtps://[2001:db8::25]"), "smtps://[2001:db8::25]:465");
        assert_eq!(shown("file:courrier"), "file:courrier");
        assert_eq!(shown("file:/var/spool/é"), "file:/var/spool/é");
        assert_eq!("file:///tmp/x".parse(), Ok(Transport::File("/tmp/x".into())));
        let server = Server { host: "::1".into(), port: 25, security: Security::None };
        assert_eq!("smtp://[::1]".parse(), Ok(Transport::Smtp(server)));
    }

    #[test]
    fn what_is_wrong_is_named_with_the_way_out() {
        assert!(shown("postfix").contains("unknown: write sendmail, smtp://host:25"));
        assert!(shown("smtp+tls://relais").contains("unknown"));
        assert!(shown("SENDMAIL\u{1b}").contains("\\x1b"), "{}", shown("SENDMAIL\u{1b}"));
        assert!(shown("file:").contains("file:FOLDER"));
        for host in [
            "smtp://",
            "smtp://:25",
            "smtp://::1",
            "smtp://[::1",
            "smtp://[relais]",
            "smtp://[::1]25",
            "smtp://-x",
            "smtp://a b",
        ] {
            assert!(shown(host).contains("no valid host"), "{host}: {}", shown(host));
        }
        for port in ["smtp://a:", "smtp://a:0", "smtp://a:65536", "smtp://a:+25", "smtp://[::1]:x"] {
            assert!(shown(port).contains("number from 1 to 65535"), "{port}: {}", shown(port));
        }
        assert!(shown("smtps://a/b?tls=no").contains("leave it out"));
    }

    #[test]
    fn credentials_are_refused_and_not_repeated() {
        for text in ["smtps://me:secret@host", "smtp://me@host", "smtpx://me:secret@host"] {
            assert_eq!(text.parse::<Transport>(), Err(MailMessage::TransportWithCredentials));
            assert!(!shown(text).contains("secret"));
        }
    }
}
