//! The tables of texts: what each means, and the way out.
//!
//! Within a table the first text that is found wins, so that the particular stands before the general. Limits: data
//! only; how the tables are read is in `diagnose` and `diagnose/connection`.

use super::Evidence;
use super::hints::{allow_algorithm, key_refused, learn_host_key, remove_old_host_key};
use crate::message::VisitMessage::{self, *};
use crate::outcome::Cause::{self, *};

/// Returns the way out for a host or a jump host, from what is known and the text that fits.
type Hint = fn(&Evidence<'_>, &str, &str) -> VisitMessage;

/// A rule about what an ssh says of a connection.
pub(super) struct SshRule {
    /// A piece of its text.
    pub needle: &'static str,
    /// The cause.
    pub cause: Cause,
    /// Another attempt may succeed.
    pub transient: bool,
    /// The way out.
    pub hint: Hint,
}

/// Makes a rule of a cause that stays.
const fn stays(needle: &'static str, cause: Cause, hint: Hint) -> SshRule {
    SshRule { needle, cause, transient: false, hint }
}

/// Makes a rule of a cause that may pass.
const fn passes(needle: &'static str, cause: Cause, hint: Hint) -> SshRule {
    SshRule { needle, cause, transient: true, hint }
}

/// The texts of an ssh that makes no connection.
pub(super) const SSH_RULES: [SshRule; 46] = [
    // Host key revoked, changed, unknown.
    stays("REVOKED HOST KEY", HostKeyRevoked, |_, _, _| TrustNotRevokedKey),
    stays(" revoked by file ", HostKeyRevoked, |_, _, _| TrustNotRevokedKey),
    stays("REMOTE HOST IDENTIFICATION HAS CHANGED", HostKeyChanged, remove_old_host_key),
    stays("has changed and you have requested strict", HostKeyChanged, remove_old_host_key),
    stays("Certificate invalid: ", HostKeyUnknown, |_, _, _| RenewHostCertificate),
    stays("host key for", HostKeyUnknown, learn_host_key),
    stays("key is known for", HostKeyUnknown, learn_host_key),
    // No algorithm in common, between old and new.
    stays("no matching ", NoCommonAlgorithm, allow_algorithm),
    stays("no mutual signature", NoCommonAlgorithm, allow_algorithm),
    stays("Invalid key length", NoCommonAlgorithm, |_, _, _| KeyTooShort),
    stays("Protocol major versions differ", NoCommonAlgorithm, |_, _, _| HostSpeaksOldSsh),
    stays("no hostkey alg", NoCommonAlgorithm, allow_algorithm),
    stays("no kex alg", NoCommonAlgorithm, allow_algorithm),
    stays("Host key verification failed", HostKeyUnknown, learn_host_key),
    // The host refuses the user's key.
    stays("Too many authentication failures", AuthDenied, |_, _, _| NameOneKey),
    stays("Permission denied (", AuthDenied, key_refused),
    stays("error in libcrypto", NoCommonAlgorithm, allow_algorithm),
    // The name has no address.
    passes("Temporary failure in name resolution", Unresolved, |_, _, _| IsNameServerUp),
    stays("Could not resolve hostname", Unresolved, |_, _, _| CheckHostName),
    stays("Name or service not known", Unresolved, |_, _, _| CheckHostName),
    stays("hostname contains invalid characters", Unresolved, |_, _, _| CheckHostName),
    // The network or the port.
    passes("Connection refused", Refused, |_, _, _| IsSshdRunning),
    passes("Connection timed out during banner exchange", ConnectTimeout, |_, _, _| IsSshdOverloaded),
    passes("Connection timed out", ConnectTimeout, |_, _, _| IsHostUp),
    passes("Operation timed out", ConnectTimeout, |_, _, _| IsHostUp),
    passes("No route to host", Refused, |_, _, _| IsHostOrNetworkUp),
    passes("Network is unreachable", Refused, |_, _, _| IsNetworkUp),
    stays(": Permission denied", Refused, |_, _, _| IsFirewallHere),
    stays(": Operation not permitted", Refused, |_, _, _| IsFirewallHere),
    // The user's own configuration.
    stays("Bad configuration option", Other, |_, _, _| CorrectSshConfig),
    stays("terminating,", Other, |_, _, _| CorrectSshConfig),
    stays("Bad owner or permissions", Other, |_, _, _| CorrectSshConfigRights),
    stays("too long for Unix domain socket", Other, |_, _, _| ShortenSocketPath),
    stays("command not found", JumpFailed, |_, _, _| IsProxyInstalled),
    stays(": not found", JumpFailed, |_, _, _| IsProxyInstalled),
    // Something answers, and it is no sshd.
    stays("invalid characters", ConnectionLost, |_, _, _| IsItSsh),
    stays("invalid format", ConnectionLost, |_, _, _| IsItSsh),
    stays("banner line too long", ConnectionLost, |_, _, _| IsItSsh),
    stays("Bad remote protocol version", ConnectionLost, |_, _, _| IsItSsh),
    // The host, or the jump host, ended the connection.
    passes("Timeout, server", ConnectionLost, |_, _, _| LinkSilent),
    passes("_exchange_identification", ConnectionLost, |_, _, _| HostHungUp),
    passes("Connection closed by", ConnectionLost, |_, _, _| HostHungUp),
    passes("Connection reset by", ConnectionLost, |_, _, _| HostHungUp),
    passes("closed by remote host", ConnectionLost, |_, _, _| HostHungUp),
    passes("Broken pipe", ConnectionLost, |_, _, _| HostHungUp),
    passes("Received disconnect", ConnectionLost, |_, _, _| HostHungUp),
];

/// The texts of a jump host's ssh that was let in and cannot reach the host itself.
pub(super) const FORWARD_RULES: [SshRule; 10] = [
    stays("administratively prohibited", JumpFailed, |_, _, _| PermitForwarding),
    passes("connect failed: Connection refused", Refused, |_, _, _| IsSshdRunning),
    passes("connect failed: Temporary failure", Unresolved, |_, _, _| JumpHostMustResolve),
    stays("connect failed: Name or service", Unresolved, |_, _, _| JumpHostMustResolve),
    stays("connect failed: No address", Unresolved, |_, _, _| JumpHostMustResolve),
    passes("connect failed: Connection timed out", ConnectTimeout, |_, _, _| JumpHostCannotReach),
    passes("connect failed: No route to host", Refused, |_, _, _| JumpHostCannotReach),
    passes("connect failed: Network is unreachable", Refused, |_, _, _| JumpHostCannotReach),
    passes("open failed: connect failed", JumpFailed, |_, _, _| JumpHostCannotReach),
    stays("stdio forwarding failed", JumpFailed, |_, _, _| PermitForwarding),
];

/// A rule: pieces of a login's words in lower case, any of which will do, the cause, the hint for a user.
pub(super) type LoginRule = (&'static [&'static str], Cause, fn(String) -> VisitMessage);

