//! Lists the files on a host: its own shell expands the globs, and each name is described without following links.
//!
//! One program does both, and the small files among the first come with the listing, which spares round trips. What
//! it did not describe is asked for by SFTP, or by `stat` where a name is no UTF-8 (the SFTP client cannot send one)
//! or the host has no SFTP. No folder is listed by SFTP: one name there that is no UTF-8 would break the channel.
//! Limits: `stat` is that of GNU or busybox.

use std::collections::HashSet;
use std::sync::PoisonError;

use futures_util::{StreamExt as _, TryStreamExt as _};
use openssh_sftp_client::Sftp;
use openssh_sftp_client::metadata::MetaData;

use super::command::{CommandOutput, find_bytes};
use super::sftp::request;
use super::{PendingAnswer, Remote, RemoteError};
use crate::escape::escape_tail;
use crate::message::VisitMessage;
use crate::shell_quoting;

/// A file on the host, described without following links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFile {
    /// The path, as the host spells it.
    pub name: Vec<u8>,
    /// The reason to skip it: what it is, unless it is a regular file.
    pub not_regular: Option<VisitMessage>,
    /// The length in bytes.
    pub bytes: u64,
    /// The time of its last change, in seconds since 1970 by the host's clock.
    pub modified: i64,
}

/// The most bytes of a listing.
const LISTING_MAX: usize = 16 * 1024 * 1024;

/// The most requests for descriptions that are under way at once.
const REQUESTS: usize = 64;

/// The most regular files that the listing itself describes; each costs the host a process.
const DESCRIBED: usize = 4;

/// The most bytes of a file whose content comes with the listing.
const PREFETCH_MAX: u64 = 32 * 1024;

impl Remote {
    /// Lists the files that the globs match on the host, each once, in the order of the host's shell. `pending` is
    /// the answer of [`Remote::list_program`] where it was asked for ahead.
    ///
    /// # Errors
    /// The connection broke, the login shell is noisy, or the listing is longer than 16 MiB.
    pub async fn list(
        &self,
        globs: &[String],
        pending: Option<PendingAnswer>,
    ) -> Result<Vec<RemoteFile>, RemoteError> {
        let parse = |output: CommandOutput| parse_listing(&output.stdout, &self.marker);
        let program = self.list_program(globs);
        let mut entries = self.run_and_parse(&program, pending, LISTING_MAX, parse).await?;
        let contents =
            entries.iter_mut().filter_map(|entry| Some((entry.name.clone(), entry.content.take()?)));
        self.prefetched.lock().unwrap_or_else(PoisonError::into_inner).extend(contents);
        self.describe_entries(entries).await
    }

    /// Returns the program whose answer [`Remote::list`] parses.
    pub fn list_program(&self, globs: &[String]) -> String {
        list_program(globs, &self.marker)
    }

    /// Describes the files of a listing. Leaves out those that went away meanwhile.
    async fn describe_entries(&self, entries: Vec<ListedFile>) -> Result<Vec<RemoteFile>, RemoteError> {
        let all_described = entries.iter().all(|entry| entry.file.is_some());
        let sftp = if all_described { None } else { self.sftp().await? };
        let sftp = sftp.as_deref();
        let describe = |entry: ListedFile| async move {
            match entry.file {
                Some(file) => Ok(Some(file)),
                None => match self.describe(sftp, &entry.name).await {
                    Err(RemoteError::NotFound) => Ok(None),
                    described => described.map(Some),
                },
            }
        };
        // SFTP answers many requests at once; programs run one after the other.
        let files: Vec<Option<RemoteFile>> = futures_util::stream::iter(entries)
            .map(describe)
            .buffered(if sftp.is_some() { REQUESTS } else { 1 })
            .try_collect()
            .await?;
        Ok(files.into_iter().flatten().collect())
    }

    /// Describes a file, by SFTP where that is given.
    pub(super) async fn describe(&self, sftp: Option<&Sftp>, name: &[u8]) -> Result<RemoteFile, RemoteError> {
        match (sftp, std::str::from_utf8(name)) {
            (Some(sftp), Ok(path)) => {
                request(sftp.fs().symlink_metadata(path)).await.map(|meta| from_metadata(name, &meta))
            }
            _ => self.stat(name).await,
        }
    }

