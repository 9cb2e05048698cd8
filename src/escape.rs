//! Makes text of bytes that a host, a file or a server sent: bounded, and harmless to the terminal that shows it.
//!
//! Pure. Printable UTF-8 stays as it is; control characters, invisible characters, characters that change the writing
//! direction and invalid UTF-8 are written as `\n`, `\x1b` or `\u{202e}`. Limits: a backslash is not doubled, so the
//! result cannot be parsed back. HTML is escaped by `report/html.rs`, and shell arguments are quoted by
//! `shell_quoting.rs`.

use std::error::Error;
use std::fmt::Write as _;
use std::iter;
use std::path::Path;

/// The most characters that [`escape_head`] keeps.
const MAX_HEAD: usize = 80;

/// Escapes bytes onto one line.
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|c| push_escaped(&mut text, c));
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// Escapes a path.
pub fn escape_path(path: &Path) -> String {
    escape(path.as_os_str().as_encoded_bytes())
}

/// Escapes the first [`MAX_HEAD`] characters of a text, with `…` where more follow.
pub fn escape_head(text: &str) -> String {
    escape_bounded(text, MAX_HEAD)
}

/// Escapes the first `max` characters of a text, with `…` where more follow.
pub fn escape_bounded(text: &str, max: usize) -> String {
    let head: String = text.chars().take(max).collect();
    let cut = if head.len() < text.len() { "…" } else { "" };
    format!("{}{cut}", escape(head.as_bytes()))
}

/// Escapes the last `max` bytes of an output onto one line: blank lines are dropped, lines are joined by ` · `.
pub fn escape_tail(bytes: &[u8], max: usize) -> String {
    let start = bytes.len().saturating_sub(max);
    let tail = bytes.get(start..).unwrap_or_default();
    let lines: Vec<String> = tail
        .split(|b| *b == b'\n' || *b == b'\r')
        .map(|line| escape(line.trim_ascii()))
        .filter(|line| !line.is_empty())
        .collect();
    let cut = if start > 0 { "… " } else { "" };
    format!("{cut}{}", lines.join(" · "))
}

/// Joins an error and all its causes on one line.
pub fn error_chain(error: &dyn Error) -> String {
    let causes = iter::successors(error.source(), |&cause| cause.source());
    // Causes come from libraries, which may quote a file's or a server's bytes.
    let causes = causes.map(|cause| format!(": {}", escape(cause.to_string().as_bytes())));
    iter::once(error.to_string()).chain(causes).collect()
}

/// Writes bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Appends a character, escaped where a terminal would act on it or not show it.
fn push_escaped(text: &mut String, c: char) {
    let _ = match c {
        '\n' | '\t' | '\r' => write!(text, "{}", c.escape_default()),
        c if c.is_ascii_control() => write!(text, "\\x{:02x}", u32::from(c)),
        c if is_hidden(c) => write!(text, "{}", c.escape_unicode()),
        c => write!(text, "{c}"),
    };
}

/// Checks whether a character is invisible or changes the writing direction.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(escape(b"a\x1b[2Jb\r\nc\x07"), "a\\x1b[2Jb\\r\\nc\\x07");
        assert_eq!(escape("é\u{202e}x\u{85}".as_bytes()), "é\\u{202e}x\\u{85}");
        assert_eq!(escape(b"caf\xe9"), "caf\\xe9");
    }

    #[test]
    fn a_tail_is_one_line() {
        assert_eq!(escape_tail(b"\n one \r\n\ntwo\n", 100), "one · two");
        assert_eq!(escape_tail(b"0123456789", 4), "… 6789");
    }

    proptest! {
        #[test]
        fn no_byte_gets_through_unescaped(bytes: Vec<u8>) {
            prop_assert!(!escape(&bytes).chars().any(is_hidden));
        }
    }
}
