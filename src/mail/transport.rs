//! The way a mail leaves, as the job file's `transport` names it.
//!
//! Pure: text to value and back. Credentials never stand in it: they have keys of their own.

use std::{
    fmt,
    net::{Ipv6Addr, SocketAddr},
    path::PathBuf,
    str::FromStr,
};

use thiserror::Error;

use crate::escape::escape;

/// How mail leaves.
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

/// An SMTP server, and how the connection to it is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// A name or an address; an IPv6 address without its brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// Whether and when TLS begins.
    pub security: Security,
}

/// Whether and when TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// `smtp://`: never; no credentials travel this way.
    None,
    /// `smtp+starttls://`: by STARTTLS, before anything else; a server that lacks it is not spoken to.
    StartTls,
    /// `smtps://`: from the first byte.
    Implicit,
}

impl Security {
    /// All of them, with the scheme that names each.
    const ALL: [Self; 3] = [Self::None, Self::StartTls, Self::Implicit];

    /// The scheme in the job file.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::None => "smtp",
            Self::StartTls => "smtp+starttls",
            Self::Implicit => "smtps",
        }
    }

    /// The port where none is named.
    pub fn default_port(self) -> u16 {
        match self {
            Self::None => 25,
            Self::StartTls => 587,
            Self::Implicit => 465,
        }
    }
}

/// Why a `transport` is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TransportError {
    /// No such kind.
    #[error(
        "transport \"{}\" is unknown: write sendmail, smtp://host:25, smtp+starttls://host:587, smtps://host:465 or file:FOLDER",
        escape(.0.as_bytes())
    )]
    Unknown(String),
    /// `file:` without a folder.
    #[error("transport \"file:\" names no folder: write file:FOLDER")]
    NoFolder,
    /// User or password in the address; the text is not repeated.
    #[error("transport holds credentials: put the name in user and the password in password_file")]
    Credentials,
    /// No host, or none that can be.
    #[error("transport names no valid host: \"{}\": write a name or an address, an IPv6 one in brackets", escape(.0.as_bytes()))]
    Host(String),
    /// Not a number from 1 to 65535.
    #[error("transport names no valid port: \"{}\": write a number from 1 to 65535", escape(.0.as_bytes()))]
    Port(String),
    /// Something after host and port.
    #[error("transport has more than host and port: \"{}\": leave it out", escape(.0.as_bytes()))]
    Rest(String),
}

impl FromStr for Transport {
    type Err = TransportError;

    fn from_str(text: &str) -> Result<Self, TransportError> {
        if text == "sendmail" {
            return Ok(Self::Sendmail);
        }
        if let Some(folder) = text.strip_prefix("file:") {
            return folder_of(folder).map(Self::File).ok_or(TransportError::NoFolder);
        }
        let Some((scheme, address)) = text.split_once("://") else {
            return Err(unknown(text));
        };
        let security =
            Security::ALL.into_iter().find(|s| s.scheme() == scheme).ok_or_else(|| unknown(text))?;
        Server::parse(security, address).map(Self::Smtp)
    }
}

/// `file:DIR`, and `file:///DIR` as browsers write it.
fn folder_of(text: &str) -> Option<PathBuf> {
    let path = if text.starts_with("///") { text.trim_start_matches("//") } else { text };
    (!path.is_empty()).then(|| PathBuf::from(path))
}

/// No such kind; what may be a password is left out.
fn unknown(text: &str) -> TransportError {
    if text.contains('@') { TransportError::Credentials } else { TransportError::Unknown(text.to_owned()) }
}

impl Server {
    /// `host`, `host:port`, `[::1]:port`; one slash may follow.
    fn parse(security: Security, text: &str) -> Result<Self, TransportError> {
        if text.contains('@') {
            return Err(TransportError::Credentials);
        }
        let text = text.strip_suffix('/').unwrap_or(text);
        if let Some(at) = text.find(['/', '?', '#']) {
            return Err(TransportError::Rest(text.split_at(at).1.to_owned()));
        }
        let (host, port) = Self::split(text)?;
        let port = port.map_or(Ok(security.default_port()), parse_port)?;
        Ok(Self { host, port, security })
    }

    /// The host, checked, and the port's text.
    fn split(text: &str) -> Result<(String, Option<&str>), TransportError> {
        let wrong = || TransportError::Host(text.to_owned());
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or_else(wrong)?;
                host.parse::<Ipv6Addr>().ok().ok_or_else(wrong)?;
                (host, port)
            }
            None => {
                let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
                if !is_name(host) || port.matches(':').count() > 1 {
                    return Err(wrong());
                }
                (host, port)
            }
        };
        match port.strip_prefix(':') {
            None if port.is_empty() => Ok((host.to_owned(), None)),
            Some(port) => Ok((host.to_owned(), Some(port))),
            None => Err(wrong()),
        }
    }
}

/// A host name or an IPv4 address, by its characters alone.
fn is_name(host: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    !host.is_empty() && host.len() <= 253 && !host.starts_with(['-', '.']) && host.chars().all(plain)
}

/// A port that can be connected to.
fn parse_port(text: &str) -> Result<u16, TransportError> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let port = text.parse().ok().filter(|port| *port > 0 && digits);
    port.ok_or_else(|| TransportError::Port(text.to_owned()))
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
            Self::Smtp(server) => write!(f, "{}://{server}", server.security.scheme()),
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
            assert_eq!(text.parse::<Transport>(), Err(TransportError::Credentials));
            assert!(!shown(text).contains("secret"));
        }
    }
}
