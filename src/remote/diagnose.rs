//! Reads what ssh says when a connection fails: host key unknown or changed, key refused, port closed, and so on.
//!
//! One table of rules, read from the most particular to the most general: where several lines blame several things,
//! the first rule that fits wins. Texts are OpenSSH's own, which it never translates. Limits: a text that no rule
//! knows is shown as it is, with the cause `other`.

use super::RemoteError;
use crate::escape::escape_tail;
use crate::message::VisitMessage::{self, *};
use crate::outcome::{Cause, Failure, Step};

/// A connection that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectError {
    /// The failure of the connect step.
    pub failure: Failure,
    /// Another attempt may succeed. Never so for keys and host keys: repeated attempts get accounts locked.
    pub transient: bool,
}

impl ConnectError {
    /// Makes the error of a connection that failed.
    pub(super) fn new(cause: Cause, message: VisitMessage, hint: VisitMessage, transient: bool) -> Self {
        Self { failure: Failure::new(Step::Connect, cause, message, Some(hint)), transient }
    }
}

/// A rule: a piece of ssh's text, the cause, whether that is transient, the hint for a host.
type Rule = (&'static str, Cause, bool, fn(String) -> VisitMessage);

/// The rules, from the most particular to the most general.
const RULES: [Rule; 27] = [
    // Host key changed, host key unknown.
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", Cause::HostKeyChanged, false, |host| RemoveOldHostKey {
        host,
    }),
    ("host key for", Cause::HostKeyUnknown, false, |host| LearnHostKey { host }),
    ("key is known for", Cause::HostKeyUnknown, false, |host| LearnHostKey { host }),
    ("Host key verification failed", Cause::HostKeyUnknown, false, |host| LearnHostKey { host }),
    // The host refuses the user's key.
    ("Too many authentication failures", Cause::AuthDenied, false, |_| NameOneKey),
    ("Permission denied (", Cause::AuthDenied, false, |host| IsKeyAuthorized { host }),
    // The name has no address.
    ("Temporary failure in name resolution", Cause::Unresolved, true, |_| IsNameServerUp),
    ("Could not resolve hostname", Cause::Unresolved, false, |_| CheckHostName),
    ("Name or service not known", Cause::Unresolved, false, |_| CheckHostName),
    // The network or the port.
    ("Connection refused", Cause::Refused, true, |_| IsSshdRunning),
    ("Connection timed out during banner exchange", Cause::ConnectTimeout, true, |_| IsSshdOverloaded),
    ("Connection timed out", Cause::ConnectTimeout, true, |_| IsHostUp),
    ("Operation timed out", Cause::ConnectTimeout, true, |_| IsHostUp),
    ("No route to host", Cause::Refused, true, |_| IsHostOrNetworkUp),
    ("Network is unreachable", Cause::Refused, true, |_| IsNetworkUp),
    // The user's own configuration.
    ("Bad configuration option", Cause::Other, false, |_| CorrectSshConfig),
    ("terminating,", Cause::Other, false, |_| CorrectSshConfig),
    ("Bad owner or permissions", Cause::Other, false, |_| CorrectSshConfigRights),
    ("too long for Unix domain socket", Cause::Other, false, |_| ShortenSocketPath),
    ("no matching", Cause::Other, false, |_| AllowOldAlgorithm),
    // The host, or the jump host, ended the connection (often `MaxStartups`).
    ("kex_exchange_identification", Cause::ConnectionLost, true, |_| HostHungUp),
    ("Connection closed by", Cause::ConnectionLost, true, |_| HostHungUp),
    ("Connection reset by", Cause::ConnectionLost, true, |_| HostHungUp),
    ("closed by remote host", Cause::ConnectionLost, true, |_| HostHungUp),
    ("stdio forwarding failed", Cause::Refused, true, |_| JumpHostCannotReach),
    ("Broken pipe", Cause::ConnectionLost, true, |_| HostHungUp),
    ("Timeout, server", Cause::ConnectionLost, true, |_| LinkSilent),
];

/// The most bytes of ssh's text that reach a message.
const MESSAGE_MAX: usize = 400;

/// Reads what ssh printed when it could not connect to `host`.
pub fn parse_ssh_error(host: &str, stderr: &[u8]) -> ConnectError {
    let text = String::from_utf8_lossy(stderr);
    let rule = RULES.iter().find(|(needle, ..)| text.contains(needle));
    let (_, cause, transient, hint) =
        *rule.unwrap_or(&("", Cause::Other, false, |host| RunSshVerbosely { host }));
    ConnectError::new(cause, clean_message(stderr), hint(host.to_owned()), transient)
}

/// Returns ssh's text without its banners of `@` and without its warning about a host key that it just learnt.
fn clean_message(stderr: &[u8]) -> VisitMessage {
    let noise = |line: &[u8]| line.starts_with(b"@") || line.starts_with(b"Warning: Permanently added");
    let lines: Vec<&[u8]> = stderr.split(|b| *b == b'\n').filter(|line| !noise(line.trim_ascii())).collect();
    let text = escape_tail(&lines.join(&b'\n'), MESSAGE_MAX);
    let text = text.strip_prefix("ssh: ").unwrap_or(&text);
    if text.is_empty() { SshSilent } else { Quoted { text: text.to_owned() } }
}

