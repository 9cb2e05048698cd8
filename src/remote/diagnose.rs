//! Says what a failure means, from what ssh, sshd, PAM, sudo, su, a shell or `cp` said: the only place where their
//! texts are read.
//!
//! [`diagnose`] is a pure function. The tables of `rules` are read from the most particular text to the most general:
//! the first that fits wins. Where none fits, the cause is the general one of the step, the last words are quoted, and
//! the hint says only what is known. Limits: OpenSSH speaks English alone; sudo, su, PAM and shells are known in
//! English and French.

mod rules;
#[cfg(test)]
mod samples;

use super::RemoteError;
use crate::escape::escape_tail;
use crate::message::VisitMessage::{self, *};
use crate::outcome::{Cause, Failure, Step};
use crate::shell_quoting::quote;
use rules::{FORWARD_RULES, LAUNCH_RULES, LOGIN_RULES, SSH_RULES, SshRule};

/// What is known of a step that failed. What nobody said is empty.
#[derive(Debug, Clone, Copy, Default)]
pub struct Evidence<'a> {
    /// The alias of the host.
    pub host: &'a str,
    /// The options of `ssh` that lead to it by hand, such as `-F FILE`, with a space behind.
    pub options: &'a str,
    /// The jump hosts on the way, if ssh goes through any: `ProxyJump`.
    pub jump: Option<&'a str>,
    /// The user whose login failed.
    pub user: &'a str,
    /// The exit status.
    pub status: Option<i32>,
    /// The standard output of the channel; of a connection, what its port says to anybody.
    pub stdout: &'a [u8],
    /// The error output of the channel; of a connection, what the ssh of a `ProxyJump` or a `ProxyCommand` said.
    pub stderr: &'a [u8],
    /// What ssh itself said of a connection.
    pub ssh: &'a [u8],
}

impl Evidence<'_> {
    /// Returns the command line that reaches a host by hand.
    fn by_hand(&self, host: &str) -> String {
        format!("ssh {}{host} true", self.options)
    }
}

/// The meaning of a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// The cause, for machines.
    pub cause: Cause,
    /// The words of who knows it best.
    pub words: VisitMessage,
    /// The way out.
    pub hint: VisitMessage,
    /// Another attempt may succeed. Never so for keys and host keys: repeated attempts get accounts locked.
    pub transient: bool,
}

/// A connection that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectError {
    /// The failure of the connect step.
    pub failure: Failure,
    /// Another attempt may succeed.
    pub transient: bool,
}

impl From<Diagnosis> for ConnectError {
    fn from(Diagnosis { cause, words, hint, transient }: Diagnosis) -> Self {
        Self { failure: Failure::new(Step::Connect, cause, words, Some(hint)), transient }
    }
}

/// The most bytes of a text that reach a message.
const WORDS_MAX: usize = 400;

/// Says what the failure of a step means: of connecting, of the login user's shell (upload, install), or of what
/// starts the launcher (execute, collect).
pub fn diagnose(step: Step, known: &Evidence<'_>) -> Diagnosis {
    match step {
        Step::Connect => diagnose_connection(known),
        Step::Upload | Step::Install => diagnose_login(known),
        Step::Execute => diagnose_launch(known, |status, said| match status {
            Some(status) => ScriptNotBegunStatus { status, said },
            None => ScriptNotBegun { said },
        }),
        Step::Collect => diagnose_launch(known, |_, said| NotCollected { said }),
    }
}

fn diagnose_connection(known: &Evidence<'_>) -> Diagnosis {
    let text = String::from_utf8_lossy(known.ssh);
    let rule = find(&SSH_RULES, &text);
    // Where the way to the host broke, whoever made that way knows why.
    let broken_way = rule.is_none_or(|rule| rule.cause == Cause::ConnectionLost);
    if broken_way && let Some(diagnosis) = diagnose_proxy(known) {
        return diagnosis;
    }
    if let Some(greeting) = diagnose_greeting(known).filter(|_| broken_way) {
        return greeting;
    }
    let said = said_by_host(&text);
    if broken_way && rule.is_some() && !said.is_empty() {
        // It came after the key exchange: the host refuses the login.
        return diagnose_login(&Evidence { stdout: b"", stderr: said.as_bytes(), ..*known });
    }
    let (cause, hint, transient) = match rule {
        Some(rule) => (rule.cause, (rule.hint)(known, known.host, &text), rule.transient),
        None => (Cause::ConnectionLost, run_verbosely(known), false),
    };
    // With words of a proxy that no rule knows.
    let words = [known.stderr, known.ssh].concat();
    Diagnosis { cause, words: words_of_ssh(&words), hint, transient }
}

