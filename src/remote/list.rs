//! What lies on a host: the globs, expanded there, and what each name stands for.
//!
//! No folder is listed over SFTP: one name that is no UTF-8 would kill the channel. Such names, and hosts without SFTP,
//! are asked with `stat`. Limits: that needs the `stat` of GNU or busybox there.

use std::collections::HashSet;

use futures_util::{StreamExt as _, TryStreamExt as _};
use openssh_sftp_client::Sftp;
use openssh_sftp_client::metadata::MetaData;

use super::command::Finished;
use super::sftp::asked;
use super::transfer::complaint;
use super::{Remote, RemoteError};
use crate::printable::summary;
use crate::shell;

/// What kind of thing a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A symbolic link.
    Link,
    /// A folder.
    Folder,
    /// A FIFO.
    Fifo,
    /// A device.
    Device,
    /// A socket, or what nobody knows.
    Other,
}

impl FileKind {
    /// The kind in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Regular => "a regular file",
            Self::Link => "a symbolic link",
            Self::Folder => "a folder",
            Self::Fifo => "a FIFO",
            Self::Device => "a device",
            Self::Other => "no regular file",
        }
    }

    /// From the file type bits of a Unix mode.
    fn of(mode: u32) -> Self {
        match mode & 0o170_000 {
            0o100_000 => Self::Regular,
            0o120_000 => Self::Link,
            0o040_000 => Self::Folder,
            0o010_000 => Self::Fifo,
            0o020_000 | 0o060_000 => Self::Device,
            _ => Self::Other,
        }
    }
}

/// A name that the host's glob gave, as it is there without following links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The path, as the host spells it.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: FileKind,
    /// Its length in bytes.
    pub bytes: u64,
    /// When it was changed, in seconds since 1970 by the host's clock.
    pub modified: i64,
}

/// The most bytes that the names of one host's files may take together.
const NAMES: usize = 16 * 1024 * 1024;

/// How many questions about files are under way at once.
const QUESTIONS: usize = 64;

impl Remote {
    /// What the globs stand for on the host, each name once, in the order of the host's shell.
    ///
    /// # Errors
    /// The connection broke, the login shell is noisy, or the names take more than 16 MiB.
    pub async fn list(&self, globs: &[String]) -> Result<Vec<Found>, RemoteError> {
        let read = |done: &Finished| names(&done.stdout, &self.word);
        let names = self.ask_for(&self.list_program(globs), NAMES, read).await?;
        self.look(names).await
    }

    /// The program that [`Remote::list`] asks for.
    pub fn list_program(&self, globs: &[String]) -> String {
        list_program(globs, &self.word)
    }

