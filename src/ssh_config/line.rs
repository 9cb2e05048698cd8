//! Parses one line of an ssh_config as ssh does.
//!
//! Pure. Limits: bytes that are no UTF-8 become U+FFFD; keywords that nothing here depends on are one variant.

/// Characters that end a word. Any other blank, a no-break space for one, is a part of it.
const BLANKS: [char; 2] = [' ', '\t'];

/// Characters that ssh strips from the end of a line.
const LINE_ENDS: [char; 4] = [' ', '\t', '\r', '\x0c'];

/// A parsed line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// `Host` and its names, wildcards and negations among them.
    Host(Vec<String>),
    /// `Include` and its patterns.
    Include(Vec<String>),
    /// `HostName` and its values.
    HostName(Vec<String>),
    /// A keyword that a visit depends on, and whose meaning for a host only ssh knows: `Match`, canonical names, jump
    /// hosts, keepalive, control sockets.
    LeftToSsh,
    /// A keyword that is read here, with a quote that is never closed: ssh refuses it.
    OpenQuote,
    /// Anything else.
    Other,
}

/// Parses a keyword, blanks or one `=`, then words that may be quoted, up to a comment.
pub(super) fn parse_line(line: &[u8]) -> Line {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_start_matches(BLANKS).trim_end_matches(LINE_ENDS);
    let end = text.find(|c| c == '=' || BLANKS.contains(&c)).unwrap_or(text.len());
    let (keyword, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    let rest = rest.trim_start_matches(BLANKS);
    let rest = rest.strip_prefix('=').unwrap_or(rest);
    let keyword = keyword.trim_matches('"');
    let to_line: fn(Vec<String>) -> Line = match keyword.to_ascii_lowercase().as_str() {
        "host" => Line::Host,
        "include" => Line::Include,
        "hostname" => Line::HostName,
        "controlpath" => |paths| match paths.as_slice() {
            [path, ..] if !path.eq_ignore_ascii_case("none") => Line::LeftToSsh,
            _ => Line::Other,
        },
        "match" | "proxyjump" | "serveraliveinterval" | "serveralivecountmax" => return Line::LeftToSsh,
        other if other.starts_with("canonical") => return Line::LeftToSsh,
        _ => return Line::Other,
    };
    split_words(rest).map_or(Line::OpenQuote, to_line)
}

/// Splits a text into words; none where a quote is never closed.
fn split_words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = text.trim_start_matches(BLANKS);
    while !rest.is_empty() && !rest.starts_with('#') {
        let (word, after) = split_word(rest)?;
        words.push(word);
        rest = after.trim_start_matches(BLANKS);
    }
    Some(words)
}

/// Splits off the first word, without its quotes and escapes; returns it and the rest.
fn split_word(text: &str) -> Option<(String, &str)> {
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
            (_, None) if BLANKS.contains(&c) => return Some((word, chars.as_str())),
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
    fn a_line_is_parsed_as_by_ssh() {
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
            ("Host a\u{a0}b c", host(&["a\u{a0}b", "c"])),
            ("Host a\x0cb c\x0c", host(&["a\x0cb", "c"])),
            ("\u{a0}Host a", Line::Other),
            ("Host\x0ca", Line::Other),
            ("Include ~/.ssh/a 'b c'", Line::Include(vec!["~/.ssh/a".into(), "b c".into()])),
            ("Match host a", Line::LeftToSsh),
            ("CanonicalizeHostname yes", Line::LeftToSsh),
            ("HostName = a", Line::HostName(vec!["a".into()])),
            ("ControlPath ~/.ssh/cm-%C", Line::LeftToSsh),
            ("# Host a", Line::Other),
            ("", Line::Other),
            ("Host \"a", Line::OpenQuote),
            ("User \"a", Line::Other),
            ("ControlPath none", Line::Other),
            ("Port=2222", Line::Other),
        ];
        for (line, parsed) in cases {
            assert_eq!(parse_line(line.as_bytes()), parsed, "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn no_line_panics(line: Vec<u8>, rest in "[Hh]ost[ =]\\PC*") {
            let _ = (parse_line(&line), parse_line(rest.as_bytes()));
        }
    }
}
