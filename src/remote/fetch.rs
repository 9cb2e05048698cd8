//! Fetches files from a host into file writers: each as it is there, or not at all.
//!
//! With a shell, files come one after the other, framed by their length; a large one on a channel of its own, where
//! the host has one to give. As the login user they come by SFTP, with many reads under way. The copy is of exactly
//! the bytes that were there when the file was listed; a file that shrinks or is replaced meanwhile is an error, one
//! that grows is copied up to its old end. Limits: the comparison is of device, inode, owner, length, time of change
//! and kind (by SFTP without device and inode); the bytes themselves are protected by ssh's own checks on the way.

use std::os::fd::AsFd;

use bytes::BytesMut;
use futures_util::{StreamExt as _, stream};
use nix::fcntl::{FcntlArg, fcntl};
use openssh_sftp_client::Sftp;
use openssh_sftp_client::file::File;
use tokio::io::AsyncSeekExt as _;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::diagnose::parse_stderr;
use super::list::{is_same_by_sftp, parse_facts};
use super::protocol::{Item, Message};
use super::sftp::request;
use super::{FileWriter, LauncherShell, RemoteError, RemoteFile, STALL, Shell};

/// The most reads of one file that are under way at once, and the length of each: together what a fast and far link
/// holds.
const READS: usize = 16;
const READ_SIZE: u32 = 255 * 1024;

/// The most reads that are under way in the whole run: what they bring is in memory.
static READ_PERMITS: Semaphore = Semaphore::const_new(64);

/// The length in bytes from which a channel of its own costs less.
pub const LARGE: u64 = 4 * 1024 * 1024;

/// The bytes of a large file that may wait between ssh and us, where the system allows it.
const PIPE_SIZE: i32 = 1024 * 1024;

/// The most bytes of facts, and of a shell's words on a file.
const MAX_ANSWER: usize = 1024 * 1024;

impl Shell {
    /// Fetches a file. The writer then holds exactly the bytes that were listed.
    ///
    /// # Errors
    /// It may not be read, it changed since it was listed, or the connection broke.
    pub async fn fetch(&mut self, file: &RemoteFile, writer: &mut FileWriter) -> Result<(), RemoteError> {
        self.begin_fetch(file).await?;
        let mut remaining = file.bytes;
        let mut cut_short = false;
        while remaining > 0 && !cut_short {
            match self.channel.next_of(self.answers).await? {
                Item::Data(bytes) => {
                    writer.write(&bytes).await;
                    remaining -= bytes.len() as u64;
                }
                Item::DataCutShort => cut_short = true,
                _ => return Err(RemoteError::noisy(b"")),
            }
        }
        self.finish_fetch(file).await?;
        if cut_short { Err(RemoteError::FileChanged) } else { Ok(()) }
    }

    /// Asks for a file, whose bytes then follow.
    async fn begin_fetch(&mut self, file: &RemoteFile) -> Result<(), RemoteError> {
        let program = self.channel.marker.send_file(self.answers, &file.name, file.bytes);
        self.channel.send(&program).await?;
        let mut next = self.channel.next_of(self.answers).await?;
        if matches!(next, Item::Text(_)) {
            // What a login shell printed at its start.
            next = self.channel.next_of(self.answers).await?;
        }
        match next {
            Item::Message(Message::File(_, bytes)) if bytes == file.bytes => Ok(()),
            Item::Message(Message::Error(_)) => {
                let items = self.read_answer(MAX_ANSWER).await?;
                let words = items.into_iter().filter_map(|item| match item {
                    Item::Data(words) => Some(words),
                    _ => None,
                });
                Err(parse_stderr(&words.collect::<Vec<_>>().concat()))
            }
            _ => Err(RemoteError::noisy(b"")),
        }
    }

    /// Reads what the file is now, and compares.
    async fn finish_fetch(&mut self, file: &RemoteFile) -> Result<(), RemoteError> {
        let now = parse_facts(&[&file.name], self.read_answer(MAX_ANSWER).await?)?;
        check_unchanged(file, now.first())
    }
}

impl LauncherShell<'_> {
    /// Fetches a large file on a channel of its own; false if the host has none to give.
    ///
    /// # Errors
    /// It may not be read, it was cut short meanwhile, or the connection broke.
    pub async fn fetch_apart(&self, file: &RemoteFile, writer: &mut FileWriter) -> Result<bool, RemoteError> {
        let Some(LauncherShell { mut shell, .. }) = self.open_another().await? else { return Ok(false) };
        shell.begin_fetch(file).await?;
        if let Some(pipe) = shell.channel.stdout_pipe() {
            enlarge_pipe(pipe);
        }
        // With no further program to come the shell ends, and with it the stream of a file that was cut short.
        shell.channel.close_input();
        if shell.channel.copy_data(file.bytes, writer).await? == file.bytes {
            shell.finish_fetch(file).await?;
            return Ok(true);
        }
        // The stream ended: with the connection, or with a file that is shorter now.
        let Some(child) = shell.channel.into_child() else { return Err(RemoteError::ended_early()) };
        let ended = timeout(STALL, child.wait()).await?;
        Err(ended.map_or_else(RemoteError::lost, |_| RemoteError::FileChanged))
    }
}

/// Checks that a file is still the one that was listed: it may only have grown.
fn check_unchanged(listed: &RemoteFile, now: Option<&RemoteFile>) -> Result<(), RemoteError> {
    let grown = |now: &RemoteFile| {
        let same =
            now.not_regular.is_none() && now.owner == listed.owner && now.identity() == listed.identity();
        same && now.bytes >= listed.bytes && now.modified >= listed.modified
    };
    if now.is_some_and(grown) { Ok(()) } else { Err(RemoteError::FileChanged) }
}

/// Fetches a file by SFTP, as the login user.
///
/// # Errors
/// It may not be read, it changed since it was listed, or the connection broke.
pub async fn fetch_by_sftp(
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
    // A file or a link that was put in its place since is another one: its owner, length or time tells.
    if !is_same_by_sftp(file, &metadata?) {
        return Err(RemoteError::FileChanged);
    }
    read?;
    // A single read is atomic; between several, the file may have been truncated and written again. The handle is
    // dropped, not closed: the answer to that would change nothing.
    let is_whole = file.bytes <= u64::from(READ_SIZE)
        || request(opened.metadata()).await?.len().unwrap_or(0) >= file.bytes;
    if is_whole { Ok(()) } else { Err(RemoteError::FileChanged) }
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

/// Enlarges a pipe, where the system allows it, so that ssh and we wake each other less often.
fn enlarge_pipe(pipe: &impl AsFd) {
    let _unchanged = fcntl(pipe.as_fd(), FcntlArg::F_SETPIPE_SZ(PIPE_SIZE));
}
