//! What ssh says when a connection does not come about, read in one place.
//!
//! Texts are OpenSSH's own, which it never translates. Where several lines blame several things, the first rule that
//! fits wins: they stand from the most particular to the most general.

use crate::escape::escape_tail;
use crate::outcome::Cause;

/// Why no connection came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectError {
    /// The cause, for machines.
    pub cause: Cause,
    /// ssh's own words, fit for a terminal.
    pub message: String,
    /// The way out.
    pub hint: Option<String>,
    /// Whether another try may succeed. Keys and host keys are never tried twice: accounts get locked.
    pub transient: bool,
}

/// One rule: a piece of ssh's text, the cause, whether it passes, the way out.
type Rule = (&'static str, Cause, bool, &'static str);

/// From the most particular to the most general.
const RULES: [Rule; 27] = [
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        Cause::HostKeyChanged,
        false,
        "find out why its key changed; only if it is right to, remove the old one: ssh-keygen -R {host}",
    ),
    ("host key for", Cause::HostKeyUnknown, false, KEY_UNKNOWN),
    ("key is known for", Cause::HostKeyUnknown, false, KEY_UNKNOWN),
    ("Host key verification failed", Cause::HostKeyUnknown, false, KEY_UNKNOWN),
    (
        "Too many authentication failures",
        Cause::AuthDenied,
        false,
        "name one key: IdentitiesOnly yes in ssh_config",
    ),
    (
        "Permission denied (",
        Cause::AuthDenied,
        false,
        "is the key in the host's authorized_keys? try: ssh {host} true",
    ),
    (
        "Temporary failure in name resolution",
        Cause::Unresolved,
        true,
        "does this machine's name server answer?",
    ),
    (
        "Could not resolve hostname",
        Cause::Unresolved,
        false,
        "check the name, or give it a HostName in ssh_config",
    ),
    (
        "Name or service not known",
        Cause::Unresolved,
        false,
        "check the name, or give it a HostName in ssh_config",
    ),
    ("Connection refused", Cause::Refused, true, "does sshd run there, on that port?"),
    ("Connection timed out during banner exchange", Cause::ConnectTimeout, true, SILENT),
    (
        "Connection timed out",
        Cause::ConnectTimeout,
        true,
        "is the host up, and does the firewall let ssh through?",
    ),
    (
        "Operation timed out",
        Cause::ConnectTimeout,
        true,
        "is the host up, and does the firewall let ssh through?",
    ),
    ("No route to host", Cause::Refused, true, "is the host up, and the network between?"),
    ("Network is unreachable", Cause::Refused, true, "is the network between up?"),
    ("Bad configuration option", Cause::Other, false, "correct the ssh_config"),
    ("terminating,", Cause::Other, false, "correct the ssh_config"),
    ("Bad owner or permissions", Cause::Other, false, "correct the rights of the ssh_config: chmod go-w"),
    (
        "too long for Unix domain socket",
        Cause::Other,
        false,
        "set XDG_RUNTIME_DIR or TMPDIR to a shorter path",
    ),
    (
        "no matching",
        Cause::Other,
        false,
        "client and host share no algorithm; ssh_config can allow an older one",
    ),
    ("kex_exchange_identification", Cause::ConnectionLost, true, BUSY),
    ("Connection closed by", Cause::ConnectionLost, true, BUSY),
    ("Connection reset by", Cause::ConnectionLost, true, BUSY),
    ("closed by remote host", Cause::ConnectionLost, true, BUSY),
    ("stdio forwarding failed", Cause::Refused, true, "the jump host cannot reach it"),
    ("Broken pipe", Cause::ConnectionLost, true, BUSY),
    ("Timeout, server", Cause::ConnectionLost, true, "the link went silent"),
];

const KEY_UNKNOWN: &str = "verify its key, then let ssh learn it once by hand: ssh {host} true";
const SILENT: &str = "the port answers but sshd does not; is the host overloaded?";
const BUSY: &str =
    "the host hung up early; if many connect at once, lower handshakes or raise its MaxStartups";