/// Reads what a jump host, or another proxy, said.
fn diagnose_proxy(known: &Evidence<'_>) -> Option<Diagnosis> {
    let text = String::from_utf8_lossy(known.stderr);
    let words = words_of_ssh(known.stderr);
    if let Some(rule) = find(&FORWARD_RULES, &text) {
        let hint = (rule.hint)(known, known.host, &text);
        return Some(Diagnosis { cause: rule.cause, words, hint, transient: rule.transient });
    }
    let rule = find(&SSH_RULES, &text)?;
    let jump = known.jump.filter(|jump| !jump.contains(','));
    let greeting = diagnose_greeting(known);
    let hint = match (&greeting, jump) {
        (Some(greeting), _) => greeting.hint.clone(),
        (None, Some(jump)) => (rule.hint)(known, jump, &text),
        // Which of several it was, only a person can see.
        (None, None) => run_verbosely(known),
    };
    let text = words.to_string();
    let words = match known.jump {
        Some(jump) => JumpHostSaid { jump: jump.to_owned(), text },
        None => ProxySaid { text },
    };
    // A jump host that refuses does so for all hosts behind it, and for each attempt.
    let transient = rule.transient
        && matches!(rule.cause, Cause::ConnectionLost | Cause::ConnectTimeout)
        && greeting.is_none_or(|greeting| greeting.transient);
    Some(Diagnosis { cause: Cause::JumpFailed, words, hint, transient })
}

/// Reads what a port says to anybody who connects, where ssh was told nothing.
fn diagnose_greeting(known: &Evidence<'_>) -> Option<Diagnosis> {
    let text = String::from_utf8_lossy(known.stdout);
    let (cause, hint, transient) = match text.trim() {
        "" => return None,
        text if text.starts_with("SSH-") => return None,
        text if text.contains("Not allowed at this time") => (Cause::SourceBanned, WaitForPenalty, false),
        text if text.contains("Exceeded MaxStartups") => (Cause::ConnectionLost, RaiseMaxStartups, true),
        _ => (Cause::ConnectionLost, IsItSsh, false),
    };
    Some(Diagnosis { cause, words: quoted(known.stdout), hint, transient })
}

/// Reads what the login user's shell, or what stands in its place, said before it ended.
fn diagnose_login(known: &Evidence<'_>) -> Diagnosis {
    let (text, said) = last_words(known);
    let (cause, hint) = match LOGIN_RULES.iter().find(|(needle, ..)| text.contains(needle)) {
        Some((_, cause, hint)) => (*cause, hint(known.user.to_owned())),
        None => (Cause::LoginRefused, DoesLoginRunCommands),
    };
    let words = match known.status {
        Some(status) => LoginEnded { status, said },
        None => Quoted { text: said },
    };
    Diagnosis { cause, words, hint, transient: false }
}

/// Reads what sudo, su, PAM or a shell said before the launcher was ready.
fn diagnose_launch(known: &Evidence<'_>, words: fn(Option<i32>, String) -> VisitMessage) -> Diagnosis {
    let (text, said) = last_words(known);
    let (cause, hint) = launch_cause(known, &text);
    Diagnosis { cause, words: words(known.status, said), hint, transient: false }
}

