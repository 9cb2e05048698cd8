//! Fetches one file from a host into a file writer: exactly as it was when its copy began, or an error.
//!
//! A small file may already be here, see `list`. One of some size is read by SFTP with many requests under way; a
//! large one is printed by `cat` on a channel of its own, which costs both sides less for each byte. A file that
//! shrinks or is replaced meanwhile is an error, one that grows is copied up to its old end. Limits: the comparison
//! is of length, time of change and kind; the bytes themselves are protected by ssh's own checks.

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

use super::command::{CHUNK, RemoteChild, find_bytes, take_streams};
use super::diagnose::parse_stderr;
use super::list::from_metadata;
use super::sftp::request;
use super::{FileWriter, Remote, RemoteError, RemoteFile, STALL};
use crate::shell_quoting;

/// The most reads of one file that are under way at once, and the length of each: as much as a fast, far link holds.
const READS: usize = 16;
const READ_SIZE: u32 = 255 * 1024;

/// Limits the reads that are under way in the whole run: their answers are in memory.
static READ_PERMITS: Semaphore = Semaphore::const_new(64);

/// From this size on a channel costs less than SFTP's requests.
const LARGE: u64 = 4 * 1024 * 1024;

/// The size of the pipe between ssh and us for a large file, where the system allows it.
const PIPE_SIZE: i32 = 1024 * 1024;

/// The exit status of the program that prints a file for a symbolic link.
const IS_LINK: i32 = 9;

/// The contents of small files that came with a listing, by name.
pub(super) type PrefetchedContent = Mutex<HashMap<Vec<u8>, Vec<u8>>>;

/// The user who reads a file on the host.
#[derive(Debug, Clone, Copy)]
pub enum ReadAs<'a> {
    /// The login user.
    LoginUser,
    /// Another user, by sudo.
    User(&'a str),
}

impl Remote {
    /// Fetches a file. The writer then holds exactly `file.bytes` bytes.
    ///
    /// # Errors
    /// It may not be read, it changed meanwhile, or the connection broke.
    pub async fn fetch(
        &self,
        file: &RemoteFile,
        read_as: ReadAs<'_>,
        writer: &mut FileWriter,
    ) -> Result<(), RemoteError> {
        match (read_as, std::str::from_utf8(&file.name), self.sftp().await?) {
            (ReadAs::LoginUser, Ok(path), Some(sftp)) if file.bytes < LARGE => {
                fetch_by_sftp(&sftp, path, file, writer).await
            }
            (ReadAs::LoginUser, Ok(path), Some(sftp)) => {
                // One after the other: each takes all that the link gives.
                let _permit = self.large_file.lock().await;
                let (line, marker) = cat_command(file, read_as);
                match self.spawn_once(&line, Stdio::null()).await {
                    // SFTP holds the one session that the host allows (`MaxSessions 1`), and can do it as well.
                    Err(RemoteError::SessionRefused) => fetch_by_sftp(&sftp, path, file, writer).await,
                    child => {
                        self.receive(child?, &marker, file, writer).await?;
                        match self.describe(Some(&sftp), &file.name).await {
                            // Removed since: the copy is of the file that was open.
                            Err(RemoteError::NotFound) => Ok(()),
                            now => check_unchanged(file, &now?),
                        }
                    }
                }
            }
            // As another user, with a name that is no UTF-8, or on a host with no SFTP.
            _ => {
                let (line, marker) = cat_command(file, read_as);
                let child = self.spawn(&line, Stdio::null).await?;
                self.receive(child, &marker, file, writer).await
            }
        }
    }

    /// Takes the content of a small file that came with the listing, once.
    pub fn take_prefetched(&self, file: &RemoteFile) -> Option<Vec<u8>> {
        let content = self.prefetched.lock().unwrap_or_else(PoisonError::into_inner).remove(&file.name);
        content.filter(|content| content.len() as u64 == file.bytes)
    }

    /// Receives a file from the command that prints it. Once all bytes are here, does not wait for the command's end.
    async fn receive(
        &self,
        mut child: RemoteChild,
        marker: &str,
        file: &RemoteFile,
        writer: &mut FileWriter,
    ) -> Result<(), RemoteError> {
        let (_, stdout, stderr) = take_streams(&mut child);
        let (mut stderr_text, mut stdout) = (Vec::new(), stdout.ok_or_else(RemoteError::ended_early)?);
        enlarge_pipe(&stdout);
        let copied = copy_after_marker(marker, &mut stdout, file.bytes, writer).await;
        if copied.inspect_err(|_| self.note_channel_left_open())? {
            return Ok(());
        }
        // The output ended early: stderr and the status say why.
        if let Some(stderr) = stderr {
            let mut bounded = stderr.take(CHUNK as u64);
            let _partial = timeout(STALL, bounded.read_to_end(&mut stderr_text)).await;
        }
        match self.wait_for_status(child).await? {
            Some(0 | IS_LINK) => Err(RemoteError::FileChanged),
            _ => Err(parse_stderr(&stderr_text)),
        }
    }
}

/// Returns the command line that prints a file, and the marker between the file and what a profile may print before.
fn cat_command(file: &RemoteFile, read_as: ReadAs<'_>) -> (String, String) {
    let (marker, name) = (shell_quoting::random_marker(), shell_quoting::quote_bytes(&file.name));
    // Opened before the marker is printed: after it nothing can fail but the reading itself.
    let program = shell_quoting::in_sh(&format!(
        "LC_ALL=C; export LC_ALL; if [ -h {name} ]; then exit {IS_LINK}; fi; exec 3< {name} || exit 1; \
         printf {marker}; exec cat <&3"
    ));
    let line = match read_as {
        ReadAs::LoginUser => program,
        ReadAs::User(user) => shell_quoting::run_as(user, &program),
    };
    (line, marker)
}

