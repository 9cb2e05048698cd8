//! Writes one local file from a host's bytes: bounded, hashed and synced, away from the async threads.
//!
//! Two buffers of a fixed size alternate: while one is being written, the other is being filled. A writer never
//! holds its source up for good: bytes beyond its bound are counted and dropped, and after a write error all further
//! bytes are dropped; `finish` reports both. Limits: the caller gives the open file; for collected files that is a
//! temporary file, and the rename into place is `run_dir`'s.

use std::fs::{File, FileTimes};
use std::io::{self, Write as _};
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::disk::run_blocking;
use crate::escape::hex;
use crate::message::VisitMessage;

/// The size of a buffer: small enough for many hosts at once, large enough for the change of threads to cost nothing.
const BUFFER_SIZE: usize = 128 * 1024;

/// A file that is being written.
#[derive(Debug)]
pub struct FileWriter {
    /// The buffer that is being filled.
    buffer: Vec<u8>,
    state: WriterState,
    /// The number of bytes that the file may still take.
    remaining: u64,
    /// The number of bytes that came beyond the bound.
    dropped: u64,
}

/// The holder of the file.
#[derive(Debug)]
enum WriterState {
    /// The writer: nothing is being written.
    Idle(OpenFile),
    /// A blocking thread, which is writing.
    Writing(JoinHandle<io::Result<OpenFile>>),
    /// Nobody: a write failed.
    Broken(io::Error),
}

/// An open file, which moves to a blocking thread and back.
#[derive(Debug)]
struct OpenFile {
    file: File,
    hash: Sha256,
    bytes: u64,
    /// The buffer that is being written, and empty otherwise.
    buffer: Vec<u8>,
}

impl OpenFile {
    fn new(file: File, buffer: Vec<u8>) -> Self {
        Self { file, hash: Sha256::new(), bytes: 0, buffer }
    }

    fn write(mut self) -> io::Result<Self> {
        self.file.write_all(&self.buffer)?;
        self.hash.update(&self.buffer);
        self.bytes += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(self)
    }

    /// Writes what is left in the buffer, sets the time of change and syncs the file.
    fn finish(self, modified: Option<i64>) -> io::Result<Written> {
        let written = self.write()?;
        if let Some(seconds) = modified {
            written.file.set_times(FileTimes::new().set_modified(system_time(seconds)))?;
        }
        if written.bytes > 0 {
            written.file.sync_all()?;
        }
        Ok(Written { bytes: written.bytes, dropped: 0, sha256: hex(&written.hash.finalize()) })
    }
}

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its length in bytes.
    pub bytes: u64,
    /// The number of bytes that came beyond the bound.
    pub dropped: u64,
    /// The SHA-256 of what is in the file, in hexadecimal.
    pub sha256: String,
}

impl FileWriter {
    /// Makes the writer of an open, empty file, for at most `max` bytes.
    pub fn new(file: File, max: u64) -> Self {
        let state = WriterState::Idle(OpenFile::new(file, Vec::new()));
        Self { buffer: Vec::new(), state, remaining: max, dropped: 0 }
    }

