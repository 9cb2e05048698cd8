//! Recognises how other tools write hosts, and says how it is written here: `host:22`, `n{1..3}`, `n1;n2`, `^file`.
//!
//! Pure. Limits: a word that names one host, a range or a pattern here is left alone.

use super::{expand_parts, split_list, unbracket_address};
use crate::escape::escape_head;
use crate::located::Located;
use crate::message::InventoryMessage;

/// Checks that a word is not written as for another tool.
///
/// # Errors
/// It is; the error names the spelling that is meant.
pub fn check_spelling(word: &str) -> Result<(), Located> {
    let fault = if unbracket_address(word).is_some() { None } else { find_fault(word) };
    fault.map_or(Ok(()), |kind| Err(Located::new(escape_head(word), kind)))
}

fn find_fault(word: &str) -> Option<InventoryMessage> {
    if word.starts_with('-') {
        return None;
    }
    if let Some(file) = word.strip_prefix(['^', '@']) {
        return Some(InventoryMessage::SpelledAsFile { file: escape_head(file) });
    }
    let separators = |c: char| c == ';' || c == '|';
    let list = word.replace(separators, ",");
    let words: Vec<&str> = split_list(&list).collect();
    if words.len() > 1 || word.contains(separators) {
        let (typed, listed) = (escape_head(&words.join(",")), escape_head(&format!("{words:?}")));
        return Some(InventoryMessage::SpelledAsList { typed, listed });
    }
    if let Some((_, left)) = word.split_once('!') {
        return Some(InventoryMessage::SpelledAsExclusion { left: escape_head(left) });
    }
    find_port(word).or_else(|| find_range(word))
}

/// Finds a port, a path or a scheme beside a name: `host:22`, `[::1]:22`, `host:/tmp`, `ssh://host`.
fn find_port(word: &str) -> Option<InventoryMessage> {
    let bare = word.split_once("://").map_or(word, |(_, rest)| rest.trim_end_matches('/'));
    let (name, rest) = bare.rsplit_once(':').unwrap_or((bare, ""));
    let port = rest.split('/').next().unwrap_or_default().to_owned();
    let address = unbracket_address(name);
    // An IPv6 address without brackets has no port.
    let is_name = address.is_some() || name != word && !name.contains(':');
    let name = escape_head(address.as_deref().unwrap_or(name));
    (is_name && port.bytes().all(|byte| byte.is_ascii_digit())).then_some(match port.is_empty() {
        true => InventoryMessage::SpelledAsAddress { name },
        false => InventoryMessage::SpelledWithPort { name, port },
    })
}

/// Finds a range as bash, ansible or a hurried hand writes it: `n{1..3}`, `n[1:3]`, `n[1..3]`.
fn find_range(word: &str) -> Option<InventoryMessage> {
    let meant = rewrite_range(word);
    match (word.contains('{'), expand_parts(word), expand_parts(&meant)) {
        (false, Ok(_), _) | (false, _, Err(_)) => None,
        (true, _, Err(kind)) => Some(kind),
        (_, _, Ok(_)) => Some(InventoryMessage::SpelledAsRange { meant: escape_head(&meant) }),
    }
}

/// Rewrites the braces of a word as brackets, and what stands in them as numbers, ranges and steps.
fn rewrite_range(word: &str) -> String {
    let mut parts = word.split(['[', '{']);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |done, part| {
        let (body, rest) = part.split_once([']', '}']).unwrap_or((part, ""));
        let body = body.replace("..", "-").replace([':', '–'], "-");
        let items = body.split(',').map(|item| match item.split('-').collect::<Vec<_>>()[..] {
            [first, last, step] => format!("{first}-{last}/{step}"),
            _ => item.to_owned(),
        });
        format!("{done}[{}]{rest}", items.collect::<Vec<_>>().join(","))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_other_tools_take_is_named_with_what_is_meant() {
        let cases = [
            ("db1:2222", "write db1; its port belongs in ssh_config: `Port 2222` below its `Host` line"),
            ("op@db1:22", "write op@db1; its port belongs"),
            ("[::1]:22", "write ::1; its port belongs"),
            ("n[1-3]:22", "write n[1-3]; its port belongs"),
            ("ssh://op@db1:22/", "write op@db1;"),
            ("ssh://db1", "write db1 alone"),
            ("db1:", "write db1 alone"),
            ("db1:/tmp/x", "write db1 alone"),
            ("n1;n2", "n1,n2 on the command line, [\"n1\", \"n2\"] in a job file"),
            ("n1|n2", "n1,n2 on the command line"),
            ("n1,n2", "[\"n1\", \"n2\"]"),
            ("n1 n[2-3]", "[\"n1\", \"n[2-3]\"]"),
            ("n[1-9]!n3", "name n3 in `exclude`"),
            ("!n3", "name n3 in `exclude`"),
            ("^hosts.txt", "write @hosts.txt"),
            ("@hosts.txt", "write @hosts.txt"),
            ("n{1..3}", "write n[1-3]"),
            ("n{01..10}.fr", "write n[01-10].fr"),
            ("n{1..9..2}", "write n[1-9/2]"),
            ("n{1,2}", "write n[1,2]"),
            ("n{1..3,7}", "write n[1-3,7]"),
            ("{web,db}1", "`web` is not a number; brackets hold digits only, as in `name[1-3,7]`; write"),
            ("[01:50]", "write [01-50]"),
            ("n[1:9:2]", "write n[1-9/2]"),
            ("n[1..3]", "write n[1-3]"),
            ("n[1–3]", "write n[1-3]"),
            ("r{1..2}n[1:4]", "write r[1-2]n[1-4]"),
        ];
        for (word, said) in cases {
            let error = check_spelling(word).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(said), "{word}: {error}");
        }
    }

    #[test]
    fn names_ranges_and_patterns_are_left_alone() {
        for word in [
            "n1",
            "op@n1",
            "n[1-3,7]",
            "n[1-9/2]",
            "n[1, 3]",
            "prod-*",
            "2001:db8::1",
            "[::1]",
            "op@[::1]",
            "::1",
            "2001:db8::[1-2]",
            "fe80::1%eth0",
            "xn--caf-dma.fr",
            "a=b",
            "n[a-c]",
            "-x",
            "n[1-",
        ] {
            assert!(check_spelling(word).is_ok(), "{word}: {:?}", check_spelling(word));
        }
    }

    proptest! {
        #[test]
        fn no_word_panics(word in "\\PC*|[\\[\\]{}0-9.,:/@!^;-]{0,20}") {
            let _ = check_spelling(&word);
        }
    }
}