    /// What the names are. One that went away meanwhile is left out. The first few that the host calls regular files are
    /// opened at the same time.
    async fn look(&self, names: Vec<Name>) -> Result<Vec<Found>, RemoteError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let sftp = match self.sftp().await {
            Ok(sftp) => Some(sftp),
            Err(RemoteError::NoSftp) => None,
            Err(error) => return Err(error),
        };
        let Some(sftp) = sftp else { return self.look_at_each(None, names).await };
        let regular = names.iter().filter(|name| name.regular).map(|name| name.name.clone()).collect();
        tokio::join!(self.open_files_ahead(&sftp, regular), self.look_at_each(Some(&sftp), names)).1
    }

    async fn look_at_each(&self, sftp: Option<&Sftp>, names: Vec<Name>) -> Result<Vec<Found>, RemoteError> {
        let found: Vec<Option<Found>> = futures_util::stream::iter(names)
            .map(|name| self.look_at(sftp, name.name))
            .buffered(if sftp.is_some() { QUESTIONS } else { 1 })
            .try_collect()
            .await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// What one name is; none if it went away.
    async fn look_at(&self, sftp: Option<&Sftp>, name: Vec<u8>) -> Result<Option<Found>, RemoteError> {
        let found = match (sftp, std::str::from_utf8(&name)) {
            (Some(sftp), Ok(path)) => {
                asked(sftp.fs().symlink_metadata(path)).await.map(|meta| found(&name, &meta))
            }
            _ => self.stat(&name).await,
        };
        match found {
            Ok(found) => Ok(Some(found)),
            Err(RemoteError::Missing) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What a file is now.
    ///
    /// # Errors
    /// It went away, or the connection broke.
    pub async fn look_again(&self, file: &Found) -> Result<Found, RemoteError> {
        let sftp = self.sftp().await.ok();
        self.look_at(sftp.as_deref(), file.name.clone()).await?.ok_or(RemoteError::Missing)
    }

    /// What one name is, without SFTP.
    pub(super) async fn stat(&self, name: &[u8]) -> Result<Found, RemoteError> {
        let (word, name_word) = (&self.word, shell::word(name));
        let program = format!("LC_ALL=C stat -c '{word}%f %s %Y' -- {name_word}");
        let read = |done: &Finished| match done.status {
            Some(0) => stated(name, &done.stdout, word),
            _ => Err(complaint(&done.stderr)),
        };
        self.ask_for(&program, 1024, read).await
    }
}

/// The program that lets the host expand the globs. Each answer begins with `word`, so that those of others are noticed.
pub fn list_program(globs: &[String], word: &str) -> String {
    let globs: Vec<String> = globs.iter().map(|glob| shell::glob(glob)).collect();
    format!(
        "for f in {}; do if [ -h \"$f\" ]; then k=-; elif [ -f \"$f\" ]; then k=f; elif [ -e \"$f\" ]; then k=-; \
         else continue; fi; printf \"{word}$k%s\\\\0\" \"$f\"; done",
        globs.join(" ")
    )
}

/// A name, and whether the host calls it that of a regular file.
struct Name {
    name: Vec<u8>,
    regular: bool,
}

/// The names that [`list_program`] printed, each once.
fn names(stdout: &[u8], word: &str) -> Result<Vec<Name>, RemoteError> {
    if stdout.len() >= NAMES {
        return Err(RemoteError::Nonsense("the names under the glob take more than 16 MiB".to_owned()));
    }
    let (mut names, mut known) = (Vec::new(), HashSet::new());
    for entry in stdout.split(|b| *b == 0).filter(|entry| !entry.is_empty()) {
        let entry = entry.strip_prefix(word.as_bytes()).ok_or(RemoteError::Noisy)?;
        let (kind, name) = entry.split_first().ok_or(RemoteError::Noisy)?;
        if known.insert(name) {
            names.push(Name { name: name.to_vec(), regular: *kind == b'f' });
        }
    }
    Ok(names)
}

/// What `stat` said of a name.
fn stated(name: &[u8], stdout: &[u8], word: &str) -> Result<Found, RemoteError> {
    let text = stdout.strip_prefix(word.as_bytes()).ok_or(RemoteError::Noisy)?;
    let text = String::from_utf8_lossy(text);
    let mut fields = text.split_whitespace();
    let mut next = || fields.next().ok_or_else(|| RemoteError::Nonsense(summary(stdout, 200)));
    let (mode, bytes, modified) = (next()?, next()?, next()?);
    let nonsense = || RemoteError::Nonsense(summary(stdout, 200));
    Ok(Found {
        name: name.to_owned(),
        kind: FileKind::of(u32::from_str_radix(mode, 16).ok().ok_or_else(nonsense)?),
        bytes: bytes.parse().ok().ok_or_else(nonsense)?,
        modified: modified.parse().ok().ok_or_else(nonsense)?,
    })
}

/// What SFTP says of a name.
pub(super) fn found(name: &[u8], meta: &MetaData) -> Found {
    let kind = match meta.file_type() {
        Some(kind) if kind.is_file() => FileKind::Regular,
        Some(kind) if kind.is_symlink() => FileKind::Link,
        Some(kind) if kind.is_dir() => FileKind::Folder,
        Some(kind) if kind.is_fifo() => FileKind::Fifo,
        Some(kind) if kind.is_block_device() || kind.is_char_device() => FileKind::Device,
        _ => FileKind::Other,
    };
    let modified = meta.modified().map_or(0, |time| i64::from(time.into_raw()));
    Found { name: name.to_owned(), kind, bytes: meta.len().unwrap_or(0), modified }
}