    /// Describes a file as it is now.
    ///
    /// # Errors
    /// It went away, or the connection broke.
    pub async fn describe_again(&self, file: &RemoteFile) -> Result<RemoteFile, RemoteError> {
        let sftp = self.sftp().await.ok().flatten();
        self.describe(sftp.as_deref(), &file.name).await
    }

    /// Describes a file without SFTP.
    async fn stat(&self, name: &[u8]) -> Result<RemoteFile, RemoteError> {
        let (marker, quoted) = (&self.marker, shell_quoting::quote_bytes(name));
        let program = format!("LC_ALL=C stat -c '{marker}{STAT_FORMAT}' -- {quoted}");
        let parse = |output: CommandOutput| {
            let stdout = output.into_stdout()?;
            parse_stat(name, stdout.strip_prefix(marker.as_bytes()).ok_or(RemoteError::NoisyShell)?)
        };
        self.run_and_parse(&program, None, 1024, parse).await
    }
}

/// Returns the program that lets the host expand the globs.
///
/// It prints records that begin with `marker`, so that text of others is noticed, and end with NUL: for each name `f`
/// (a regular file) or `-`, and the name; behind each of the first regular files `:` and what `stat` says; behind
/// each small one of these its content, closed by an empty record `.`.
pub fn list_program(globs: &[String], marker: &str) -> String {
    let globs: Vec<String> = globs.iter().map(|glob| shell_quoting::quote_glob(glob)).collect();
    // A glob that matches nothing stays as it is, and is skipped since no such file exists; `-h` finds dangling
    // links.
    format!(
        "n=0; for f in {}; do if [ -h \"$f\" ]; then k=-; elif [ -f \"$f\" ]; then k=f; elif [ -e \"$f\" ]; then k=-; \
         else continue; fi; printf \"{marker}$k%s\\\\0\" \"$f\"; [ $k = f ] && [ $n -lt {DESCRIBED} ] || continue; n=$((n+1)); \
         s=$(LC_ALL=C stat -c '{STAT_FORMAT}' -- \"$f\" 2>/dev/null) || continue; printf \"{marker}:$s\\\\0\"; \
         s=${{s#* }}; s=${{s% *}}; [ $s -le {PREFETCH_MAX} ] || continue; head -c $s -- \"$f\" 2>/dev/null; printf \"{marker}.\\\\0\"; done",
        globs.join(" ")
    )
}

/// The format of `stat`: kind and rights in hexadecimal, bytes, time of change.
const STAT_FORMAT: &str = "%f %s %Y";

/// An entry of a listing.
#[derive(Debug, PartialEq, Eq)]
struct ListedFile {
    name: Vec<u8>,
    /// Its description, where that came with the listing.
    file: Option<RemoteFile>,
    /// Its content, where that came with the listing.
    content: Option<Vec<u8>>,
}

/// Parses what [`list_program`] printed. Returns each name once, even if several globs match it.
fn parse_listing(stdout: &[u8], marker: &str) -> Result<Vec<ListedFile>, RemoteError> {
    if stdout.len() >= LISTING_MAX {
        return Err(RemoteError::UnexpectedAnswer(VisitMessage::ListingTooLong.to_string()));
    }
    let (mut entries, mut known, mut rest) = (Vec::new(), HashSet::new(), stdout);
    while !rest.is_empty() {
        let entry;
        (entry, rest) = parse_entry(rest, marker)?;
        if known.insert(entry.name.clone()) {
            entries.push(entry);
        }
    }
    Ok(entries)
}

/// Parses the first entry of a listing. Returns it, and what follows it.
fn parse_entry<'a>(listing: &'a [u8], marker: &str) -> Result<(ListedFile, &'a [u8]), RemoteError> {
    let (name, rest) = parse_record(listing, marker).ok_or(RemoteError::NoisyShell)?;
    let mut entry =
        ListedFile { name: name.get(1..).unwrap_or_default().to_vec(), file: None, content: None };
    let Some((stat, after)) = parse_record(rest, marker).filter(|(text, _)| text.starts_with(b":")) else {
        return Ok((entry, rest));
    };
    let file = parse_stat(&entry.name, stat.get(1..).unwrap_or_default())?;
    let is_small = file.bytes <= PREFETCH_MAX;
    entry.file = Some(file);
    if !is_small {
        return Ok((entry, after));
    }
    // The content may hold NUL, and fewer bytes than `stat` said if the file shrank since: its end is searched.
    let end = format!("{marker}.\0");
    let at = find_bytes(after, end.as_bytes()).ok_or(RemoteError::NoisyShell)?;
    entry.content = after.get(..at).map(<[u8]>::to_vec);
    Ok((entry, after.get(at + end.len()..).unwrap_or_default()))
}