/// The texts of PAM or sshd about a user who may not log in, in English and in French.
pub(super) const LOGIN_RULES: [LoginRule; 5] = [
    // sudo asks PAM about the login user first.
    (
        &["sudo: account or password is expired", "sudo: le compte ou le mot de passe a expir"],
        PasswordExpired,
        |_| RenewLoginUser,
    ),
    (
        &[
            "sudo: account validation failure",
            "sudo: la validation du compte a \u{e9}chou\u{e9}",
            "sudo: account expired or pam config",
            "sudo: le compte a expir\u{e9}, ou la section",
        ],
        AccountLocked,
        |_| RenewLoginUser,
    ),
    (
        &[
            "password has expired",
            "password expired",
            "token expired",
            "password change required",
            "required to change your password",
            "current password:",
            "current unix password",
            "mot de passe a expir",
            "jeton d'authentification a expir",
            "changer votre mot de passe",
            "mot de passe actuel",
            "mot de passe unix (actuel)",
        ],
        PasswordExpired,
        |user| RenewPassword { user },
    ),
    (
        &[
            "account has expired",
            "account expired",
            "account is locked",
            "compte a expir",
            "compte de l'utilisateur a expir",
            "compte est expir",
            "compte est verrouill",
            "compte est temporairement verrouill",
        ],
        AccountLocked,
        |user| UnlockAccount { user },
    ),
    (&["too many logins", "trop de connexions"], LoginFailed, |user| RaiseLimits { user }),
];

/// The texts of sudo and su besides, before the launcher is ready.
pub(super) const LAUNCH_RULES: [LoginRule; 8] = [
    (&["must have a tty", "avoir un tty", "avoir un terminal tty"], SudoDenied, |_| NoRequiretty),
    (
        &[
            "must be owned by uid 0",
            "propri\u{e9}t\u{e9} du uid 0",
            "effective uid is not 0",
            "uid effectif n'est pas 0",
            "no new privileges",
        ],
        SudoDenied,
        |_| MendSudo,
    ),
    (
        &[
            "error in /etc/sudoers",
            "/etc/sudoers:",
            "is owned by uid",
            "propri\u{e9}t\u{e9} de l'utilisateur (uid)",
            "is world writable",
            "ouvert en \u{e9}criture pour tous",
            "unable to open /etc/sudoers",
            "unable to stat /etc/sudoers",
            "ouverture de /etc/sudoers",
            "la fonction stat \u{e0} /etc/sudoers",
            "no valid sudoers sources",
            "aucune source sudoers valide",
        ],
        SudoDenied,
        |_| MendSudoers,
    ),
    (
        &[
            "account is currently not available",
            "account is not available",
            "compte est actuellement indisponible",
            "compte n'est pas disponible",
            "compte n'est actuellement pas disponible",
        ],
        AccountLocked,
        |user| UnlockAccount { user },
    ),
    (
        &[
            "su: authentication failure",
            "su: \u{e9}chec de l'authentification",
            "su: permission denied",
            "su: autorisation refus",
            "access to su to that account denied",
            "su: cannot open session",
            "su: impossible d'ouvrir la session",
        ],
        LoginFailed,
        |user| MendPam { user },
    ),
    (
        &[
            "sudo: not found",
            "sudo: command not found",
            "sudo: inaccessible or not found",
            "sudo : commande introuvable",
        ],
        SudoDenied,
        |_| InstallSudo,
    ),
    (
        &[
            "sorry, user",
            "sudoers",
            "not allowed to",
            "afraid i can't do that",
            "d\u{e9}sol\u{e9}, l'utilisateur",
            "n'est pas autoris\u{e9} \u{e0}",
        ],
        SudoDenied,
        |user| PermitLauncher { user },
    ),
    (
        &["cannot fork", "resource temporarily unavailable", "ressource temporairement non disponible"],
        LoginFailed,
        |user| RaiseLimits { user },
    ),
];

/// Checks whether a text holds any of the pieces of a rule.
pub(super) fn holds(text: &str, needles: &[&str]) -> bool {
    needles.iter().any(|needle| text.contains(needle))
}
