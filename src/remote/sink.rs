//! Where bytes from a host land on this machine: one file, bounded, hashed and synced, written off the async threads.
//!
//! A sink never holds the sender up: bytes beyond its bound are counted and dropped, and after a write error the
//! rest is dropped too; `finish` tells both.

use std::fs::{File, FileTimes};
use std::io::{self, Write as _};
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};

use crate::disk::on_disk;
use crate::printable::hex;

/// A file being written.
#[derive(Debug)]
pub struct Sink {
    /// What a blocking thread works on; none once a write failed.
    state: Option<State>,
    /// How many more bytes it takes.
    room: u64,
    /// How many it did not take.
    dropped: u64,
    /// The first error.
    error: Option<io::Error>,
}

/// What moves to a blocking thread and back.
#[derive(Debug)]
struct State {
    file: File,
    hash: Sha256,
    bytes: u64,
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

impl Sink {
    /// A sink into an open, empty file, for at most `most` bytes.
    pub fn new(file: File, most: u64) -> Self {
        let state = State { file, hash: Sha256::new(), bytes: 0 };
        Self { state: Some(state), room: most, dropped: 0, error: None }
    }

    /// Takes bytes. What goes wrong is told by [`Sink::finish`].
    pub async fn write(&mut self, bytes: &[u8]) {
        let fits = usize::try_from(self.room).unwrap_or(usize::MAX).min(bytes.len());
        let (taken, dropped) = bytes.split_at(fits);
        self.room -= taken.len() as u64;
        self.dropped += dropped.len() as u64;
        if taken.is_empty() {
            return;
        }
        let Some(mut state) = self.state.take() else { return };
        let taken = taken.to_vec();
        let done = on_disk(move || {
            state.file.write_all(&taken)?;
            state.hash.update(&taken);
            state.bytes += taken.len() as u64;
            Ok(state)
        })
        .await;
        match done {
            Ok(state) => self.state = Some(state),
            Err(error) => self.error = self.error.take().or(Some(error)),
        }
    }

    /// Ends the file: its time of change is set where one is given (seconds since 1970), and it is on disk.
    ///
    /// # Errors
    /// Any error of writing it, the first one.
    pub async fn finish(self, modified: Option<i64>) -> io::Result<Written> {
        let Some(state) = self.state else {
            return Err(self.error.unwrap_or_else(|| io::Error::other("the file was not written")));
        };
        let dropped = self.dropped;
        on_disk(move || {
            if let Some(seconds) = modified {
                state.file.set_times(FileTimes::new().set_modified(time(seconds)))?;
            }
            if state.bytes > 0 {
                state.file.sync_all()?;
            }
            Ok(Written { bytes: state.bytes, dropped, sha256: hex(&state.hash.finalize()) })
        })
        .await
    }
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
        let mut sink = Sink::new(File::create(&path).unwrap(), 5);
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
    async fn a_full_disk_is_told_at_the_end_and_holds_nobody_up() {
        let mut sink = Sink::new(File::create("/dev/full").unwrap(), 100);
        sink.write(b"x").await;
        sink.write(b"y").await;
        assert_eq!(sink.finish(None).await.unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