fn launch_cause(known: &Evidence<'_>, text: &str) -> (Cause, VisitMessage) {
    let user = known.user.to_owned();
    let lines = || text.lines().map(str::trim_start);
    let unknown = ["does not exist", "unknown user", "n'existe pas", "no passwd entry", "no such user"];
    let from_su = |line: &str| line.starts_with("su:") || line.starts_with("id:");
    if lines().any(|line| from_su(line) && unknown.iter().any(|needle| line.contains(needle))) {
        return (Cause::NoSuchUser, CreateUser { user });
    }
    let from_su =
        lines().find(|line| line.starts_with("su: ") && NOT_EXECUTED.iter().any(|text| line.contains(text)));
    if let Some(line) = from_su {
        let missing = line.contains("no such file") || line.contains("aucun fichier");
        return if missing {
            (Cause::LoginFailed, GiveShell { user })
        } else {
            (Cause::SudoDenied, PermitExec)
        };
    }
    if let Some((_, cause, hint)) =
        LOGIN_RULES.iter().chain(&LAUNCH_RULES).find(|(needle, ..)| text.contains(needle))
    {
        return (*cause, hint(user));
    }
    // A warning, behind which sudo goes on.
    let warning =
        |line: &str| line.contains("unable to resolve host") || line.contains("impossible de r\u{e9}soudre");
    let from_sudo = |line: &str| line.starts_with("sudo:") || line.starts_with("sudo-rs:");
    if lines().any(|line| from_sudo(line) && !warning(line)) {
        return (Cause::SudoDenied, PermitLauncher { user });
    }
    let not_run = matches!(known.status, Some(126 | 127))
        && text.contains("/.recolte-run-")
        && !text.contains("restrict");
    if not_run {
        return (Cause::NotExecutable, PermitExecution { user });
    }
    (Cause::LoginFailed, MendProfile { user })
}

/// What su says when it cannot start the user's shell.
const NOT_EXECUTED: [&str; 4] =
    ["failed to execute", "\u{e9}chec d'ex\u{e9}cution", "can't execute", "cannot execute"];

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

fn run_verbosely(known: &Evidence<'_>) -> VisitMessage {
    RunSshVerbosely { command: known.by_hand(&format!("-v {}", known.host)) }
}

/// Returns the first rule that fits a text of ssh.
fn find<'a>(rules: &'a [SshRule], text: &str) -> Option<&'a SshRule> {
    rules.iter().find(|rule| text.contains(rule.needle))
}

/// Returns what both streams said, in lower case to be read and shortened to be shown; the shown end is that of stderr.
fn last_words(known: &Evidence<'_>) -> (String, String) {
    let both = [known.stdout.trim_ascii_end(), known.stderr.trim_ascii_end()].join(&b'\n');
    let said = escape_tail(both.trim_ascii(), WORDS_MAX);
    let said = if said.is_empty() { NothingSaid.to_string() } else { said };
    (String::from_utf8_lossy(&both).to_lowercase(), said)
}

/// The beginnings of ssh's own lines in a connection that the host closed; other lines are the host's.
const OWN_LINES: [&str; 12] = [
    "ssh: ",
    "ssh_",
    "kex_exchange_identification",
    "banner exchange",
    "Connection ",
    "Received disconnect",
    "Disconnected ",
    "Warning: ",
    "** ",
    "client_loop",
    "Timeout, server",
    "Unable to negotiate",
];

/// Returns what a host, not ssh, says in ssh's text: PAM's words, or a banner.
fn said_by_host(text: &str) -> String {
    let own = |line: &str| line.is_empty() || OWN_LINES.iter().any(|own| line.starts_with(own));
    text.lines().map(str::trim).filter(|line| !own(line)).collect::<Vec<_>>().join("\n")
}

/// Returns ssh's text without its banners of `@` and without its warning about a host key that it just learnt.
fn words_of_ssh(text: &[u8]) -> VisitMessage {
    let noise = |line: &[u8]| line.starts_with(b"@") || line.starts_with(b"Warning: Permanently added");
    let lines: Vec<&[u8]> = text.split(|b| *b == b'\n').filter(|line| !noise(line.trim_ascii())).collect();
    quoted(&lines.join(&b'\n'))
}

fn quoted(text: &[u8]) -> VisitMessage {
    let text = escape_tail(text, WORDS_MAX);
    let text = text.strip_prefix("ssh: ").unwrap_or(&text);
    if text.is_empty() { SshSilent } else { Quoted { text: text.to_owned() } }
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
