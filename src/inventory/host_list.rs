//! Reads the entries of `--hosts` and `$LIST_SERVEUR`: names, ranges and patterns, typed or kept in a file.
//!
//! `@FILE` and `-` (stdin) stand for the entries of a text: any number a line, `#` for comments, at most
//! [`MAX_BYTES`]. Limits: a text names no further text, and what a name means is not looked at here.

use std::fs::File;
use std::io;

use super::expand_entry;
use crate::disk;
use crate::escape::escape;
use crate::hostset::split_list;
use crate::located::Located;
use crate::message::InventoryMessage;

/// The longest list of hosts, in bytes.
pub const MAX_BYTES: u64 = 16 << 20;

/// Reads the entries of `arg`, split at commas and blanks outside brackets; those of a file where one is `@FILE`, and
/// those that `stdin` gives where one is `-`. None where `arg` is blank. `option` is what `arg` was given to.
///
/// # Errors
/// A list cannot be read, is no text, names no host, or holds an entry that is none.
pub fn read_host_list(
    option: &str,
    arg: &str,
    stdin: impl FnOnce() -> io::Result<String>,
) -> Result<Vec<String>, Located> {
    let mut stdin = Some(stdin);
    let mut entries = Vec::new();
    for word in split_list(arg) {
        match word.strip_prefix('@') {
            Some("") => return Err(Located::new("@", InventoryMessage::ListUnnamed)),
            Some(file) => entries.extend(parse_entries(file, read_file(file)?)?),
            None if word == "-" => {
                let read = stdin.take().ok_or_else(|| Located::new("-", InventoryMessage::StdinReadTwice))?;
                let text =
                    read().map_err(|e| Located::with_source("stdin", InventoryMessage::FileUnreadable, e))?;
                entries.extend(parse_entries("stdin", text.into_bytes())?);
            }
            None => {
                check_entry(option, word)?;
                entries.push(word.to_owned());
            }
        }
    }
    Ok(entries)
}

fn read_file(file: &str) -> Result<Vec<u8>, Located> {
    // A pipe is welcome here: `@<(command)` of bash is one.
    let content = File::open(file).and_then(|file| disk::read_stream_bounded(file, MAX_BYTES));
    let place = escape(file.as_bytes());
    content.map_err(|error| match error.kind() {
        io::ErrorKind::IsADirectory => Located::new(place, InventoryMessage::ListNotRegular),
        io::ErrorKind::FileTooLarge => {
            Located::new(place, InventoryMessage::ListTooLarge { max_mib: MAX_BYTES >> 20 })
        }
        _ => Located::with_source(place, InventoryMessage::FileUnreadable, error),
    })
}

/// Checks an entry, so that an error names the place where it stands.
fn check_entry(place: &str, word: &str) -> Result<(), Located> {
    let named = |error: Located| Located { place: format!("{place}: {}", error.place), ..error };
    expand_entry(word).map(drop).map_err(named)
}

/// Parses the entries of a text.
fn parse_entries(source: &str, content: Vec<u8>) -> Result<Vec<String>, Located> {
    let file = escape(source.as_bytes());
    let at_line = |line| InventoryMessage::AtLine { file: file.clone(), line }.to_string();
    let text = String::from_utf8(content).map_err(|error| {
        let valid = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
        let line = 1 + valid.filter(|byte| **byte == b'\n').count() as u64;
        // Without its cause, which counts bytes: the line says more.
        Located::new(at_line(line), InventoryMessage::ListNotUtf8)
    })?;
    let mut entries = Vec::new();
    for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        for word in split_list(line).take_while(|word| !word.starts_with('#')) {
            check_entry(&at_line(number), word)?;
            entries.push(word.to_owned());
        }
    }
    if entries.is_empty() { Err(Located::new(file, InventoryMessage::ListEmpty)) } else { Ok(entries) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn no_stdin() -> io::Result<String> {
        Err(io::Error::other("no stdin here"))
    }

    #[test]
    fn entries_come_from_the_argument_a_file_and_stdin() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hosts");
        std::fs::write(&file, "\u{feff}# fleet\r\nm[1,2] m7 # old: m8\r\n\r\nprod-*\n").unwrap();
        let arg = format!("a,b[1, 2] @{},-", file.display());
        let entries = read_host_list("--hosts", &arg, || Ok("z1\nz2".to_owned())).unwrap();
        assert_eq!(entries, ["a", "b[1, 2]", "m[1,2]", "m7", "prod-*", "z1", "z2"]);
    }

    #[test]
    fn a_blank_argument_has_no_entry() {
        assert!(read_host_list("--hosts", " , ", no_stdin).unwrap().is_empty());
    }

    #[test]
    fn a_bad_list_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, content: &[u8]| {
            let file = folder.path().join(name);
            std::fs::write(&file, content).unwrap();
            format!("@{}", file.display())
        };
        let cases = [
            (write("range", b"a\nb[3-1]\n"), "range, line 2: b[3-1]: the range 3-1 runs backwards"),
            (write("port", b"a\nb:22\n"), "port, line 2: b:22: holds a port; write b"),
            ("a,b;c".to_owned(), "--hosts: b;c: holds a blank, `,`, `;` or `|`"),
            ("a,n{1,2}".to_owned(), "--hosts: n{1,2}: is no range here; write n[1,2]"),
            (write("latin", b"a\nb\ncaf\xe9\n"), "latin, line 3: is not UTF-8"),
            (write("empty", b"# none\n"), "empty: names no host"),
            (format!("@{}", folder.path().display()), "is not a regular file"),
            ("@/nowhere/at/all".to_owned(), "/nowhere/at/all: cannot be read: No such file"),
            ("@".to_owned(), "@: names no file"),
            ("-".to_owned(), "stdin: cannot be read: no stdin here"),
        ];
        for (arg, said) in cases {
            let error =
                crate::inventory::tests::chain(&read_host_list("--hosts", &arg, no_stdin).unwrap_err());
            assert!(error.contains(said), "{arg}: {error}");
        }
        let twice = read_host_list("--hosts", "-,-", || Ok("a".to_owned())).unwrap_err();
        assert_eq!(*twice.kind, InventoryMessage::StdinReadTwice.into());
    }

    proptest! {
        #[test]
        fn no_list_panics(arg in "[^@]*", text: String) {
            let _ = read_host_list("--hosts", &arg, || Ok(text));
        }
    }
}
