//! The tables of texts: what each means, and the way out.
//!
//! Within a table the first text that is found wins, so that the particular stands before the general. Limits: how
//! the tables are read is in `diagnose` and `diagnose/connection`.

use super::{Evidence, WORDS_MAX};
use crate::escape::escape_tail;
use crate::message::VisitMessage::{self, *};
use crate::outcome::Cause::{self, *};
use crate::shell_quoting::quote;

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

fn learn_host_key(known: &Evidence<'_>, host: &str, _text: &str) -> VisitMessage {
    LearnHostKey { command: known.by_hand(host) }
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

/// A rule: a piece of a login's words in lower case, the cause, the hint for a user.
pub(super) type LoginRule = (&'static str, Cause, fn(String) -> VisitMessage);

/// The texts of PAM or sshd about a user who may not log in, in English and in French.
pub(super) const LOGIN_RULES: [LoginRule; 28] = [
    // sudo asks PAM about the login user first.
    ("sudo: account or password is expired", PasswordExpired, |_| RenewLoginUser),
    ("sudo: le compte ou le mot de passe a expir", PasswordExpired, |_| RenewLoginUser),
    ("sudo: account validation failure", AccountLocked, |_| RenewLoginUser),
    ("sudo: la validation du compte a \u{e9}chou\u{e9}", AccountLocked, |_| RenewLoginUser),
    ("sudo: account expired or pam config", AccountLocked, |_| RenewLoginUser),
    ("sudo: le compte a expir\u{e9}, ou la section", AccountLocked, |_| RenewLoginUser),
    ("password has expired", PasswordExpired, |user| RenewPassword { user }),
    ("password expired", PasswordExpired, |user| RenewPassword { user }),
    ("token expired", PasswordExpired, |user| RenewPassword { user }),
    ("password change required", PasswordExpired, |user| RenewPassword { user }),
    ("required to change your password", PasswordExpired, |user| RenewPassword { user }),
    ("current password:", PasswordExpired, |user| RenewPassword { user }),
    ("current unix password", PasswordExpired, |user| RenewPassword { user }),
    ("mot de passe a expir", PasswordExpired, |user| RenewPassword { user }),
    ("jeton d'authentification a expir", PasswordExpired, |user| RenewPassword { user }),
    ("changer votre mot de passe", PasswordExpired, |user| RenewPassword { user }),
    ("mot de passe actuel", PasswordExpired, |user| RenewPassword { user }),
    ("mot de passe unix (actuel)", PasswordExpired, |user| RenewPassword { user }),
    ("account has expired", AccountLocked, |user| UnlockAccount { user }),
    ("account expired", AccountLocked, |user| UnlockAccount { user }),
    ("account is locked", AccountLocked, |user| UnlockAccount { user }),
    ("compte a expir", AccountLocked, |user| UnlockAccount { user }),
    ("compte de l'utilisateur a expir", AccountLocked, |user| UnlockAccount { user }),
    ("compte est expir", AccountLocked, |user| UnlockAccount { user }),
    ("compte est verrouill", AccountLocked, |user| UnlockAccount { user }),
    ("compte est temporairement verrouill", AccountLocked, |user| UnlockAccount { user }),
    ("too many logins", LoginFailed, |user| RaiseLimits { user }),
    ("trop de connexions", LoginFailed, |user| RaiseLimits { user }),
];

/// The texts of sudo and su besides, before the launcher is ready.
pub(super) const LAUNCH_RULES: [LoginRule; 45] = [
    ("must have a tty", SudoDenied, |_| NoRequiretty),
    ("avoir un tty", SudoDenied, |_| NoRequiretty),
    ("avoir un terminal tty", SudoDenied, |_| NoRequiretty),
    ("must be owned by uid 0", SudoDenied, |_| MendSudo),
    ("propri\u{e9}t\u{e9} du uid 0", SudoDenied, |_| MendSudo),
    ("effective uid is not 0", SudoDenied, |_| MendSudo),
    ("uid effectif n'est pas 0", SudoDenied, |_| MendSudo),
    ("no new privileges", SudoDenied, |_| MendSudo),
    ("error in /etc/sudoers", SudoDenied, |_| MendSudoers),
    ("/etc/sudoers:", SudoDenied, |_| MendSudoers),
    ("is owned by uid", SudoDenied, |_| MendSudoers),
    ("propri\u{e9}t\u{e9} de l'utilisateur (uid)", SudoDenied, |_| MendSudoers),
    ("is world writable", SudoDenied, |_| MendSudoers),
    ("ouvert en \u{e9}criture pour tous", SudoDenied, |_| MendSudoers),
    ("unable to open /etc/sudoers", SudoDenied, |_| MendSudoers),
    ("unable to stat /etc/sudoers", SudoDenied, |_| MendSudoers),
    ("ouverture de /etc/sudoers", SudoDenied, |_| MendSudoers),
    ("la fonction stat \u{e0} /etc/sudoers", SudoDenied, |_| MendSudoers),
    ("no valid sudoers sources", SudoDenied, |_| MendSudoers),
    ("aucune source sudoers valide", SudoDenied, |_| MendSudoers),
    ("account is currently not available", AccountLocked, |user| UnlockAccount { user }),
    ("account is not available", AccountLocked, |user| UnlockAccount { user }),
    ("compte est actuellement indisponible", AccountLocked, |user| UnlockAccount { user }),
    ("compte n'est pas disponible", AccountLocked, |user| UnlockAccount { user }),
    ("compte n'est actuellement pas disponible", AccountLocked, |user| UnlockAccount { user }),
    ("su: authentication failure", LoginFailed, |user| MendPam { user }),
    ("su: \u{e9}chec de l'authentification", LoginFailed, |user| MendPam { user }),
    ("su: permission denied", LoginFailed, |user| MendPam { user }),
    ("su: autorisation refus", LoginFailed, |user| MendPam { user }),
    ("access to su to that account denied", LoginFailed, |user| MendPam { user }),
    ("su: cannot open session", LoginFailed, |user| MendPam { user }),
    ("su: impossible d'ouvrir la session", LoginFailed, |user| MendPam { user }),
    ("sudo: not found", SudoDenied, |_| InstallSudo),
    ("sudo: command not found", SudoDenied, |_| InstallSudo),
    ("sudo: inaccessible or not found", SudoDenied, |_| InstallSudo),
    ("sudo : commande introuvable", SudoDenied, |_| InstallSudo),
    ("sorry, user", SudoDenied, |user| PermitLauncher { user }),
    ("sudoers", SudoDenied, |user| PermitLauncher { user }),
    ("not allowed to", SudoDenied, |user| PermitLauncher { user }),
    ("afraid i can't do that", SudoDenied, |user| PermitLauncher { user }),
    ("d\u{e9}sol\u{e9}, l'utilisateur", SudoDenied, |user| PermitLauncher { user }),
    ("n'est pas autoris\u{e9} \u{e0}", SudoDenied, |user| PermitLauncher { user }),
    ("cannot fork", LoginFailed, |user| RaiseLimits { user }),
    ("resource temporarily unavailable", LoginFailed, |user| RaiseLimits { user }),
    ("ressource temporairement non disponible", LoginFailed, |user| RaiseLimits { user }),
];

/// Returns the hint to let ssh tell more.
pub(super) fn run_verbosely(known: &Evidence<'_>) -> VisitMessage {
    RunSshVerbosely { command: known.by_hand(&format!("-v {}", known.host)) }
}

/// Returns the command that removes an old host key: of the file and the name that ssh itself names.
fn remove_old_host_key(_known: &Evidence<'_>, host: &str, text: &str) -> VisitMessage {
    let between = |start: &str, end: &str| {
        let rest = text.split_once(start)?.1;
        Some(rest.split_once(end)?.0).filter(|word| !word.contains('\n'))
    };
    let name = between("ost key for ", " has changed and").unwrap_or(host);
    let place =
        text.lines().filter(|line| line.starts_with("Offending ")).find_map(|line| line.split_once(" in "));
    let file = place.and_then(|(_, place)| Some(place.trim().rsplit_once(':')?.0));
    let file = file.map_or(String::new(), |file| format!("-f {} ", quote(file)));
    RemoveOldHostKey { command: format!("ssh-keygen {file}-R {}", quote(name)) }
}

/// Returns the line for ssh_config that allows what a host offers.
fn allow_algorithm(known: &Evidence<'_>, host: &str, text: &str) -> VisitMessage {
    let options = [
        ("host key", "HostKeyAlgorithms"),
        ("key exchange", "KexAlgorithms"),
        ("cipher", "Ciphers"),
        ("MAC", "MACs"),
        ("mutual signature", "PubkeyAcceptedAlgorithms"),
    ];
    let option = options.iter().find(|(kind, _)| {
        text.contains(&format!("no matching {kind}")) || text.contains(&format!("no {kind}"))
    });
    let offer = text.split_once("Their offer: ").map_or("ssh-rsa", |(_, offers)| offers);
    let name = |c: char| c.is_ascii_alphanumeric() || "-@.".contains(c);
    let offer = offer.split(|c| !name(c)).next().unwrap_or_default();
    match option {
        Some((_, option)) => AllowOldAlgorithm { host: host.to_owned(), line: format!("{option} +{offer}") },
        None => run_verbosely(known),
    }
}

/// Returns what to do about a refused key: ssh may have said before that it cannot use the file.
fn key_refused(known: &Evidence<'_>, host: &str, text: &str) -> VisitMessage {
    let line = |piece: &str| text.lines().find(|line| line.contains(piece));
    let open = line("are too open").or_else(|| line("bad permissions"));
    if let Some(file) = open.and_then(|line| line.split(['\'', '"']).nth(1)) {
        return CloseKeyFile { file: quote(file) };
    }
    let missing = line("not accessible: No such file").or_else(|| line("no such identity: "));
    match missing.or_else(|| line("Load key ")).or_else(|| line("agent refused operation")) {
        Some(line) => MendKeyFile { text: escape_tail(line.as_bytes(), WORDS_MAX) },
        None => IsKeyAuthorized { command: known.by_hand(host) },
    }
}