    /// Writes bytes. Errors are reported by [`FileWriter::finish`].
    pub async fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BUFFER_SIZE - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            self.accept(now.len()).await;
            bytes = later;
        }
    }

    /// Writes what one read of `source` gives, at most `max` bytes, without a copy in between. Returns their number;
    /// 0 at the source's end.
    ///
    /// # Errors
    /// Those of `source`.
    pub async fn read_from<R: AsyncRead + Unpin>(&mut self, source: &mut R, max: u64) -> io::Result<usize> {
        let free = BUFFER_SIZE - self.buffer.len();
        self.buffer.reserve(free);
        let read = source.take(max.min(free as u64)).read_buf(&mut self.buffer).await?;
        self.accept(read).await;
        Ok(read)
    }

    /// Counts the last `count` bytes of the buffer, drops those beyond the bound, and writes a full buffer.
    async fn accept(&mut self, count: usize) {
        let accepted = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(count);
        self.buffer.truncate(self.buffer.len() - (count - accepted));
        self.remaining -= accepted as u64;
        self.dropped += (count - accepted) as u64;
        if self.buffer.len() == BUFFER_SIZE {
            self.flush().await;
        }
    }

    /// Starts to write the buffer now. Waits only for the previous one.
    pub async fn flush(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        self.wait_until_idle().await;
        self.state = match std::mem::replace(&mut self.state, WriterState::Broken(not_written())) {
            WriterState::Idle(mut file) => {
                std::mem::swap(&mut file.buffer, &mut self.buffer);
                WriterState::Writing(spawn_blocking(move || file.write()))
            }
            broken => {
                self.buffer.clear();
                broken
            }
        };
    }

    /// Waits until no thread writes. May be cancelled and called again: the state changes only once the thread is
    /// done.
    async fn wait_until_idle(&mut self) {
        if let WriterState::Writing(job) = &mut self.state {
            let written = job.await.unwrap_or_else(|error| Err(io::Error::other(error)));
            self.state = written.map_or_else(WriterState::Broken, WriterState::Idle);
        }
    }

    /// Finishes the file: sets its time of change where one is given (seconds since 1970), and syncs it to the disk.
    ///
    /// # Errors
    /// The first error of writing it.
    pub async fn finish(mut self, modified: Option<i64>) -> io::Result<Written> {
        self.wait_until_idle().await;
        let mut file = match self.state {
            WriterState::Idle(file) => file,
            WriterState::Broken(error) => return Err(error),
            WriterState::Writing(_) => return Err(not_written()),
        };
        file.buffer = self.buffer;
        let dropped = self.dropped;
        let is_empty = file.bytes == 0 && file.buffer.is_empty() && modified.is_none();
        let finish = move || file.finish(modified).map(|written| Written { dropped, ..written });
        // An empty file needs neither the disk nor a thread.
        if is_empty { finish() } else { run_blocking(finish).await }
    }

    /// Writes all bytes of a file at once, into an open, empty file. Blocks.
    ///
    /// # Errors
    /// Any error of writing it.
    pub fn write_at_once(file: File, bytes: Vec<u8>, modified: Option<i64>) -> io::Result<Written> {
        OpenFile::new(file, bytes).finish(modified)
    }
}

/// Makes the error of a file whose writing never came to an end.
fn not_written() -> io::Error {
    io::Error::other(VisitMessage::FileNotWritten.to_string())
}

/// Makes a time from seconds since 1970; what no clock can mean is 1970 itself.
fn system_time(seconds: i64) -> SystemTime {
    u64::try_from(seconds)
        .ok()
        .and_then(|s| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(s)))
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_beyond_the_bound_are_counted_and_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stdout");
        let mut writer = FileWriter::new(File::create(&path).unwrap(), 5);
        for part in [&b"abc"[..], b"defg", b"h"] {
            writer.write(part).await;
        }
        let written = writer.finish(Some(86_400)).await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"abcde");
        assert_eq!((written.bytes, written.dropped), (5, 3));
        assert_eq!(written.sha256, hex(&Sha256::digest(b"abcde")));
        assert_eq!(std::fs::metadata(&path).unwrap().modified().unwrap(), system_time(86_400));
    }

    #[tokio::test]
    async fn bytes_are_written_in_order_whatever_the_chunks() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let bytes: Vec<u8> = (0..=250).cycle().take(3 * BUFFER_SIZE + 5).collect();
        for step in [1000, BUFFER_SIZE - 1, BUFFER_SIZE, BUFFER_SIZE + 1, bytes.len()] {
            let mut writer = FileWriter::new(File::create(&path).unwrap(), bytes.len() as u64);
            for (number, part) in bytes.chunks(step).enumerate() {
                if number % 2 == 0 {
                    writer.write(part).await;
                    writer.flush().await;
                }
                let mut source = if number % 2 == 0 { &[] } else { part };
                while !source.is_empty() {
                    assert!(writer.read_from(&mut source, part.len() as u64).await.unwrap() > 0);
                }
            }
            let written = writer.finish(None).await.unwrap();
            assert_eq!(written.sha256, hex(&Sha256::digest(&bytes)), "{step} at a time");
            assert!(std::fs::read(&path).unwrap() == bytes);
        }
    }

    #[tokio::test]
    async fn a_full_disk_is_reported_at_the_end_and_blocks_nobody() {
        let mut writer = FileWriter::new(File::create("/dev/full").unwrap(), 100);
        for _ in 0..3 {
            writer.write(b"x").await;
            writer.flush().await;
        }
        writer.write(b"y").await;
        assert_eq!(writer.finish(None).await.unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
