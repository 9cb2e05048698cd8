//! One file from a host into a sink: as it is there, or not at all.
//!
//! The copy is of exactly the bytes that were there when it began; a file that shrinks or is replaced meanwhile is an
//! error, one that grows is copied up to its old end. Limits: the comparison is of length, time of change and kind;
//! the bytes themselves are protected by ssh's own checks on the way.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::BytesMut;
use futures_util::{StreamExt as _, stream};
use openssh::Stdio;
use openssh_sftp_client::Sftp;
use openssh_sftp_client::file::File;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncSeekExt as _};
use tokio::time::timeout;

use super::command::{CHUNK, find, streams};
use super::list::found;
use super::sftp::asked;
use super::transfer::complaint;
use super::{FileKind, Found, Remote, RemoteError, STALL, Sink};
use crate::shell;

/// How many reads are under way at once, and the length of each: together what a fast and far link holds.
const READS: usize = 16;
const READ: u32 = 255 * 1024;

/// How many files are opened before it is known what they are like: as many as are fetched at once.
const AHEAD: usize = 8;

/// Files that were opened ahead, by their names.
pub(super) type Opened = Mutex<HashMap<Vec<u8>, Result<File, RemoteError>>>;

/// How a file is fetched.
#[derive(Debug, Clone, Copy)]
pub enum Get<'a> {
    /// As the login user.
    Login,
    /// As another user, by sudo.
    As(&'a str),
}

impl Remote {
    /// Copies a file. The sink then holds exactly `file.bytes` bytes.
    ///
    /// # Errors
    /// It may not be read, it changed meanwhile, or the connection broke.
    pub async fn fetch(&self, file: &Found, get: Get<'_>, sink: &mut Sink) -> Result<(), RemoteError> {
        match (get, std::str::from_utf8(&file.name), self.sftp().await) {
            (Get::Login, Ok(path), Ok(sftp)) => {
                let mut opened = match self.opened_ahead(&file.name) {
                    Some(opened) => opened?,
                    None => asked(sftp.open(path)).await?,
                };
                let mut looking = opened.clone();
                let (looked, read) =
                    tokio::join!(asked(looking.metadata()), read_all(&opened, file.bytes, sink));
                same(file, &found(&file.name, &looked?))?;
                read?;
                // One read is of one moment; between several the file may have been cut short. Its closing is not
                // waited for: the answer changes nothing.
                let whole = file.bytes <= u64::from(READ)
                    || found(&file.name, &asked(opened.metadata()).await?).bytes >= file.bytes;
                if whole { Ok(()) } else { Err(RemoteError::Changed) }
            }
            (_, _, Ok(_) | Err(RemoteError::NoSftp)) => self.fetch_by_command(file, get, sink).await,
            (_, _, Err(error)) => Err(error),
        }
    }

    /// Opens the first of these files, while it is still looked at what they are: that spares a turn.
    pub(super) async fn open_files_ahead(&self, sftp: &Sftp, names: Vec<Vec<u8>>) {
        let first = names.into_iter().take(AHEAD);
        futures_util::future::join_all(first.map(|name| self.open_file_ahead(sftp, name))).await;
    }

    async fn open_file_ahead(&self, sftp: &Sftp, name: Vec<u8>) {
        let Ok(path) = std::str::from_utf8(&name) else { return };
        let opened = asked(sftp.open(path)).await;
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).insert(name, opened);
    }

    /// A file that was opened ahead, once.
    fn opened_ahead(&self, name: &[u8]) -> Option<Result<File, RemoteError>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).remove(name)
    }

    /// Copies a file through a command: behind a mark, since a profile may talk first.
    async fn fetch_by_command(&self, file: &Found, get: Get<'_>, sink: &mut Sink) -> Result<(), RemoteError> {
        let mark = shell::mark();
        let name = shell::word(&file.name);
        let program = shell::in_sh(&format!(
            "LC_ALL=C; export LC_ALL; if [ -h {name} ]; then exit 9; fi; exec 3< {name} || exit 1; printf {mark}; \
             exec head -c {} <&3",
            file.bytes
        ));
        let line = match get {
            Get::Login => program,
            Get::As(user) => shell::run_as(user, &program),
        };
        let mut child = self.spawn(&line, Stdio::null).await?;
        let (_, stdout, stderr) = streams(&mut child);
        let (mut stderr_text, mut stdout) = (Vec::new(), stdout.ok_or(RemoteError::Lost)?);
        let complaints = async {
            if let Some(stderr) = stderr {
                let _partial = stderr.take(CHUNK as u64).read_to_end(&mut stderr_text).await;
            }
        };
        let (copied, ()) = tokio::join!(behind(&mark, &mut stdout, sink), complaints);
        let status = match copied {
            Ok(_) => self.status(child).await?,
            Err(error) => {
                self.leave_unclean();
                return Err(error);
            }
        };
        match (status, copied) {
            (Some(0), Ok(bytes)) if bytes == file.bytes => Ok(()),
            (Some(0 | 9), _) => Err(RemoteError::Changed),
            _ => Err(complaint(&stderr_text)),
        }
    }
}

