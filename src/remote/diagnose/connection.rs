//! Says why a connection failed: from what ssh said, what its proxy said, and what the port says to anybody.
//!
//! Limits: a banner of the host stands between ssh's lines; ssh's own are known by how they begin.

use super::hints::run_verbosely;
use super::rules::{FORWARD_RULES, SSH_RULES, SshRule};
use super::{Diagnosis, Evidence, diagnose_login, quoted};
use crate::message::VisitMessage::{self, *};
use crate::outcome::Cause;

/// Says why a connection failed: in the host's own words, or in those of who made the way to it.
pub(super) fn diagnose_connection(known: &Evidence<'_>) -> Diagnosis {
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
    let said = said_by_host(&text);
    let refused = rule.cause == Cause::ConnectionLost && !said.is_empty();
    let login = || diagnose_login(&Evidence { stderr: said.as_bytes(), ..Evidence::default() });
    let spoke = diagnose_greeting(known);
    let words = if spoke.is_some() { words_of_ssh(&[known.stderr, known.stdout].concat()) } else { words };
    let greeting = spoke.or_else(|| refused.then(login));
    let needs_name =
        matches!(rule.cause, Cause::HostKeyUnknown | Cause::AuthDenied | Cause::NoCommonAlgorithm);
    let hint = match (&greeting, jump) {
        (Some(greeting), _) => greeting.hint.clone(),
        // Which of several it was, or how to reach it without the other options of a ProxyCommand, only a person can
        // see.
        (None, None) if needs_name => run_verbosely(known),
        (None, jump) => (rule.hint)(known, jump.unwrap_or(known.host), &text),
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

/// Returns the first rule that fits a text of ssh.
fn find<'a>(rules: &'a [SshRule], text: &str) -> Option<&'a SshRule> {
    rules.iter().find(|rule| text.contains(rule.needle))
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
