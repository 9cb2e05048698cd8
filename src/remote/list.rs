//! Lists the files on a host: its own shell expands the globs, and each name is described without following links.
//!
//! A file is of this run if its state changed: states are compared as the host's own text, no clock with another.
//! Limits: without a `stat` of GNU or busybox the host tells times by the minute (`ls`), and a name that holds a
//! newline cannot be told there.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use openssh_sftp_client::metadata::MetaData;

use super::protocol::{FactsKind, Item, Message};
use super::{RemoteError, Shell};
use crate::escape::escape_tail;
use crate::message::VisitMessage;
use crate::outcome::{FileState, FileStates};

/// A file on the host, described without following links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFile {
    /// The path, as the host spells it.
    pub name: Vec<u8>,
    /// The reason to skip it: what it is, unless it is a regular file.
    pub not_regular: Option<VisitMessage>,
    /// The length in bytes.
    pub bytes: u64,
    /// The time of its last change, in seconds since 1970 by the host's clock, where the host tells it so.
    pub modified: Option<i64>,
    /// The number of its owner.
    pub owner: u32,
    /// Its state, to be compared with another listing of the same host.
    pub state: FileState,
}

impl RemoteFile {
    /// Returns what stays the same as long as the file is not replaced: device and inode, or the inode alone.
    pub(super) fn identity(&self) -> Vec<&str> {
        let words = if self.modified.is_some() { 2 } else { 1 };
        self.state.content.split(' ').take(words).collect()
    }
}

/// The answer of a listing.
#[derive(Debug, Default)]
pub struct Listing {
    /// The files, each once, in the order of the host's shell.
    pub files: Vec<RemoteFile>,
    /// The beginnings of the first files: of a small one, all of it.
    pub contents: HashMap<Vec<u8>, Bytes>,
}

/// The most bytes of the fields before a name.
const MAX_FIELDS: usize = 512;

/// The most bytes of a listing.
const LISTING_MAX: usize = 16 * 1024 * 1024;

impl Listing {
    /// Returns the state of the files.
    pub fn states(&self) -> FileStates {
        self.files.iter().map(|file| (&*file.name, file.state.clone())).collect()
    }

    /// Makes a listing of what a shell answered.
    pub(super) fn parse(items: Vec<Item>) -> Result<Self, RemoteError> {
        let (mut names, mut facts, mut kind) = (Vec::new(), Vec::new(), None);
        let mut contents: Vec<(usize, Vec<u8>)> = Vec::new();
        let mut last = None;
        for item in items {
            match (item, last) {
                (Item::Message(message), _) => {
                    last = Some(message);
                    match message {
                        Message::Facts(told) => kind = Some(told),
                        Message::File(number, _) => contents.push((number, Vec::new())),
                        _ => {}
                    }
                }
                (Item::Data(data), Some(Message::Names(_))) => names.extend_from_slice(&data),
                (Item::Data(data), _) => {
                    contents.last_mut().into_iter().for_each(|(_, content)| content.extend_from_slice(&data));
                }
                (Item::Text(text), Some(Message::Facts(_))) => facts.extend_from_slice(&text),
                // What a login shell printed at its start.
                (Item::Text(_), None) => {}
                // Text where none can be: somebody else writes into the answer.
                (Item::Text(text), _) => return Err(RemoteError::noisy(&text)),
                // A small file is shorter than the length that is named: the newline behind it came with it.
                (Item::DataCutShort, Some(Message::File(..))) => {
                    if let Some((_, content)) = contents.last_mut() {
                        content.pop();
                    }
                }
                _ => return Err(RemoteError::noisy(b"")),
            }
        }
        let names: Vec<&[u8]> = names.split(|b| *b == 0).filter(|name| !name.is_empty()).collect();
        let files = parse_lines(kind, &names, &facts)?;
        let named =
            |(number, content): (usize, Vec<u8>)| Some((names.get(number)?.to_vec(), Bytes::from(content)));
        Ok(Self { files, contents: contents.into_iter().filter_map(named).collect() })
    }
}

/// Parses the facts that follow files which were sent.
pub(super) fn parse_facts(names: &[&[u8]], items: Vec<Item>) -> Result<Vec<RemoteFile>, RemoteError> {
    let (mut kind, mut facts) = (None, Vec::new());
    for item in items {
        match item {
            Item::Message(Message::Facts(told)) if kind.is_none() => kind = Some(told),
            Item::Text(text) if kind.is_some() => facts.extend_from_slice(&text),
            // The file before was a byte too short: its reader has noticed that by its length.
            Item::DataCutShort => return Err(RemoteError::FileChanged),
            _ => return Err(RemoteError::noisy(b"")),
        }
    }
    parse_lines(kind, names, &facts)
}

fn parse_lines(
    kind: Option<FactsKind>,
    names: &[&[u8]],
    facts: &[u8],
) -> Result<Vec<RemoteFile>, RemoteError> {
    match kind {
        Some(FactsKind::Stat) => parse_stat(names, facts),
        Some(FactsKind::Ls) => parse_ls(names, facts),
        None => Ok(Vec::new()),
    }
}

impl Shell {
    /// Lists the files that the globs match, with up to `small_files` small ones themselves.
    ///
    /// # Errors
    /// The connection broke, somebody prints into the answer, or the listing is longer than 16 MiB.
    pub async fn list(&mut self, globs: &[String], small_files: usize) -> Result<Listing, RemoteError> {
        let program = self.channel.marker.list(self.answers, globs, small_files);
        self.channel.send(&program).await?;
        self.read_listing().await
    }