/// Whether the opened file is the one that was looked at.
fn same(looked: &Found, opened: &Found) -> Result<(), RemoteError> {
    let grown = opened.bytes >= looked.bytes && opened.modified >= looked.modified;
    if opened.kind == FileKind::Regular && grown { Ok(()) } else { Err(RemoteError::Changed) }
}

/// Copies the first `bytes` bytes of an open file, many reads in flight, in order.
async fn read_all(file: &File, bytes: u64, sink: &mut Sink) -> Result<(), RemoteError> {
    let step = u64::from(READ);
    let mut parts = stream::iter((0..bytes.div_ceil(step)).map(|part| {
        let at = part * step;
        read_at(file.clone(), at, u32::try_from((bytes - at).min(step)).unwrap_or(READ))
    }))
    .buffered(READS);
    while let Some(part) = parts.next().await {
        sink.write(&part?).await;
    }
    Ok(())
}

/// Reads exactly `length` bytes at `at`. The crate's own cursor is not trusted after a short read.
async fn read_at(mut file: File, at: u64, length: u32) -> Result<BytesMut, RemoteError> {
    let mut whole = BytesMut::new();
    while let Some(missing) =
        length.checked_sub(u32::try_from(whole.len()).unwrap_or(u32::MAX)).filter(|n| *n > 0)
    {
        let offset = at + whole.len() as u64;
        file.seek(std::io::SeekFrom::Start(offset)).await.ok().ok_or(RemoteError::Lost)?;
        match asked(file.read(missing, BytesMut::new())).await? {
            Some(part) if whole.is_empty() => whole = part,
            Some(part) => whole.extend_from_slice(&part),
            None => return Err(RemoteError::Changed),
        }
    }
    Ok(whole)
}

/// Moves what follows the mark into the sink and counts it; nothing if the mark never comes.
async fn behind<R: AsyncRead + Unpin>(mark: &str, from: &mut R, sink: &mut Sink) -> Result<u64, RemoteError> {
    let (mut head, mut buffer, mut count) = (Some(Vec::new()), vec![0; CHUNK], 0);
    loop {
        let read = match timeout(STALL, from.read(&mut buffer)).await {
            Ok(read) => read.unwrap_or(0),
            Err(_) => return Err(RemoteError::Stalled),
        };
        let Some(mut bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { return Ok(count) };
        if let Some(seen) = &mut head {
            seen.extend_from_slice(bytes);
            let Some(at) = find(seen, mark.as_bytes()) else {
                seen.drain(..seen.len().saturating_sub(mark.len()));
                continue;
            };
            let body = at + mark.len();
            bytes = bytes.get(bytes.len() - (seen.len() - body)..).unwrap_or_default();
            head = None;
        }
        count += bytes.len() as u64;
        sink.write(bytes).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_what_follows_the_mark_is_copied() {
        let stream = b"welcome!\nMARKcontent\n";
        for cut in 1..stream.len() {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("f");
            let mut sink = Sink::new(std::fs::File::create(&path).unwrap(), 100);
            let (head, tail) = stream.split_at(cut);
            let mut from = head.chain(tail);
            assert_eq!(behind("MARK", &mut from, &mut sink).await.unwrap(), 8);
            sink.finish(None).await.unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), b"content\n");
        }
    }
}