/// Returns the text between `marker` and NUL, and what follows.
fn parse_record<'a>(listing: &'a [u8], marker: &str) -> Option<(&'a [u8], &'a [u8])> {
    let text = listing.strip_prefix(marker.as_bytes())?;
    let end = text.iter().position(|b| *b == 0)?;
    Some((text.get(..end)?, text.get(end + 1..)?))
}

/// Parses what `stat` printed for a name.
fn parse_stat(name: &[u8], line: &[u8]) -> Result<RemoteFile, RemoteError> {
    let text = String::from_utf8_lossy(line);
    let mut fields = text.split_whitespace();
    let mut parse = || {
        Some(RemoteFile {
            name: name.to_owned(),
            not_regular: not_regular(u32::from_str_radix(fields.next()?, 16).ok()?),
            bytes: fields.next()?.parse().ok()?,
            modified: fields.next()?.parse().ok()?,
        })
    };
    parse().ok_or_else(|| RemoteError::UnexpectedAnswer(escape_tail(line, 200)))
}

/// Returns what a file with this Unix mode is, unless it is a regular one.
fn not_regular(mode: u32) -> Option<VisitMessage> {
    match mode & 0o170_000 {
        0o100_000 => None,
        0o120_000 => Some(VisitMessage::IsSymlink),
        0o040_000 => Some(VisitMessage::IsFolder),
        0o010_000 => Some(VisitMessage::IsFifo),
        0o020_000 | 0o060_000 => Some(VisitMessage::IsDevice),
        _ => Some(VisitMessage::IsNotRegular),
    }
}

/// Makes the description of a file from its SFTP metadata.
pub(super) fn from_metadata(name: &[u8], meta: &MetaData) -> RemoteFile {
    let not_regular = match meta.file_type() {
        Some(kind) if kind.is_file() => None,
        Some(kind) if kind.is_symlink() => Some(VisitMessage::IsSymlink),
        Some(kind) if kind.is_dir() => Some(VisitMessage::IsFolder),
        Some(kind) if kind.is_fifo() => Some(VisitMessage::IsFifo),
        Some(kind) if kind.is_block_device() || kind.is_char_device() => Some(VisitMessage::IsDevice),
        _ => Some(VisitMessage::IsNotRegular),
    };
    let modified = meta.modified().map_or(0, |time| i64::from(time.into_raw()));
    RemoteFile { name: name.to_owned(), not_regular, bytes: meta.len().unwrap_or(0), modified }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_listing_is_parsed_as_the_program_prints_it() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for (name, bytes) in [("a.txt", &b"one\0W-x\0two"[..]), ("b c.txt", b""), ("d.txt", &[7; 40_000])] {
            std::fs::write(at(name), bytes).unwrap();
        }
        std::os::unix::fs::symlink("a.txt", at("link.txt")).unwrap();
        let globs = [at("*.txt"), at("a*")].map(|path| path.to_string_lossy().into_owned());
        for shell in ["sh", "bash", "ksh"] {
            let printed =
                Command::new(shell).args(["-c", &list_program(&globs, "WORD")]).output().unwrap().stdout;
            let listing = parse_listing(&printed, "WORD").unwrap();
            let parsed = listing.iter().map(|entry| {
                let bytes = entry.file.as_ref().map(|file| file.bytes);
                (entry.name.rsplit(|b| *b == b'/').next().unwrap(), bytes, entry.content.as_deref())
            });
            let parsed: Vec<_> = parsed.collect();
            let expected = [
                (&b"a.txt"[..], Some(11), Some(&b"one\0W-x\0two"[..])),
                (b"b c.txt", Some(0), Some(b"")),
                (b"d.txt", Some(40_000), None),
                (b"link.txt", None, None),
            ];
            assert_eq!(parsed, expected, "{shell}");
            for noisy in [[b"daemon", &printed[..]].concat(), [&printed[..], b"daemon"].concat()] {
                assert!(matches!(parse_listing(&noisy, "WORD"), Err(RemoteError::NoisyShell)));
            }
        }
    }
}
