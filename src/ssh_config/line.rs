//! One line of an ssh_config, as ssh takes it apart.
//!
//! Pure. Bytes that are no UTF-8 come out as U+FFFD.

/// What a line says, of what is read here.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// `Host` and its names, wildcards and negations among them.
    Host(Vec<String>),
    /// `Include` and its patterns.
    Include(Vec<String>),
    /// `HostName` and its words.
    HostName(Vec<String>),
    /// `ControlPath` and its words.
    ControlPath(Vec<String>),
    /// `User` and its words.
    User(Vec<String>),
    /// `Port` and its words.
    Port(Vec<String>),
    /// What only ssh can say the meaning of for a host: `Match`, canonical names, jumps, keepalive.
    Deciding,
    /// One of those with words, with a quote that is never closed: ssh refuses it.
    OpenQuote,
    /// Anything else.
    Other,
}

/// Takes `line` apart: a keyword, blanks or one `=`, then words that may be quoted, up to a comment.
pub(super) fn parse(line: &[u8]) -> Line {
    let text = String::from_utf8_lossy(line);
    let text = text.trim();
    let end = text.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(text.len());
    let (keyword, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    let rest = rest.trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest);
    let keyword = keyword.trim_matches('"');
    let made: fn(Vec<String>) -> Line = match keyword.to_ascii_lowercase().as_str() {
        "host" => Line::Host,
        "include" => Line::Include,
        "hostname" => Line::HostName,
        "controlpath" => Line::ControlPath,
        "user" => return words(rest).map_or(Line::Deciding, Line::User),
        "port" => return words(rest).map_or(Line::Deciding, Line::Port),
        "match" | "proxyjump" | "serveraliveinterval" | "serveralivecountmax" => return Line::Deciding,
        other if other.starts_with("canonical") => return Line::Deciding,
        _ => return Line::Other,
    };
    words(rest).map_or(Line::OpenQuote, made)
}

/// The words of `text`; none where a quote is never closed.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() && !rest.starts_with('#') {
        let (word, after) = word(rest)?;
        words.push(word);
        rest = after.trim_start();
    }
    Some(words)
}

/// The word that `text` begins with, its quotes and escapes undone, and what follows it.
fn word(text: &str) -> Option<(String, &str)> {
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let next = chars.clone().next();
        match (c, quote) {
            ('\\', _) if matches!(next, Some('"' | '\'' | '\\')) || quote.is_none() && next == Some(' ') => {
                word.extend(chars.next());
            }
            ('"' | '\'', None) => quote = Some(c),
            (_, Some(open)) if c == open => quote = None,
            (_, None) if c.is_whitespace() => return Some((word, chars.as_str())),
            _ => word.push(c),
        }
    }
    quote.is_none().then_some((word, ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_is_taken_apart_as_by_ssh() {
        let host = |names: &[&str]| Line::Host(names.iter().map(|name| (*name).to_owned()).collect());
        let cases = [
            ("Host a b", host(&["a", "b"])),
            ("\thOsT\ta\r", host(&["a"])),
            ("Host=a", host(&["a"])),
            ("Host = a=b c", host(&["a=b", "c"])),
            ("Host \"a b\" 'c' d\"e\"f", host(&["a b", "c", "def"])),
            ("Host a # b", host(&["a"])),
            ("Host a#b", host(&["a#b"])),
            ("Host a\\ b \\\"c", host(&["a b", "\"c"])),
            ("Host", host(&[])),
            ("Include ~/.ssh/a 'b c'", Line::Include(vec!["~/.ssh/a".into(), "b c".into()])),
            ("Match host a", Line::Deciding),
            ("CanonicalizeHostname yes", Line::Deciding),
            ("HostName = a", Line::HostName(vec!["a".into()])),
            ("ControlPath ~/.ssh/cm-%C", Line::ControlPath(vec!["~/.ssh/cm-%C".into()])),
            ("# Host a", Line::Other),
            ("", Line::Other),
            ("Host \"a", Line::OpenQuote),
            ("User \"a", Line::Deciding),
            ("User a", Line::User(vec!["a".into()])),
            ("Port=2222", Line::Port(vec!["2222".into()])),
        ];
        for (line, parsed) in cases {
            assert_eq!(parse(line.as_bytes()), parsed, "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn no_line_panics(line: Vec<u8>, rest in "[Hh]ost[ =]\\PC*") {
            let _ = (parse(&line), parse(rest.as_bytes()));
        }
    }
}
