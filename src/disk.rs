//! Work on this machine's disk: on a thread where it may block, and under passing names until it is whole.
//!
//! Limits: work that was begun goes on to its end, even if nobody waits for it any more.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use tempfile::NamedTempFile;
use tokio::task::spawn_blocking;

/// How the name of a file begins that is not whole yet.
pub const TEMPORARY_PREFIX: &str = ".part-";

/// Does it.
///
/// # Errors
/// Its own.
pub async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

/// A new file in a folder, gone again unless it is given its own name.
///
/// # Errors
/// The folder cannot be written.
pub fn temporary_file(folder: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new().prefix(TEMPORARY_PREFIX).tempfile_in(folder)
}

/// A file that [`read_bounded`] does not read whole.
#[derive(Debug)]
pub enum ReadError {
    /// It is a folder, a device or a pipe.
    NotRegular,
    /// It has more bytes than the caller allows.
    TooLarge,
    /// The operating system refused.
    Io(io::Error),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads a regular file of at most `max_bytes`.
///
/// # Errors
/// It is no regular file, it is larger, or it cannot be read.
pub fn read_bounded(path: &Path, max_bytes: u64) -> Result<Vec<u8>, ReadError> {
    // Checked before the file is opened: opening a pipe would wait for its writer.
    if !fs::metadata(path)?.is_file() {
        return Err(ReadError::NotRegular);
    }
    read_stream_bounded(File::open(path)?, max_bytes)
}

/// Reads a stream of at most `max_bytes` to its end.
///
/// # Errors
/// It is larger, or it cannot be read.
pub fn read_stream_bounded(stream: impl Read, max_bytes: u64) -> Result<Vec<u8>, ReadError> {
    let mut content = Vec::new();
    // One byte more than allowed is enough to know; a file may grow while it is read, so its size is no bound.
    let read = stream.take(max_bytes.saturating_add(1)).read_to_end(&mut content)?;
    if read as u64 > max_bytes { Err(ReadError::TooLarge) } else { Ok(content) }
}
