//! One file from a host into a sink: as it is there, or not at all.
//!
//! A small file came along with its name, see `list`. One of some size is read over SFTP, many reads in flight; a large
//! one flows through a channel of its own, which costs both sides less for each byte. The copy is of exactly the bytes
//! that were there when it began; a file that shrinks or is replaced meanwhile is an error, one that grows is copied up
//! to its old end. Limits: the comparison is of length, time of change and kind; the bytes themselves are protected by
//! ssh's own checks on the way.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};

use bytes::BytesMut;
use futures_util::{StreamExt as _, stream};
use nix::fcntl::{FcntlArg, fcntl};
use openssh::Stdio;
use openssh_sftp_client::Sftp;
use openssh_sftp_client::file::File;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncSeekExt as _};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::command::{CHUNK, Running, find, streams};
use super::list::from_metadata;
use super::sftp::asked;
use super::upload::complaint;
use super::{FileKind, FileWriter, Remote, RemoteError, RemoteFile, STALL};
use crate::shell_quoting;

/// How many reads of one file are under way at once, and the length of each: together what a fast and far link holds.
const READS: usize = 16;
const READ: u32 = 255 * 1024;

/// How many reads are under way in the whole run: what they bring is in memory.
static READS_IN_ALL: Semaphore = Semaphore::const_new(64);

/// From so many bytes on a channel costs less than SFTP's requests.
const LARGE: u64 = 4 * 1024 * 1024;

/// How much of a large file waits between ssh and us, where the system allows it.
const PIPE: i32 = 1024 * 1024;

/// The contents of small files that came with their names.
pub(super) type Prefetched = Mutex<HashMap<Vec<u8>, Vec<u8>>>;

/// How a file is fetched.
#[derive(Debug, Clone, Copy)]
pub enum ReadAs<'a> {
    /// As the login user.
    LoginUser,
    /// As another user, by sudo.
    User(&'a str),
}

impl Remote {
    /// Copies a file. The sink then holds exactly `file.bytes` bytes.
    ///
    /// # Errors
    /// It may not be read, it changed meanwhile, or the connection broke.
    pub async fn fetch(
        &self,
        file: &RemoteFile,
        get: ReadAs<'_>,
        sink: &mut FileWriter,
    ) -> Result<(), RemoteError> {
        match (get, std::str::from_utf8(&file.name), self.sftp().await) {
            (ReadAs::LoginUser, Ok(path), Ok(sftp)) if file.bytes < LARGE => {
                by_sftp(&sftp, path, file, sink).await
            }
            (ReadAs::LoginUser, Ok(path), Ok(sftp)) => {
                // One after the other: each takes all that the link gives.
                let _turn = self.large.lock().await;
                let flow = CatCommand::of(file, get);
                match self.try_spawn(&flow.line, Stdio::null()).await {
                    Err(RemoteError::NoSession) => by_sftp(&sftp, path, file, sink).await,
                    child => {
                        self.receive(child?, &flow.mark, file, sink).await?;
                        match self.look_at(Some(&sftp), file.name.clone()).await? {
                            Some(now) => same(file, &now),
                            // The copy is of what was open.
                            None => Ok(()),
                        }
                    }
                }
            }
            (_, _, Ok(_) | Err(RemoteError::NoSftp)) => {
                let flow = CatCommand::of(file, get);
                let child = self.spawn(&flow.line, Stdio::null).await?;
                self.receive(child, &flow.mark, file, sink).await
            }
            (_, _, Err(error)) => Err(error),
        }
    }

    /// All bytes of a small file, once, where they came with its name.
    pub fn take_prefetched(&self, file: &RemoteFile) -> Option<Vec<u8>> {
        let content = self.prefetched.lock().unwrap_or_else(PoisonError::into_inner).remove(&file.name);
        content.filter(|content| content.len() as u64 == file.bytes)
    }

    /// Takes a file from the line that prints it. Once all is there nobody waits for the line's end.
    async fn receive(
        &self,
        mut child: Running,
        mark: &str,
        file: &RemoteFile,
        sink: &mut FileWriter,
    ) -> Result<(), RemoteError> {
        let (_, stdout, stderr) = streams(&mut child);
        let (mut stderr_text, mut stdout) = (Vec::new(), stdout.ok_or(RemoteError::Lost)?);
        widen(&stdout);
        let copied = behind(mark, &mut stdout, file.bytes, sink).await;
        match copied {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(error) => {
                self.leave_unclean();
                return Err(error);
            }
        }
        if let Some(stderr) = stderr {
            let said = stderr.take(CHUNK as u64);
            let _partial = timeout(STALL, { said }.read_to_end(&mut stderr_text)).await;
        }
        match self.status(child).await? {
            Some(0 | 9) => Err(RemoteError::Changed),
            _ => Err(complaint(&stderr_text)),
        }
    }
}

