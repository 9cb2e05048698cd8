//! The words of `--hosts` and `$LIST_SERVEUR`: names, ranges and globs, typed or kept in a file.
//!
//! `@FILE` and `-` (stdin) stand for the words of a text: any number a line, `#` for comments, at most [`MAX_BYTES`].
//! A text names no further text.

use std::io::{self, Read as _};

use crate::escape::escape;
use crate::hostset::{RangeError, expand, split};

/// The longest list of hosts, in bytes.
pub const MAX_BYTES: u64 = 16 << 20;

/// Why a list of hosts cannot be read. `place` is the file, with its line where it is known.
#[derive(Debug, thiserror::Error)]
pub enum HostListError {
    /// The operating system refused.
    #[error("{place}: cannot be read")]
    Read {
        /// Where.
        place: String,
        /// The cause.
        source: io::Error,
    },
    /// The name is not that of a file.
    #[error("{place}: is not a regular file; name a list of hosts, or pipe it in with `-`")]
    NoFile {
        /// Where.
        place: String,
    },
    /// `@` stands alone.
    #[error("@: names no file; write @FILE, without a blank between")]
    NoName,
    /// It is beyond [`MAX_BYTES`].
    #[error("{place}: is larger than {} MiB; split the list", MAX_BYTES >> 20)]
    TooLarge {
        /// Where.
        place: String,
    },
    /// It is no UTF-8.
    #[error("{place}: is not UTF-8 text; save the list as plain text")]
    NoText {
        /// Where.
        place: String,
    },
    /// It has comments at most.
    #[error("{place}: names no host; write one or more a line")]
    Empty {
        /// Where.
        place: String,
    },
    /// A word in it is no range.
    #[error("{place}")]
    Range {
        /// Where.
        place: String,
        /// The cause.
        source: RangeError,
    },
    /// `-` was there twice.
    #[error("-: stdin can be read only once; name it once")]
    Twice,
}

/// The words of `arg`, split on commas and blanks outside brackets; those of a file where one is `@FILE`, and of what
/// `stdin` gives where one is `-`. None where `arg` is blank.
pub fn words(arg: &str, stdin: impl FnOnce() -> io::Result<String>) -> Result<Vec<String>, HostListError> {
    let mut stdin = Some(stdin);
    let mut words = Vec::new();
    for word in split(arg) {
        match word.strip_prefix('@') {
            Some("") => return Err(HostListError::NoName),
            Some(file) => words.extend(text_words(file, load(file)?)?),
            None if word == "-" => words.extend(text_words("stdin", ask(stdin.take())?)?),
            None => words.push(word.to_owned()),
        }
    }
    Ok(words)
}

fn ask(stdin: Option<impl FnOnce() -> io::Result<String>>) -> Result<Vec<u8>, HostListError> {
    let text = stdin.ok_or(HostListError::Twice)?();
    text.map(String::into_bytes).map_err(|source| HostListError::Read { place: "stdin".to_owned(), source })
}

fn load(file: &str) -> Result<Vec<u8>, HostListError> {
    let place = || escape(file.as_bytes());
    let cannot = |source| HostListError::Read { place: place(), source };
    if std::fs::metadata(file).map_err(cannot)?.is_dir() {
        return Err(HostListError::NoFile { place: place() });
    }
    let mut content = Vec::new();
    let opened = std::fs::File::open(file).map_err(cannot)?;
    opened.take(MAX_BYTES + 1).read_to_end(&mut content).map_err(cannot)?;
    Ok(content)
}

/// The words of a text that `source` names, each known to be no broken range, so that its line can be told.
fn text_words(source: &str, content: Vec<u8>) -> Result<Vec<String>, HostListError> {
    let place = escape(source.as_bytes());
    if content.len() as u64 > MAX_BYTES {
        return Err(HostListError::TooLarge { place });
    }
    let text = String::from_utf8(content).map_err(|error| {
        let valid = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
        HostListError::NoText {
            place: format!("{place}, line {}", 1 + valid.filter(|byte| **byte == b'\n').count()),
        }
    })?;
    let mut words = Vec::new();
    for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        for word in split(line).take_while(|word| !word.starts_with('#')) {
            expand(word).map_err(|source| HostListError::Range {
                place: format!("{place}, line {number}"),
                source,
            })?;
            words.push(word.to_owned());
        }
    }
    if words.is_empty() { Err(HostListError::Empty { place }) } else { Ok(words) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn no_stdin() -> io::Result<String> {
        Err(io::Error::other("no stdin here"))
    }

    #[test]
    fn words_come_from_the_argument_a_file_and_stdin() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hosts");
        std::fs::write(&file, "\u{feff}# fleet\r\nm[1,2] m7 # old: m8\r\n\r\nprod-*\n").unwrap();
        let arg = format!("a,b[1, 2] @{},-", file.display());
        let words = words(&arg, || Ok("z1\nz2".to_owned())).unwrap();
        assert_eq!(words, ["a", "b[1, 2]", "m[1,2]", "m7", "prod-*", "z1", "z2"]);
    }

    #[test]
    fn a_blank_argument_gives_none() {
        assert!(words(" , ", no_stdin).unwrap().is_empty());
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
            (write("latin", b"a\nb\ncaf\xe9\n"), "latin, line 3: is not UTF-8"),
            (write("empty", b"# none\n"), "empty: names no host"),
            (format!("@{}", folder.path().display()), "is not a regular file"),
            ("@/nowhere/at/all".to_owned(), "/nowhere/at/all: cannot be read: No such file"),
            ("@".to_owned(), "@: names no file"),
            ("-".to_owned(), "stdin: cannot be read: no stdin here"),
        ];
        for (arg, said) in cases {
            let error = crate::inventory::tests::chain(&words(&arg, no_stdin).unwrap_err());
            assert!(error.contains(said), "{arg}: {error}");
        }
        assert!(matches!(words("-,-", || Ok("a".to_owned())), Err(HostListError::Twice)));
    }

    proptest! {
        #[test]
        fn no_list_panics(arg in "[^@]*", text: String) {
            let _ = words(&arg, || Ok(text));
        }
    }
}
