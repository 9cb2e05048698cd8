//! Where bytes from a host land on this machine: one file, bounded, hashed and synced, written off the async threads.
//!
//! Two buffers of a fixed size go back and forth: while one is being written, the other is being filled. A sink never
//! holds the sender up for good: bytes beyond its bound are counted and dropped, and after a write error the rest is
//! dropped too; `finish` tells both.

use std::fs::{File, FileTimes};
use std::io::{self, Write as _};
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::disk::run_blocking;
use crate::escape::hex;

/// How many bytes go to the disk at once: few enough for many hosts, many enough for their hand-over to cost nothing.
const BATCH: usize = 128 * 1024;

/// A file being written.
#[derive(Debug)]
pub struct FileWriter {
    /// What came and is not yet being written.
    batch: Vec<u8>,
    /// The file.
    hand: WriterState,
    /// How many more bytes it takes.
    remaining: u64,
    /// How many it did not take.
    dropped: u64,
}

/// Who has the file.
#[derive(Debug)]
enum WriterState {
    /// Nobody writes.
    Idle(OpenFile),
    /// A blocking thread writes.
    Writing(JoinHandle<io::Result<OpenFile>>),
    /// The first write that failed.
    Broken(io::Error),
}

/// What moves to a blocking thread and back.
#[derive(Debug)]
struct OpenFile {
    file: File,
    hash: Sha256,
    bytes: u64,
    /// The buffer that is being written, and empty otherwise.
    batch: Vec<u8>,
}

impl OpenFile {
    fn write(mut self) -> io::Result<Self> {
        self.file.write_all(&self.batch)?;
        self.hash.update(&self.batch);
        self.bytes += self.batch.len() as u64;
        self.batch.clear();
        Ok(self)
    }

    /// Writes what is left, and ends the file.
    fn end(self, modified: Option<i64>) -> io::Result<Written> {
        let state = self.write()?;
        if let Some(seconds) = modified {
            state.file.set_times(FileTimes::new().set_modified(time(seconds)))?;
        }
        if state.bytes > 0 {
            state.file.sync_all()?;
        }
        Ok(Written { bytes: state.bytes, dropped: 0, sha256: hex(&state.hash.finalize()) })
    }
}

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its length in bytes.
    pub bytes: u64,
    /// How many bytes came beyond the bound.
    pub dropped: u64,
    /// The SHA-256 of what is in the file, in hexadecimal.
    pub sha256: String,
}

impl FileWriter {
    /// A sink into an open, empty file, for at most `max` bytes.
    pub fn new(file: File, max: u64) -> Self {
        let state = OpenFile { file, hash: Sha256::new(), bytes: 0, batch: Vec::new() };
        Self { batch: Vec::new(), hand: WriterState::Idle(state), remaining: max, dropped: 0 }
    }