/// Fetches a file by SFTP.
async fn fetch_by_sftp(
    sftp: &Sftp,
    path: &str,
    file: &RemoteFile,
    writer: &mut FileWriter,
) -> Result<(), RemoteError> {
    let mut opened = request(sftp.open(path)).await?;
    let mut described = opened.clone();
    // The description is asked for together with the first reads: one round trip less.
    let (metadata, read) =
        tokio::join!(request(described.metadata()), read_pipelined(&opened, file.bytes, writer));
    check_unchanged(file, &from_metadata(&file.name, &metadata?))?;
    read?;
    // A single read is atomic; between several, the file may have been truncated and written again. The handle is
    // dropped, not closed: the answer to that would change nothing.
    let is_whole = file.bytes <= u64::from(READ_SIZE)
        || from_metadata(&file.name, &request(opened.metadata()).await?).bytes >= file.bytes;
    if is_whole { Ok(()) } else { Err(RemoteError::FileChanged) }
}

/// Checks that a file is still the one that was described: it may only have grown.
fn check_unchanged(described: &RemoteFile, now: &RemoteFile) -> Result<(), RemoteError> {
    let grown = now.bytes >= described.bytes && now.modified >= described.modified;
    if now.not_regular.is_none() && grown { Ok(()) } else { Err(RemoteError::FileChanged) }
}

/// Reads the first `bytes` bytes of an open file, with many requests under way, and writes them in order.
async fn read_pipelined(file: &File, bytes: u64, writer: &mut FileWriter) -> Result<(), RemoteError> {
    let step = u64::from(READ_SIZE);
    let mut parts = stream::iter((0..bytes.div_ceil(step)).map(|part| {
        let at = part * step;
        read_at(file.clone(), at, u32::try_from((bytes - at).min(step)).unwrap_or(READ_SIZE))
    }))
    .buffered(READS);
    while let Some(part) = parts.next().await {
        writer.write(&part?).await;
    }
    Ok(())
}

/// Reads exactly `length` bytes at `at`.
async fn read_at(mut file: File, at: u64, length: u32) -> Result<BytesMut, RemoteError> {
    let _permit = READ_PERMITS.acquire().await;
    let mut data = BytesMut::new();
    while let Some(missing) =
        length.checked_sub(u32::try_from(data.len()).unwrap_or(u32::MAX)).filter(|n| *n > 0)
    {
        // Sought each time: after a short read the client's own position is wrong by the bytes that did not come.
        let offset = std::io::SeekFrom::Start(at + data.len() as u64);
        file.seek(offset).await.map_err(RemoteError::ConnectionLost)?;
        match request(file.read(missing, BytesMut::new())).await? {
            Some(part) if data.is_empty() => data = part,
            Some(part) => data.extend_from_slice(&part),
            None => return Err(RemoteError::FileChanged),
        }
    }
    Ok(data)
}

/// Copies the `bytes` bytes that follow the marker to the writer. Returns whether all of them came.
async fn copy_after_marker<R: AsyncRead + Unpin>(
    marker: &str,
    source: &mut R,
    bytes: u64,
    writer: &mut FileWriter,
) -> Result<bool, RemoteError> {
    let (mut head, mut buffer) = (Vec::new(), vec![0; 4096]);
    let body = loop {
        let read = timeout(STALL, source.read(&mut buffer)).await?.unwrap_or(0);
        let part = buffer.get(..read).filter(|part| !part.is_empty());
        let Some(part) = part else { return Ok(false) };
        head.extend_from_slice(part);
        match find_bytes(&head, marker.as_bytes()) {
            Some(at) => break head.split_off(at + marker.len()),
            // The marker may be cut between two reads: its length is kept for the next search.
            None => drop(head.drain(..head.len().saturating_sub(marker.len()))),
        }
    };
    let first = body.get(..usize::try_from(bytes).unwrap_or(usize::MAX)).unwrap_or(&body);
    writer.write(first).await;
    let mut remaining = bytes - first.len() as u64;
    while remaining > 0 {
        match timeout(STALL, writer.read_from(source, remaining)).await?.unwrap_or(0) {
            0 => return Ok(false),
            read => remaining -= read as u64,
        }
    }
    Ok(true)
}

/// Enlarges a pipe, where the system allows it, so that ssh and we wake each other less often.
fn enlarge_pipe(pipe: &impl AsFd) {
    let _unchanged = fcntl(pipe.as_fd(), FcntlArg::F_SETPIPE_SZ(PIPE_SIZE));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_what_follows_the_marker_is_copied() {
        let stream = b"welcome!\nMARKERcontent\n";
        for cut in 1..stream.len() {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("f");
            let mut writer = FileWriter::new(std::fs::File::create(&path).unwrap(), 100);
            let (head, tail) = stream.split_at(cut);
            let mut source = head.chain(tail);
            assert!(copy_after_marker("MARKER", &mut source, 8, &mut writer).await.unwrap());
            writer.finish(None).await.unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), b"content\n");
            let mut writer = FileWriter::new(std::fs::File::create(&path).unwrap(), 100);
            assert!(
                copy_after_marker("MARKER", &mut head.chain(tail), 7, &mut writer).await.unwrap(),
                "it grew meanwhile"
            );
            assert_eq!(writer.finish(None).await.unwrap().bytes, 7);
            let mut writer = FileWriter::new(std::fs::File::create(&path).unwrap(), 100);
            assert!(
                !copy_after_marker("MARKER", &mut head.chain(tail), 9, &mut writer).await.unwrap(),
                "it shrank"
            );
        }
    }
}