    /// Reads the answer of a listing that was asked for.
    pub(super) async fn read_listing(&mut self) -> Result<Listing, RemoteError> {
        Listing::parse(self.read_answer(LISTING_MAX).await?)
    }
}

/// Parses lines of `stat`. A name whose line is missing is not there: a glob that matches nothing, or a file that
/// went away. Since names are known, one that holds a newline does no harm.
fn parse_stat(names: &[&[u8]], facts: &[u8]) -> Result<Vec<RemoteFile>, RemoteError> {
    let (mut files, mut seen, mut rest) = (Vec::new(), HashSet::new(), facts);
    for name in names {
        let Some((fields, after)) = split_fields(rest, name) else { continue };
        rest = after;
        // Several globs may match one file.
        if seen.insert(name) {
            files.push(parse_fields(name, fields).ok_or_else(|| unexpected(facts))?);
        }
    }
    if rest.is_empty() { Ok(files) } else { Err(RemoteError::noisy(rest)) }
}

/// Splits the facts of one name from those of the next ones; none if they begin with those of another.
fn split_fields<'a>(facts: &'a [u8], name: &[u8]) -> Option<(&'a str, &'a [u8])> {
    // Fields are short: a host that sends none is not searched to its end for each name.
    let mut bars =
        facts.iter().take(MAX_FIELDS).enumerate().filter(|(_, byte)| **byte == b'|').map(|(at, _)| at);
    let end = bars.nth(5)?;
    let fields = std::str::from_utf8(facts.get(..end)?).ok().filter(|fields| !fields.contains('\n'))?;
    let after = facts.get(end + 1..)?.strip_prefix(name)?.strip_prefix(b"\n")?;
    Some((fields, after))
}

/// Parses `mode|bytes|seconds|owner|device inode mtime|ctime`.
fn parse_fields(name: &[u8], fields: &str) -> Option<RemoteFile> {
    let fields: Vec<&str> = fields.split('|').collect();
    let &[mode, bytes, modified, owner, content, changed] = fields.as_slice() else { return None };
    Some(RemoteFile {
        name: name.to_vec(),
        not_regular: not_regular(u32::from_str_radix(mode, 16).ok()?),
        bytes: bytes.parse().ok()?,
        modified: modified.parse().ok(),
        owner: owner.parse().ok()?,
        state: FileState { content: format!("{content} {bytes}"), rest: format!("{mode} {changed}") },
    })
}

/// Parses lines of `ls -dilns`: inode, blocks, mode, links, owner, group, length, three words of time, name.
fn parse_ls(names: &[&[u8]], facts: &[u8]) -> Result<Vec<RemoteFile>, RemoteError> {
    let mut remaining: HashSet<&[u8]> = names.iter().copied().collect();
    let mut files = Vec::new();
    // Lines that fit no name are passed over: a device has a word more, a name may hold a newline.
    for file in facts.split(|b| *b == b'\n').filter_map(|line| parse_ls_line(line, &remaining)) {
        files.push(file);
    }
    // Several globs may match one file.
    files.retain(|file| remaining.remove(&*file.name));
    Ok(files)
}

fn parse_ls_line(line: &[u8], names: &HashSet<&[u8]>) -> Option<RemoteFile> {
    let mut rest = line;
    let mut words = Vec::new();
    for _ in 0..10 {
        let start = rest.iter().position(|b| *b != b' ')?;
        rest = rest.get(start..)?;
        let end = rest.iter().position(|b| *b == b' ')?;
        words.push(std::str::from_utf8(rest.get(..end)?).ok()?);
        rest = rest.get(end..)?;
    }
    let name = rest.strip_prefix(b" ")?;
    let target = super::command::find_bytes(name, b" -> ").and_then(|at| name.get(..at));
    let name = Some(name).filter(|name| names.contains(name)).or(target)?;
    let &[inode, _blocks, mode, links, owner, group, bytes, month, day, time] = words.as_slice() else {
        return None;
    };
    let not_regular = match mode.chars().next()? {
        '-' => None,
        'l' => Some(VisitMessage::IsSymlink),
        'd' => Some(VisitMessage::IsFolder),
        'p' => Some(VisitMessage::IsFifo),
        'b' | 'c' => Some(VisitMessage::IsDevice),
        _ => Some(VisitMessage::IsNotRegular),
    };
    let state = FileState {
        content: format!("{inode} {bytes} {month} {day} {time}"),
        rest: format!("{mode} {links} {owner} {group}"),
    };
    let owner = owner.parse().ok()?;
    Some(RemoteFile {
        name: name.to_vec(),
        not_regular,
        bytes: bytes.parse().unwrap_or(0),
        modified: None,
        owner,
        state,
    })
}

fn unexpected(text: &[u8]) -> RemoteError {
    RemoteError::UnexpectedAnswer(escape_tail(text, 200))
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

/// Checks that a file that SFTP opened is still the one that was listed: it may only have grown. SFTP tells no inode:
/// a file that was put in its place is known by its owner, its length or its time.
pub(super) fn is_same_by_sftp(listed: &RemoteFile, meta: &MetaData) -> bool {
    let modified = meta.modified().map(|time| i64::from(time.into_raw()));
    let owner = meta.uid();
    let regular = meta.file_type().is_some_and(|kind| kind.is_file());
    regular
        && owner == Some(listed.owner)
        && meta.len().unwrap_or(0) >= listed.bytes
        && modified >= listed.modified
}