/// A rule: a piece of a login's words, the cause, the hint for a user.
type LoginRule = (&'static str, Cause, fn(String) -> VisitMessage);

/// The words of PAM, su, a shell or sudo, in lower case, when a login ended before the launcher was ready, with the
/// cause and the way out. In English and in French: they speak the host's language. The first that fits counts.
const LOGIN_RULES: [LoginRule; 26] = [
    ("must have a tty", Cause::SudoDenied, |_| NoRequiretty),
    ("avoir un tty", Cause::SudoDenied, |_| NoRequiretty),
    ("avoir un terminal tty", Cause::SudoDenied, |_| NoRequiretty),
    ("password has expired", Cause::PasswordExpired, |user| RenewPassword { user }),
    ("password expired", Cause::PasswordExpired, |user| RenewPassword { user }),
    ("required to change your password", Cause::PasswordExpired, |user| RenewPassword { user }),
    ("current password:", Cause::PasswordExpired, |user| RenewPassword { user }),
    ("mot de passe a expir", Cause::PasswordExpired, |user| RenewPassword { user }),
    ("changer votre mot de passe", Cause::PasswordExpired, |user| RenewPassword { user }),
    ("mot de passe actuel", Cause::PasswordExpired, |user| RenewPassword { user }),
    ("account has expired", Cause::AccountLocked, |user| UnlockAccount { user }),
    ("account expired", Cause::AccountLocked, |user| UnlockAccount { user }),
    ("account is locked", Cause::AccountLocked, |user| UnlockAccount { user }),
    ("account is currently not available", Cause::AccountLocked, |user| UnlockAccount { user }),
    ("compte a expir", Cause::AccountLocked, |user| UnlockAccount { user }),
    ("compte est actuellement indisponible", Cause::AccountLocked, |user| UnlockAccount { user }),
    ("compte n'est pas disponible", Cause::AccountLocked, |user| UnlockAccount { user }),
    ("su: failed to execute", Cause::SudoDenied, |_| PermitExec),
    ("su: \u{e9}chec d'ex\u{e9}cution", Cause::SudoDenied, |_| PermitExec),
    ("sudo: not found", Cause::SudoDenied, |_| InstallSudo),
    ("sudo: command not found", Cause::SudoDenied, |_| InstallSudo),
    ("sudo : commande introuvable", Cause::SudoDenied, |_| InstallSudo),
    ("sorry, user", Cause::SudoDenied, |user| PermitLauncher { user }),
    ("sudoers", Cause::SudoDenied, |user| PermitLauncher { user }),
    ("not allowed to", Cause::SudoDenied, |user| PermitLauncher { user }),
    ("d\u{e9}sol\u{e9}, l'utilisateur", Cause::SudoDenied, |user| PermitLauncher { user }),
];

/// Reads what was printed by a login as `user` that ended, with `status`, before the launcher was ready.
pub fn parse_login_failure(user: &str, status: Option<i32>, text: &[u8]) -> (Cause, VisitMessage) {
    let text = String::from_utf8_lossy(text).to_lowercase();
    let user = user.to_owned();
    let lines = || text.lines().map(str::trim_start);
    let unknown = ["does not exist", "unknown user", "n'existe pas", "no passwd entry", "no such user"];
    let from_su = |line: &str| line.starts_with("su:") || line.starts_with("id:");
    if lines().any(|line| from_su(line) && unknown.iter().any(|needle| line.contains(needle))) {
        return (Cause::NoSuchUser, CreateUser { user });
    }
    if let Some((_, cause, hint)) = LOGIN_RULES.iter().find(|(needle, ..)| text.contains(needle)) {
        return (*cause, hint(user));
    }
    // A warning, behind which sudo goes on.
    let warning =
        |line: &str| line.contains("unable to resolve host") || line.contains("impossible de r\u{e9}soudre");
    if lines().any(|line| line.starts_with("sudo:") && !warning(line)) {
        return (Cause::SudoDenied, PermitLauncher { user });
    }
    let not_run =
        matches!(status, Some(126 | 127)) && text.contains("/.recolte-run-") && !text.contains("restrict");
    if not_run {
        return (Cause::NotExecutable, PermitExecution { user });
    }
    (Cause::LoginFailed, MendProfile { user })
}

/// Reads what a program on the host printed on stderr. Its locale is C.
pub fn parse_stderr(stderr: &[u8]) -> RemoteError {
    // busybox begins its words in lower case.
    let text = String::from_utf8_lossy(stderr).to_lowercase();
    if text.contains("no space left") || text.contains("disk quota") {
        RemoteError::DiskFull
    } else if text.contains("no such file") {
        RemoteError::NotFound
    } else if text.contains("permission denied") || text.contains("operation not permitted") {
        RemoteError::PermissionDenied
    } else {
        RemoteError::HostError(escape_tail(stderr, 200), None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_messages_of_openssh_lead_to_their_cause() {
        for (stderr, cause, transient) in [
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
            let error = parse_ssh_error("h1", stderr.as_bytes());
            assert_eq!((error.failure.cause, error.transient), (cause, transient), "{stderr}");
            let message = error.failure.message.to_string();
            assert!(!message.is_empty() && !message.contains('\r'));
        }
    }

    #[test]
    fn the_message_is_one_line_without_the_banner() {
        let failure = parse_ssh_error("h1", b"@@@@\r\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\r\n@@@@\r\nHost key verification failed.\r\n\x1b[2J").failure;
        assert_eq!(failure.message.to_string(), "Host key verification failed. · \\x1b[2J");
        assert_eq!(failure.cause, Cause::HostKeyChanged);
        assert!(failure.hint.unwrap().to_string().contains("ssh-keygen -R h1"));
    }
}