    /// Takes bytes. What goes wrong is told by [`FileWriter::finish`].
    pub async fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BATCH - self.batch.len()));
            self.batch.extend_from_slice(now);
            self.reserved_names(now.len()).await;
            bytes = later;
        }
    }

    /// Takes what one read of `from` gives, at most `max` bytes, without a copy in between; 0 at its end.
    ///
    /// # Errors
    /// Those of `from`.
    pub async fn read<R: AsyncRead + Unpin>(&mut self, from: &mut R, max: u64) -> io::Result<usize> {
        let free = BATCH - self.batch.len();
        self.batch.reserve(free);
        let read = from.take(max.min(free as u64)).read_buf(&mut self.batch).await?;
        self.reserved_names(read).await;
        Ok(read)
    }

    /// Counts bytes that were put into the batch, and sends it to the disk once it is full.
    async fn reserved_names(&mut self, count: usize) {
        let fits = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(count);
        self.batch.truncate(self.batch.len() - (count - fits));
        self.remaining -= fits as u64;
        self.dropped += (count - fits) as u64;
        if self.batch.len() == BATCH {
            self.flush().await;
        }
    }

    /// Sends what came to the disk now. Waits only for what was sent before.
    pub async fn flush(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        self.written().await;
        self.hand = match std::mem::replace(&mut self.hand, WriterState::Broken(unwritten())) {
            WriterState::Idle(mut state) => {
                std::mem::swap(&mut state.batch, &mut self.batch);
                WriterState::Writing(spawn_blocking(move || state.write()))
            }
            broken => {
                self.batch.clear();
                broken
            }
        };
    }

    /// Waits until nobody writes. Who stops waiting may wait again.
    async fn written(&mut self) {
        if let WriterState::Writing(job) = &mut self.hand {
            let written = job.await.unwrap_or_else(|error| Err(io::Error::other(error)));
            self.hand = written.map_or_else(WriterState::Broken, WriterState::Idle);
        }
    }

    /// Ends the file: its time of change is set where one is given (seconds since 1970), and it is on disk.
    ///
    /// # Errors
    /// Any error of writing it, the first one.
    pub async fn finish(mut self, modified: Option<i64>) -> io::Result<Written> {
        self.written().await;
        let mut state = match self.hand {
            WriterState::Idle(state) => state,
            WriterState::Broken(error) => return Err(error),
            WriterState::Writing(_) => return Err(unwritten()),
        };
        state.batch = self.batch;
        let dropped = self.dropped;
        let empty = state.bytes == 0 && state.batch.is_empty() && modified.is_none();
        let end = move || state.end(modified).map(|written| Written { dropped, ..written });
        // There is nothing to wait for, and no thread to wake.
        if empty { end() } else { run_blocking(end).await }
    }

    /// Puts bytes that are all here into an open, empty file, as the calls above do. Blocks.
    ///
    /// # Errors
    /// Any error of writing it.
    pub fn whole(file: File, bytes: Vec<u8>, modified: Option<i64>) -> io::Result<Written> {
        OpenFile { file, hash: Sha256::new(), bytes: 0, batch: bytes }.end(modified)
    }
}

/// What is told of a file that nobody has in hand.
fn unwritten() -> io::Error {
    io::Error::other("the file was not written")
}

/// A time from seconds since 1970; what no clock can mean is 1970 itself.
fn time(seconds: i64) -> SystemTime {
    u64::try_from(seconds)
        .ok()
        .and_then(|s| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(s)))
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_beyond_the_bound_is_counted_and_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stdout");
        let mut sink = FileWriter::new(File::create(&path).unwrap(), 5);
        for part in [&b"abc"[..], b"defg", b"h"] {
            sink.write(part).await;
        }
        let written = sink.finish(Some(86_400)).await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"abcde");
        assert_eq!((written.bytes, written.dropped), (5, 3));
        assert_eq!(written.sha256, hex(&Sha256::digest(b"abcde")));
        assert_eq!(std::fs::metadata(&path).unwrap().modified().unwrap(), time(86_400));
    }

    #[tokio::test]
    async fn bytes_land_in_their_order_however_they_come() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let bytes: Vec<u8> = (0..=250).cycle().take(3 * BATCH + 5).collect();
        for step in [1000, BATCH - 1, BATCH, BATCH + 1, bytes.len()] {
            let mut sink = FileWriter::new(File::create(&path).unwrap(), bytes.len() as u64);
            for (number, part) in bytes.chunks(step).enumerate() {
                if number % 2 == 0 {
                    sink.write(part).await;
                    sink.flush().await;
                }
                let mut from = if number % 2 == 0 { &[] } else { part };
                while !from.is_empty() {
                    assert!(sink.read(&mut from, part.len() as u64).await.unwrap() > 0);
                }
            }
            let written = sink.finish(None).await.unwrap();
            assert_eq!(written.sha256, hex(&Sha256::digest(&bytes)), "{step} at a time");
            assert!(std::fs::read(&path).unwrap() == bytes);
        }
    }

    #[tokio::test]
    async fn a_full_disk_is_told_at_the_end_and_holds_nobody_up() {
        let mut sink = FileWriter::new(File::create("/dev/full").unwrap(), 100);
        for _ in 0..3 {
            sink.write(b"x").await;
            sink.flush().await;
        }
        sink.write(b"y").await;
        assert_eq!(sink.finish(None).await.unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
