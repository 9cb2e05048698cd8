//! Makes text of whatever a host, a file or a server sent: bounded, and harmless to the terminal that shows it.
//!
//! Pure. What is printable UTF-8 stays as it is; control characters, invisible and direction-turning characters and
//! bytes that are no UTF-8 are written as `\n`, `\x1b` or `\u{202e}`. A backslash stays single: the result is for
//! eyes, not for a parser.

use std::error::Error;
use std::fmt::Write as _;

/// All of `bytes` on one line, escaped.
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|c| push(&mut text, c));
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// The last `max` bytes or so of what a command said, as one line: blank lines dropped, lines joined by ` · `.
pub fn summary(bytes: &[u8], max: usize) -> String {
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

/// An error with all its causes, on one line.
pub fn error_chain(error: &dyn Error) -> String {
    let mut error_chain = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        error_chain.push_str(": ");
        error_chain.push_str(&escape(error.to_string().as_bytes()));
        cause = error.source();
    }
    error_chain
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One character, escaped where it would do more than show itself.
fn push(text: &mut String, c: char) {
    let _ = match c {
        '\n' => write!(text, "\\n"),
        '\t' => write!(text, "\\t"),
        '\r' => write!(text, "\\r"),
        c if c.is_ascii_control() => write!(text, "\\x{:02x}", u32::from(c)),
        c if hidden(c) => write!(text, "{}", c.escape_unicode()),
        c => write!(text, "{c}"),
    };
}

/// Characters that show nothing, or turn the order of what follows.
fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_terminal_would_obey_is_spelled_out() {
        assert_eq!(escape(b"a\x1b[2Jb\r\nc\x07"), "a\\x1b[2Jb\\r\\nc\\x07");
        assert_eq!(escape("é\u{202e}x\u{85}".as_bytes()), "é\\u{202e}x\\u{85}");
        assert_eq!(escape(b"caf\xe9"), "caf\\xe9");
    }

    #[test]
    fn a_summary_is_one_line_of_the_end() {
        assert_eq!(summary(b"\n one \r\n\ntwo\n", 100), "one · two");
        assert_eq!(summary(b"0123456789", 4), "… 6789");
    }

    proptest! {
        #[test]
        fn no_byte_gets_through_unescaped(bytes: Vec<u8>) {
            prop_assert!(!escape(&bytes).chars().any(hidden));
        }
    }
}