/// The most bytes of ssh's text that reach a message.
const SHOWN: usize = 400;

/// Reads what ssh said about `host`.
pub fn read(host: &str, said: &[u8]) -> ConnectError {
    let text = String::from_utf8_lossy(said);
    let rule = RULES.iter().find(|(words, ..)| text.contains(words));
    let (cause, transient, hint) = match rule {
        Some((_, cause, transient, hint)) => (*cause, *transient, Some(hint.replace("{host}", host))),
        None => (Cause::Other, false, Some(format!("see what ssh says: ssh -v {host} true"))),
    };
    ConnectError { cause, message: message(said), hint, transient }
}

/// ssh's text without its banners of `@` and its good news.
fn message(said: &[u8]) -> String {
    let noise = |line: &[u8]| line.starts_with(b"@") || line.starts_with(b"Warning: Permanently added");
    let lines: Vec<&[u8]> = said.split(|b| *b == b'\n').filter(|line| !noise(line.trim_ascii())).collect();
    let text = escape_tail(&lines.join(&b'\n'), SHOWN);
    let text = text.strip_prefix("ssh: ").unwrap_or(&text);
    if text.is_empty() { "ssh ended without a word".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_openssh_really_says_is_understood() {
        for (said, cause, transient) in [
            ("ssh: connect to host 10.77.1.2 port 22: Connection refused\r\n", Cause::Refused, true),
            (
                "ssh: Could not resolve hostname nowhere: Name or service not known\r\n",
                Cause::Unresolved,
                false,
            ),
            ("ssh: connect to host 10.9.9.9 port 22: Connection timed out\r\n", Cause::ConnectTimeout, true),
            (
                "Connection timed out during banner exchange\r\nConnection to 10.0.0.1 port 22 timed out\r\n",
                Cause::ConnectTimeout,
                true,
            ),
            ("ssh: connect to host 10.9.9.9 port 22: No route to host\r\n", Cause::Refused, true),
            ("User_VIP@10.77.1.2: Permission denied (publickey).\r\n", Cause::AuthDenied, false),
            (
                "No ED25519 host key is known for 10.77.1.2 and you have requested strict checking.\r\nHost key verification failed.\r\n",
                Cause::HostKeyUnknown,
                false,
            ),
            ("Host key verification failed.\r\n", Cause::HostKeyUnknown, false),
            (
                "@@@@@@@@@@@\r\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\n@@@@@@\r\nIT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!\r\nHost key for 10.77.1.2 has changed and you have requested strict checking.\r\nHost key verification failed.\r\n",
                Cause::HostKeyChanged,
                false,
            ),
            (
                "kex_exchange_identification: Connection closed by remote host\r\nConnection closed by 10.0.0.1 port 22\r\n",
                Cause::ConnectionLost,
                true,
            ),
            ("kex_exchange_identification: read: Connection reset by peer\r\n", Cause::ConnectionLost, true),
            (
                "/tmp/c: line 1: Bad configuration option: foo\r\n/tmp/c: terminating, 1 bad configuration options\r\n",
                Cause::Other,
                false,
            ),
            (
                "Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures\r\n",
                Cause::AuthDenied,
                false,
            ),
            ("", Cause::Other, false),
        ] {
            let refusal = read("h1", said.as_bytes());
            assert_eq!((refusal.cause, refusal.transient), (cause, transient), "{said}");
            assert!(!refusal.message.is_empty() && !refusal.message.contains('\r'));
        }
    }

    #[test]
    fn the_message_is_one_line_without_the_banner() {
        let refusal = read("h1", b"@@@@\r\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\r\n@@@@\r\nHost key verification failed.\r\n\x1b[2J");
        assert_eq!(refusal.message, "Host key verification failed. · \\x1b[2J");
        assert_eq!(refusal.cause, Cause::HostKeyChanged);
        assert!(refusal.hint.unwrap().contains("ssh-keygen -R h1"));
    }
}
