//! Bytes to and from a host: by SFTP, or, where the host offers none or a name is no UTF-8, through commands.
//!
//! The SFTP client is used with care for what it does wrong: every read goes to an offset of our own (its cursor
//! jumps over what a short read left out), no folder is listed by it (one odd name kills the channel), and every
//! request has a time limit. Limits: without SFTP the host needs the `stat` of GNU or busybox.

use std::path::Path;
use std::sync::Arc;

use openssh_sftp_client::error::SftpErrorKind;
use openssh_sftp_client::metadata::{MetaData, Permissions};
use openssh_sftp_client::{Error, Sftp, SftpOptions};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::{Remote, RemoteError, STALL};
use crate::printable::summary;
use crate::shell;

/// The one SFTP channel of a host.
pub(super) type Slot = Mutex<Channel>;

/// What is known of the host's SFTP.
#[derive(Default)]
pub(super) enum Channel {
    /// Not asked yet, or given up for a command's sake.
    #[default]
    Closed,
    /// Open.
    Open(Arc<Sftp>),
    /// The host offers none.
    Absent,
}

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

/// How a file is fetched.
#[derive(Debug, Clone, Copy)]
pub enum Get<'a> {
    /// As the login user.
    Login,
    /// As another user, by sudo.
    As(&'a str),
}

/// The most bytes that the names of one host's files may take together.
const NAMES: usize = 16 * 1024 * 1024;

/// How many questions about files are under way at once.
const QUESTIONS: usize = 64;

/// What stands before an answer, so that a login shell's own words are noticed.
const ANSWER: &str = "recolte:";

impl Remote {
    /// The SFTP channel, opened if need be.
    ///
    /// # Errors
    /// The host offers none, its login shell is noisy, or the connection broke.
    pub(super) async fn sftp(&self) -> Result<Arc<Sftp>, RemoteError> {
        let mut slot = self.sftp.lock().await;
        match &*slot {
            Channel::Open(sftp) => return Ok(Arc::clone(sftp)),
            Channel::Absent => return Err(RemoteError::NoSftp),
            Channel::Closed => {}
        }
        let opening = Sftp::from_clonable_session(Arc::clone(&self.session), SftpOptions::new());
        match timeout(STALL, opening).await {
            Ok(Ok(sftp)) => {
                let sftp = Arc::new(sftp);
                *slot = Channel::Open(Arc::clone(&sftp));
                Ok(sftp)
            }
            Ok(Err(error)) => {
                drop(slot);
                self.why_no_sftp(&error).await
            }
            Err(_) => Err(RemoteError::Stalled),
        }
    }

    /// Whether the host offers SFTP.
    ///
    /// # Errors
    /// It does not, its login shell is noisy, or the connection broke.
    pub async fn offers_sftp(&self) -> Result<(), RemoteError> {
        self.sftp().await.map(drop)
    }

    /// What a channel that did not open means.
    async fn why_no_sftp(&self, error: &Error) -> Result<Arc<Sftp>, RemoteError> {
        let text = chain(error);
        if text.contains("refused") {
            return Err(RemoteError::NoSession);
        }
        if text.contains("hello") || text.contains("Hello") || text.contains("version") {
            return Err(RemoteError::Noisy);
        }
        if !Box::pin(self.answers()).await {
            return Err(RemoteError::Lost);
        }
        *self.sftp.lock().await = Channel::Absent;
        Err(RemoteError::NoSftp)
    }

    /// Gives the SFTP channel up, so that a host with few sessions has one more.
    pub(super) async fn close_sftp(&self) {
        let mut slot = self.sftp.lock().await;
        let Channel::Open(sftp) = &*slot else { return };
        let sftp = Arc::clone(sftp);
        *slot = Channel::Closed;
        drop(slot);
        let closed = match Arc::into_inner(sftp) {
            // A task of its own: the client may panic here after a broken channel.
            Some(sftp) => timeout(STALL / 30, tokio::spawn(sftp.close())).await,
            None => return,
        };
        if !matches!(closed, Ok(Ok(Ok(())))) {
            self.leave_unclean();
        }
    }

