//! The ways out that are read from ssh's own text: the file, the name or the algorithm that it names.
//!
//! Limits: ssh is trusted to name what it means; where it names nothing, the hint does not either.

use super::{Evidence, WORDS_MAX};
use crate::escape::escape_tail;
use crate::message::VisitMessage::{self, *};
use crate::shell_quoting::quote;

/// Returns the command that lets ssh learn a host key.
pub(super) fn learn_host_key(known: &Evidence<'_>, host: &str, _text: &str) -> VisitMessage {
    LearnHostKey { command: known.by_hand(host) }
}

/// Returns the hint to let ssh tell more.
pub(super) fn run_verbosely(known: &Evidence<'_>) -> VisitMessage {
    RunSshVerbosely { command: known.by_hand(&format!("-v {}", known.host)) }
}

/// Returns the command that removes an old host key: of the file and the name that ssh itself names.
pub(super) fn remove_old_host_key(_known: &Evidence<'_>, host: &str, text: &str) -> VisitMessage {
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
pub(super) fn allow_algorithm(known: &Evidence<'_>, host: &str, text: &str) -> VisitMessage {
    let options = [
        ("no matching host key", "HostKeyAlgorithms"),
        ("no matching key exchange", "KexAlgorithms"),
        ("no matching cipher", "Ciphers"),
        ("no matching MAC", "MACs"),
        ("no mutual signature", "PubkeyAcceptedAlgorithms"),
    ];
    let option = options.iter().find(|(piece, _)| text.contains(piece));
    let offer = text.split_once("Their offer: ").map_or("ssh-rsa", |(_, offers)| offers);
    let name = |c: char| c.is_ascii_alphanumeric() || "-@.".contains(c);
    let offer = offer.split(|c| !name(c)).next().unwrap_or_default();
    match option {
        Some((_, option)) => AllowOldAlgorithm { host: host.to_owned(), line: format!("{option} +{offer}") },
        None => run_verbosely(known),
    }
}

/// Returns what to do about a refused key: ssh may have said before that it cannot use the file.
pub(super) fn key_refused(known: &Evidence<'_>, host: &str, text: &str) -> VisitMessage {
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
