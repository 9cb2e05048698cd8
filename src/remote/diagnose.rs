//! Says what a failure means, from what ssh, sshd, PAM, sudo, su, a shell or `cp` said: the only place where their
//! texts are read.
//!
//! [`diagnose`] is a pure function. The tables of `rules` are read from the most particular text to the most
//! general: the first that fits wins. Where none fits, the cause is the general one of the step, the last words are
//! quoted, and the hint says only what is known. Limits: OpenSSH speaks English alone; sudo, su, PAM and shells are
//! known in English and French.

mod connection;
mod hints;
mod rules;
#[cfg(test)]
mod samples;

use super::RemoteError;
use crate::escape::escape_tail;
use crate::message::Message;
use crate::message::VisitMessage::{self, *};
use crate::outcome::{Cause, Failure, Step};
use connection::diagnose_connection;
use rules::{LAUNCH_RULES, LOGIN_RULES, holds};

/// The facts that are known of a step that failed. What nobody said is empty.
#[derive(Debug, Clone, Copy, Default)]
pub struct Evidence<'a> {
    /// The alias of the host.
    pub host: &'a str,
    /// The options of `ssh` that lead to it by hand, such as `-F FILE`, with a space behind.
    pub options: &'a str,
    /// The jump hosts on the way, if ssh goes through any: `ProxyJump`.
    pub jump: Option<&'a str>,
    /// The user who runs the script.
    pub user: &'a str,
    /// The exit status.
    pub status: Option<i32>,
    /// The standard output of the channel; of a connection, what its port says to anybody.
    pub stdout: &'a [u8],
    /// The error output of the channel; of a connection, what the ssh of a `ProxyJump` or a `ProxyCommand` said.
    pub stderr: &'a [u8],
    /// The words of ssh itself about a connection.
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

impl ConnectError {
    /// Checks whether a jump host let nobody through: not whether it may not, or cannot, reach this one host.
    pub fn is_of_jump_host(&self) -> bool {
        matches!(&self.failure.message, Message::Visit(JumpHostSaid { .. }))
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

/// Reads what the login user's shell, or what stands in its place, said before it ended.
fn diagnose_login(known: &Evidence<'_>) -> Diagnosis {
    let (text, said) = last_words(known);
    let rule = LOGIN_RULES.iter().find(|(needles, ..)| holds(&text, needles));
    let cause = rule.map_or(Cause::LoginRefused, |(_, cause, _)| *cause);
    let hint = match cause {
        Cause::PasswordExpired => RenewLoginPassword,
        Cause::AccountLocked => UnlockLoginUser,
        Cause::LoginFailed => RaiseLimits { user: "the login user".to_owned() },
        _ => DoesLoginRunCommands,
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
    if lines().any(|line| from_su(line) && holds(line, &unknown)) {
        return (Cause::NoSuchUser, CreateUser { user });
    }
    let from_su = lines().find(|line| line.starts_with("su: ") && holds(line, &NOT_EXECUTED));
    if let Some(line) = from_su {
        return match () {
            () if holds(line, &["no such file", "aucun fichier"]) => (Cause::LoginFailed, GiveShell { user }),
            () if holds(line, &["permission denied", "non accord"]) => (Cause::SudoDenied, PermitExec),
            () => (Cause::LoginFailed, RaiseLimits { user }),
        };
    }
    if let Some((_, cause, hint)) =
        LOGIN_RULES.iter().chain(&LAUNCH_RULES).find(|(needles, ..)| holds(text, needles))
    {
        return (*cause, hint(user));
    }
    // A warning, behind which sudo goes on.
    let warnings = ["unable to resolve host", "impossible de r\u{e9}soudre", "problem with defaults"];
    let from_sudo = |line: &str| line.starts_with("sudo:") || line.starts_with("sudo-rs:");
    if lines().any(|line| from_sudo(line) && !holds(line, &warnings)) {
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

/// The texts of su when it cannot start the user's shell.
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

/// Joins what both streams said; the shown end is that of stderr.
pub(super) fn join_words(stdout: &[u8], stderr: &[u8]) -> Vec<u8> {
    [stdout.trim_ascii_end(), stderr.trim_ascii_end()].join(&b'\n').trim_ascii().to_vec()
}

/// Returns what both streams said: in lower case to be read, and shortened to be shown.
fn last_words(known: &Evidence<'_>) -> (String, String) {
    let both = join_words(known.stdout, known.stderr);
    let said = escape_tail(&both, WORDS_MAX);
    let said = if said.is_empty() { NothingSaid.to_string() } else { said };
    // Translations have both apostrophes.
    (String::from_utf8_lossy(&both).to_lowercase().replace('\u{2019}', "'"), said)
}

fn quoted(text: &[u8]) -> VisitMessage {
    let text = escape_tail(text, WORDS_MAX);
    let text = text.strip_prefix("ssh: ").unwrap_or(&text);
    if text.is_empty() { SshSilent } else { Quoted { text: text.to_owned() } }
}