    /// Writes a new file that only the login user may read, write and run. Nothing that waits under its name is
    /// opened.
    ///
    /// # Errors
    /// The folder cannot be written, the disk is full, or the connection broke.
    pub async fn upload(&self, path: &str, bytes: &[u8]) -> Result<(), RemoteError> {
        match self.sftp().await {
            Ok(sftp) => self.upload_by_sftp(&sftp, path, bytes).await,
            Err(RemoteError::NoSftp) => self.upload_by_command(path, bytes).await,
            Err(error) => Err(error),
        }
    }

    async fn upload_by_sftp(&self, sftp: &Sftp, path: &str, bytes: &[u8]) -> Result<(), RemoteError> {
        let written = async {
            let mut file = asked(sftp.options().write(true).create_new(true).open(path)).await?;
            let mut rights = file.clone();
            let write = async {
                for chunk in bytes.chunks(128 * 1024) {
                    asked(file.write_all(chunk)).await?;
                }
                Ok(())
            };
            tokio::try_join!(write, asked(rights.set_permissions(Permissions::from(0o700))))?;
            drop(rights);
            asked(file.close()).await
        };
        match written.await {
            Err(RemoteError::Failure(_)) if self.is_full(sftp, path, bytes.len()).await => Err(RemoteError::Full),
            other => other,
        }
    }

    /// Whether the file system of a path has no room: SFTP itself knows no word for it.
    async fn is_full(&self, sftp: &Sftp, path: &str, bytes: usize) -> bool {
        let folder = Path::new(path).parent().unwrap_or(Path::new("/"));
        match asked(sftp.fs().statvfs(folder)).await {
            Ok(disk) => disk.bavail.saturating_mul(disk.frsize) < bytes as u64 || disk.favail == 0,
            Err(_) => false,
        }
    }

    /// The shell's `set -C` creates as exclusively as SFTP does.
    async fn upload_by_command(&self, path: &str, bytes: &[u8]) -> Result<(), RemoteError> {
        let path = shell::word(path.as_bytes());
        let program = format!("LC_ALL=C; export LC_ALL; umask 077; set -C; cat > {path} && chmod 700 {path}");
        let done = self.run(&shell::in_sh(&program), bytes, 1024).await?;
        match done.status {
            Some(0) if done.stdout.is_empty() => Ok(()),
            Some(0) => Err(RemoteError::Noisy),
            _ => Err(complaint(&done.stderr)),
        }
    }

    /// Removes a file. One that is not there is as good.
    ///
    /// # Errors
    /// It is still there, or the connection broke.
    pub async fn remove(&self, path: &str) -> Result<(), RemoteError> {
        let removed = match self.sftp().await {
            Ok(sftp) => asked(sftp.fs().remove_file(path)).await,
            Err(RemoteError::NoSftp) => {
                let done = self.run(&shell::in_sh(&format!("rm -f {}", shell::word(path.as_bytes()))), b"", 0).await?;
                if done.status == Some(0) { Ok(()) } else { Err(complaint(&done.stderr)) }
            }
            Err(error) => Err(error),
        };
        match removed {
            Err(RemoteError::Missing) => Ok(()),
            other => other,
        }
    }

    /// What the globs stand for on the host, each name once, in the order of the host's shell.
    ///
    /// # Errors
    /// The connection broke, the login shell is noisy, or the names take more than 16 MiB.
    pub async fn list(&self, globs: &[String]) -> Result<Vec<Found>, RemoteError> {
        let done = self.run(&list_line(globs), b"", NAMES).await?;
        if done.stdout.len() >= NAMES {
            return Err(RemoteError::Nonsense("the names under the glob take more than 16 MiB".to_owned()));
        }
        let answer = answer(&done.stdout)?;
        let mut names: Vec<Vec<u8>> = Vec::new();
        let mut known = std::collections::HashSet::new();
        for name in answer.split(|b| *b == 0).filter(|name| !name.is_empty()) {
            if known.insert(name) {
                names.push(name.to_vec());
            }
        }
        self.look(names).await
    }

