//! Quotes arguments and globs for the shells of a host, as pure functions.
//!
//! A line passes through the login shell of the login user and, under `sudo su -`, through that of the other user.
//! Either may be bash, dash, ksh, csh or fish: [`quote_for_any_shell`] is for all of them. A program that reaches
//! `sh` as an argument ([`in_sh`]) holds neither a newline nor a `!` before anything but a blank, which csh would
//! interpret; `sh` puts those back. Limits: the bare command of `supervise = false` is quoted for POSIX shells only.

use std::fmt::Write as _;

/// Quotes `text` as one argument for a POSIX shell.
pub fn quote(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Quotes any bytes but NUL as one argument for a `sh` that reads its program from a pipe.
pub fn quote_raw(bytes: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for byte in bytes {
        match byte {
            b'\'' => quoted.extend_from_slice(br"'\''"),
            byte => quoted.push(*byte),
        }
    }
    quoted.push(b'\'');
    quoted
}

/// Quotes an argument for whatever shell a user has: bash, dash, ksh, csh, fish. A backslash before a character means
/// the character itself in all of them; only a newline wants quotes.
pub fn quote_for_any_shell(text: &str) -> String {
    let mut quoted = String::new();
    for c in text.chars() {
        match c {
            '\n' => quoted.push_str("'\n'"),
            c if c.is_ascii_alphanumeric() || "_@%+:,./-".contains(c) || !c.is_ascii() => quoted.push(c),
            c => quoted.extend(['\\', c]),
        }
    }
    if quoted.is_empty() { "''".to_owned() } else { quoted }
}

/// Quotes an argument list as one command line for a POSIX shell.
pub fn quote_all<S: AsRef<str>>(args: impl IntoIterator<Item = S>) -> String {
    args.into_iter().map(|arg| quote(arg.as_ref())).collect::<Vec<_>>().join(" ")
}

/// Returns the command line by which any login shell passes `program`, in POSIX sh, to `sh` unchanged.
///
/// A program is made of arguments by [`quote_bytes`] and of our own text: neither holds a newline or a `!` that csh
/// would interpret.
pub fn in_sh(program: &str) -> String {
    format!("exec sh -c {}", quote(&format!("{}{program}", newline_for(program))))
}

/// Returns the assignment of the variable that [`NEWLINE`] expands, for a program that uses it.
fn newline_for(program: &str) -> &'static str {
    if program.contains(NEWLINE) { "nl=$(printf '\\012.'); nl=${nl%.}; " } else { "" }
}

/// Stands for a newline in an argument by [`quote_bytes`].
const NEWLINE: &str = "\"$nl\"";

/// Quotes any bytes but NUL as one argument inside a program for [`in_sh`]: also those that csh would interpret, and
/// those that are no UTF-8, which become octal escapes.
pub fn quote_bytes(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for part in chunk.valid().split_inclusive(['\n', '!']) {
            let plain = part.trim_end_matches(['\n', '!']);
            if !plain.is_empty() {
                text.push_str(&quote(plain));
            }
            match part.get(plain.len()..) {
                Some("\n") => text.push_str(NEWLINE),
                Some("!") => text.push_str("\"$(printf '\\041')\""),
                _ => {}
            }
        }
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(text, "\"$(printf '\\{byte:03o}')\"");
        }
    }
    if text.is_empty() { quote("") } else { text }
}

/// Quotes a glob for a POSIX shell: `*`, `?` and plain `[…]` keep their meaning, all else means itself.
pub fn quote_glob(pattern: &str) -> String {
    translate_glob(pattern, quote)
}

/// Translates a glob: wildcards stay as they are, what lies between them is escaped.
pub fn translate_glob(pattern: &str, escape: impl Fn(&str) -> String) -> String {
    let (mut text, mut literal, mut rest) = (String::new(), String::new(), pattern);
    while let Some(c) = rest.chars().next() {
        let length = wildcard_length(rest);
        if length == 0 {
            literal.push(c);
        } else {
            if !literal.is_empty() {
                text.push_str(&escape(&std::mem::take(&mut literal)));
            }
            text.push_str(rest.get(..length).unwrap_or_default());
        }
        rest = rest.get(length.max(c.len_utf8())..).unwrap_or_default();
    }
    if !literal.is_empty() {
        text.push_str(&escape(&literal));
    }
    text
}

/// Returns how many bytes at the start of `text` are a wildcard; 0 for none.
fn wildcard_length(text: &str) -> usize {
    match text.chars().next() {
        Some('*' | '?') => 1,
        Some('[') => match text.find(']') {
            Some(end) if end > 1 => {
                let inside = text.get(1..end).unwrap_or_default();
                let inside = inside.strip_prefix('!').unwrap_or(inside);
                let plain = inside.chars().all(|c| c.is_ascii_alphanumeric() || "^_.-".contains(c));
                if plain { end + 1 } else { 0 }
            }
            _ => 0,
        },
        _ => 0,
    }
}

/// Makes random text that nobody can guess: it tells our own output from that of others.
pub fn random_marker() -> String {
    format!("recolte-{:032x}", rand::random::<u128>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::process::{Command, Output, Stdio};

    fn run(shell: &str, line: &str) -> Output {
        Command::new(shell).args(["-c", line]).stdin(Stdio::null()).output().unwrap()
    }

    #[test]
    fn arguments_that_need_no_quotes_get_none() {
        assert_eq!(quote_all(["cp", "-P", "/tmp/a b", "it's"]), r"cp -P '/tmp/a b' 'it'\''s'");
        assert_eq!(quote(""), "''");
    }

    #[test]
    fn a_glob_keeps_its_wildcards_and_nothing_else() {
        assert_eq!(quote_glob("/tmp/fichier_*log.txt"), "/tmp/fichier_*log.txt");
        assert_eq!(quote_glob("/tmp/a b?[0-9].$(id)"), "'/tmp/a b'?[0-9]'.$(id)'");
        assert_eq!(quote_glob("x[;id]"), "'x[;id]'");
        assert_eq!(quote_glob("é*["), "'é'*'['");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn every_argument_arrives_unchanged(args in prop::collection::vec("[^\0]{0,12}", 1..4)) {
            let mut all = vec!["printf", "%s\\0"];
            all.extend(args.iter().map(String::as_str));
            let any_shell: Vec<String> = all.iter().map(|arg| quote_for_any_shell(arg)).collect();
            let expected: Vec<u8> = args.iter().flat_map(|arg| arg.bytes().chain([0])).collect();
            for inner in [quote_all(&all), any_shell.join(" "), in_sh(&all.iter().map(|arg| quote_bytes(arg.as_bytes())).collect::<Vec<_>>().join(" "))] {
                let through_two_shells = format!("sh -c {}", quote(&inner));
                prop_assert_eq!(&run("sh", &through_two_shells).stdout, &expected);
                prop_assert_eq!(&run("bash", &inner).stdout, &expected);
            }
        }

        #[test]
        fn any_bytes_are_an_argument(bytes in prop::collection::vec(1u8.., 0..24)) {
            prop_assert_eq!(run("sh", &in_sh(&format!("printf %s {}", quote_bytes(&bytes)))).stdout, bytes);
        }

        #[test]
        fn a_glob_runs_nothing(pattern in "[^\0]{0,16}") {
            let output = run("sh", &format!("for f in {}; do :; done; printf done", quote_glob(&pattern)));
            prop_assert_eq!(output.stdout, b"done");
        }
    }
}
