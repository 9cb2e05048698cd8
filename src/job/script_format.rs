//! Recognises files that no host could run as a script: other encodings, Windows line ends, archives.
//!
//! Pure. Limits: whatever some host may run is left alone: binaries, scripts without `#!`, an interpreter that takes
//! Windows line ends.

use std::path::Path;

use crate::escape::escape_path;
use crate::message::JobMessage;
use crate::shell_quoting::quote;

/// The first bytes of files that are no script, and what they are.
const ARCHIVES: [(&[u8], &str); 8] = [
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\0", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"%PDF-", "a PDF document"),
    (b"{\\rtf", "an RTF document"),
];

/// The shells, none of which takes a carriage return at the end of a line.
const SHELLS: [&str; 7] = ["sh", "bash", "dash", "ksh", "zsh", "csh", "tcsh"];

/// The place of the name `ustar` in a tar archive.
const TAR_MAGIC_AT: usize = 257;

/// Finds why no host could run the bytes of a file as a script.
pub(super) fn find_script_fault(bytes: &[u8], file: &Path) -> Option<JobMessage> {
    let file = quote(&escape_path(file));
    let is_tar = bytes.get(TAR_MAGIC_AT..).is_some_and(|rest| rest.starts_with(b"ustar"));
    let archive = ARCHIVES.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, what)| *what);
    let utf16 =
        |encoding: &str| JobMessage::ScriptIsUtf16 { file: file.clone(), encoding: encoding.to_owned() };
    match (archive.or(is_tar.then_some("a tar archive")), bytes) {
        (Some(what), _) => Some(JobMessage::ScriptIsArchive { file, what: what.to_owned() }),
        (None, [0xef, 0xbb, 0xbf, ..]) => Some(JobMessage::ScriptHasBom { file }),
        (None, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) => Some(utf16("UTF-16")),
        (None, [b' '..=b'~', 0, b' '..=b'~', 0, ..]) => Some(utf16("UTF-16LE")),
        (None, [0, b' '..=b'~', 0, b' '..=b'~', ..]) => Some(utf16("UTF-16BE")),
        (None, _) if bytes.trim_ascii().is_empty() => Some(JobMessage::ScriptEmpty { file }),
        (None, _) => has_windows_lines(bytes).then_some(JobMessage::ScriptHasWindowsLines { file }),
    }
}

/// Checks whether the interpreter gets carriage returns that it does not take. Those of a here-document, and what
/// another program than a shell may do with them, are no fault.
fn has_windows_lines(bytes: &[u8]) -> bool {
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n').peekable();
    let first = lines.peek().filter(|line| line.starts_with(b"#!")).map(|line| String::from_utf8_lossy(line));
    let is_shell = |word: &str| word.rsplit('/').next().is_some_and(|name| SHELLS.contains(&name));
    let for_shell = first.as_ref().map_or(!bytes.contains(&0), |line| {
        line.split(|c: char| c == '!' || c.is_whitespace()).any(is_shell)
    });
    // Perl takes a carriage return behind its options.
    let breaks_first = first.as_ref().is_some_and(|line| line.contains('\r') && !line.contains("perl -"));
    let mut others = lines.skip(usize::from(first.is_some())).filter(|line| line.ends_with(b"\n")).peekable();
    breaks_first || for_shell && others.peek().is_some() && others.all(|line| line.ends_with(b"\r\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::escape::escape;

    fn fault(bytes: &[u8]) -> String {
        find_script_fault(bytes, Path::new("/x/s.sh")).map(|fault| fault.to_string()).unwrap_or_default()
    }

    #[test]
    fn what_no_host_could_run_is_named_with_the_way_out() {
        let tar = [&[b'x'; TAR_MAGIC_AT][..], b"ustar\0"].concat();
        let cases: [(&[u8], &str); 22] = [
            (b"", "/x/s.sh is empty"),
            (b" \r\n\n", "/x/s.sh is empty"),
            (b"#!/bin/sh\r\necho\r\n", r"sed -i 's/\r$//; s/\r/\n/g' /x/s.sh"),
            (b"#!/bin/sh\r\necho\n", "carriage return"),
            (b"#!/bin/sh\necho\r\nexit 0\r\n", "carriage return"),
            (b"#!/bin/sh\recho\r", "carriage return"),
            (b"#! /bin/bash -e\necho\r\n", "carriage return"),
            (b"#!/usr/bin/env bash\necho\r\n", "carriage return"),
            (b"#!/usr/bin/env python3\r\nprint()\r\n", "carriage return"),
            (b"# old\r\necho\r\nexit 3", "carriage return"),
            (b"\xef\xbb\xbf#!/bin/sh\n", r"sed -i '1s/^\xEF\xBB\xBF//' /x/s.sh"),
            (b"\xff\xfe#\0!\0", "iconv -f UTF-16 -t UTF-8 /x/s.sh"),
            (b"e\0c\0h\0", "iconv -f UTF-16LE -t UTF-8"),
            (b"\xfe\xff\0#\0!", "iconv -f UTF-16 -t UTF-8"),
            (b"\0#\0!\0/", "iconv -f UTF-16BE -t UTF-8"),
            (b"PK\x03\x04\x14\0", "is a zip archive"),
            (b"\x1f\x8b\x08\0", "is a gzip archive"),
            (b"BZh91AY", "is a bzip2 archive"),
            (b"\xfd7zXZ\0\0", "is an xz archive"),
            (b"%PDF-1.7\n", "is a PDF document"),
            (b"{\\rtf1\n", "is an RTF document"),
            (&tar, "is a tar archive"),
        ];
        for (bytes, said) in cases {
            assert!(fault(bytes).contains(said), "{}: {}", escape(bytes), fault(bytes));
        }
    }

    #[test]
    fn what_some_host_runs_is_left_alone() {
        let cases: [&[u8]; 9] = [
            b"#!/bin/sh\necho ok",
            b"echo ok\n",
            b"exit 3",
            b"\x7fELF\x02\x01\x01\0\r\n",
            b"#!/bin/sh\ncat <<END\r\none\r\ntwo\r\nEND\r\nexit 0\n",
            b"#!/usr/bin/python3\nprint()\r\nprint()\r\n",
            b"#!/usr/bin/pwsh\nexit\r\n",
            b"#!/usr/bin/perl -w\r\nprint 1;\r\n",
            b"MZqFpD='\n",
        ];
        for bytes in cases {
            assert_eq!(fault(bytes), "", "{}", escape(bytes));
        }
    }
}