    /// What the names are. One that went away meanwhile is left out.
    async fn look(&self, names: Vec<Vec<u8>>) -> Result<Vec<Found>, RemoteError> {
        use futures_util::{StreamExt as _, TryStreamExt as _};
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let sftp = match self.sftp().await {
            Ok(sftp) => Some(sftp),
            Err(RemoteError::NoSftp) => None,
            Err(error) => return Err(error),
        };
        let found: Vec<Option<Found>> = futures_util::stream::iter(names)
            .map(|name| self.look_at(sftp.as_deref(), name))
            .buffered(if sftp.is_some() { QUESTIONS } else { 1 })
            .try_collect()
            .await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// What one name is; none if it went away.
    async fn look_at(&self, sftp: Option<&Sftp>, name: Vec<u8>) -> Result<Option<Found>, RemoteError> {
        let found = match (sftp, std::str::from_utf8(&name)) {
            (Some(sftp), Ok(path)) => asked(sftp.fs().symlink_metadata(path)).await.map(|meta| found(&name, &meta)),
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
        let program = format!("LC_ALL=C; export LC_ALL; printf {ANSWER}; stat -c '%f %s %Y' -- {}", shell::word(name));
        let done = self.run(&shell::in_sh(&program), b"", 1024).await?;
        if done.status != Some(0) {
            return Err(complaint(&done.stderr));
        }
        let text = String::from_utf8_lossy(answer(&done.stdout)?).into_owned();
        let mut fields = text.split_whitespace();
        let mut next = || fields.next().ok_or_else(|| RemoteError::Nonsense(summary(text.as_bytes(), 200)));
        let (mode, bytes, modified) = (next()?, next()?, next()?);
        let nonsense = || RemoteError::Nonsense(summary(text.as_bytes(), 200));
        Ok(Found {
            name: name.to_owned(),
            kind: FileKind::of(u32::from_str_radix(mode, 16).ok().ok_or_else(nonsense)?),
            bytes: bytes.parse().ok().ok_or_else(nonsense)?,
            modified: modified.parse().ok().ok_or_else(nonsense)?,
        })
    }
}

/// The line that lets the host expand the globs.
pub fn list_line(globs: &[String]) -> String {
    let globs: Vec<String> = globs.iter().map(|glob| shell::glob(glob)).collect();
    shell::in_sh(&format!(
        "printf {ANSWER}; for f in {}; do if [ -e \"$f\" ] || [ -h \"$f\" ]; then printf \"%s\\\\0\" \"$f\"; fi; done",
        globs.join(" ")
    ))
}

/// What follows [`ANSWER`]. Anything before it is a login shell that talks.
fn answer(stdout: &[u8]) -> Result<&[u8], RemoteError> {
    match super::command::find(stdout, ANSWER.as_bytes()) {
        Some(0) => Ok(stdout.get(ANSWER.len()..).unwrap_or_default()),
        Some(_) => Err(RemoteError::Noisy),
        None => Err(RemoteError::Nonsense(summary(stdout, 200))),
    }
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

/// A request to the SFTP server, with its time limit, its errors told apart.
pub(super) async fn asked<T>(request: impl Future<Output = Result<T, Error>>) -> Result<T, RemoteError> {
    match timeout(STALL, request).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(Error::SftpError(kind, text))) => Err(match kind {
            SftpErrorKind::NoSuchFile => RemoteError::Missing,
            SftpErrorKind::PermDenied => RemoteError::Denied,
            _ => RemoteError::Failure(summary(text.to_string().as_bytes(), 200)),
        }),
        Ok(Err(Error::UnsupportedExtension(what))) => Err(RemoteError::Failure(what.to_string())),
        Ok(Err(_)) => Err(RemoteError::Lost),
        Err(_) => Err(RemoteError::Stalled),
    }
}

/// What a program on the host complains of.
pub(super) fn complaint(stderr: &[u8]) -> RemoteError {
    let text = String::from_utf8_lossy(stderr);
    if text.contains("No space left") || text.contains("Disk quota") {
        RemoteError::Full
    } else if text.contains("No such file") {
        RemoteError::Missing
    } else if text.contains("Permission denied") || text.contains("Operation not permitted") {
        RemoteError::Denied
    } else {
        RemoteError::Failure(summary(stderr, 200))
    }
}

/// An error with all its causes, in one text.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