/// The line that prints a file.
struct CatCommand {
    line: String,
    /// What it prints first: a profile may talk before.
    mark: String,
}

impl CatCommand {
    fn of(file: &RemoteFile, get: ReadAs<'_>) -> Self {
        let (mark, name) = (shell_quoting::mark(), shell_quoting::word(&file.name));
        let program = shell_quoting::in_sh(&format!(
            "LC_ALL=C; export LC_ALL; if [ -h {name} ]; then exit 9; fi; exec 3< {name} || exit 1; printf {mark}; \
             exec cat <&3"
        ));
        let line = match get {
            ReadAs::LoginUser => program,
            ReadAs::User(user) => shell_quoting::run_as(user, &program),
        };
        Self { line, mark }
    }
}

/// Copies a file over SFTP.
async fn by_sftp(
    sftp: &Sftp,
    path: &str,
    file: &RemoteFile,
    sink: &mut FileWriter,
) -> Result<(), RemoteError> {
    let mut opened = asked(sftp.open(path)).await?;
    let mut looking = opened.clone();
    let (looked, read) = tokio::join!(asked(looking.metadata()), read_all(&opened, file.bytes, sink));
    same(file, &from_metadata(&file.name, &looked?))?;
    read?;
    // One read is of one moment; between several the file may have been cut short. Its closing is not waited for: the
    // answer changes nothing.
    let whole = file.bytes <= u64::from(READ)
        || from_metadata(&file.name, &asked(opened.metadata()).await?).bytes >= file.bytes;
    if whole { Ok(()) } else { Err(RemoteError::Changed) }
}

/// Whether a file is still the one that was looked at: it may have grown.
fn same(looked: &RemoteFile, now: &RemoteFile) -> Result<(), RemoteError> {
    let grown = now.bytes >= looked.bytes && now.modified >= looked.modified;
    if now.kind == FileKind::Regular && grown { Ok(()) } else { Err(RemoteError::Changed) }
}

/// Copies the first `bytes` bytes of an open file, many reads in flight, in order.
async fn read_all(file: &File, bytes: u64, sink: &mut FileWriter) -> Result<(), RemoteError> {
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
    let _permit = READS_IN_ALL.acquire().await;
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

/// Moves the `bytes` bytes that follow the mark into the sink. Returns whether all of them came.
async fn behind<R: AsyncRead + Unpin>(
    mark: &str,
    from: &mut R,
    bytes: u64,
    sink: &mut FileWriter,
) -> Result<bool, RemoteError> {
    let (mut head, mut buffer) = (Vec::new(), vec![0; 4096]);
    let body = loop {
        let read = from.read(&mut buffer);
        let read = timeout(STALL, read).await.ok().ok_or(RemoteError::Stalled)?.unwrap_or(0);
        let part = buffer.get(..read).filter(|part| !part.is_empty());
        let Some(part) = part else { return Ok(false) };
        head.extend_from_slice(part);
        match find(&head, mark.as_bytes()) {
            Some(at) => break head.split_off(at + mark.len()),
            None => drop(head.drain(..head.len().saturating_sub(mark.len()))),
        }
    };
    let first = body.get(..usize::try_from(bytes).unwrap_or(usize::MAX)).unwrap_or(&body);
    sink.write(first).await;
    let mut left = bytes - first.len() as u64;
    while left > 0 {
        let read = timeout(STALL, sink.read(from, left)).await.ok().ok_or(RemoteError::Stalled)?;
        match read.unwrap_or(0) {
            0 => return Ok(false),
            read => left -= read as u64,
        }
    }
    Ok(true)
}

/// Lets more bytes wait in a pipe: fewer turns between ssh and us. Where the system does not allow it, it works as well.
fn widen(pipe: &impl AsFd) {
    let _as_it_was = fcntl(pipe.as_fd(), FcntlArg::F_SETPIPE_SZ(PIPE));
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
            let mut sink = FileWriter::new(std::fs::File::create(&path).unwrap(), 100);
            let (head, tail) = stream.split_at(cut);
            let mut from = head.chain(tail);
            assert!(behind("MARK", &mut from, 8, &mut sink).await.unwrap());
            sink.finish(None).await.unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), b"content\n");
            let mut sink = FileWriter::new(std::fs::File::create(&path).unwrap(), 100);
            assert!(behind("MARK", &mut head.chain(tail), 7, &mut sink).await.unwrap(), "it grew meanwhile");
            assert_eq!(sink.finish(None).await.unwrap().bytes, 7);
            let mut sink = FileWriter::new(std::fs::File::create(&path).unwrap(), 100);
            assert!(!behind("MARK", &mut head.chain(tail), 9, &mut sink).await.unwrap(), "it shrank");
        }
    }
}
