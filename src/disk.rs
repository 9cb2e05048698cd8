//! Work on this machine's disk: blocking calls on threads of their own, and files that are written under a temporary
//! name and renamed once they are complete.
//!
//! Limits: a blocking call that was started runs to its end, even if nobody waits for it any more.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use tempfile::NamedTempFile;
use tokio::task::spawn_blocking;

/// The prefix of the name of every temporary file, by which a later attempt finds those of one that was killed.
pub const TEMPORARY_PREFIX: &str = ".part-";

/// Runs blocking work on a thread where it delays no other task.
///
/// # Errors
/// The error of the work itself.
pub async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Creates a temporary file in a folder. It is removed when dropped, unless it was renamed.
///
/// # Errors
/// The folder cannot be written.
pub fn create_temporary_file(folder: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new().prefix(TEMPORARY_PREFIX).tempfile_in(folder)
}

/// Writes a file atomically: under a temporary name, synced to disk, then renamed. No reader ever sees half of it.
///
/// # Errors
/// The content cannot be read, or the file cannot be written.
pub fn write_atomically(path: &Path, mut content: impl Read) -> io::Result<()> {
    let mut file = create_temporary_file(path.parent().unwrap_or(Path::new(".")))?;
    io::copy(&mut content, &mut file)?;
    sync_and_rename(file, path).map(drop)
}

/// Syncs a temporary file to disk and gives it its final name. Returns its length in bytes.
///
/// # Errors
/// It cannot be synced or renamed.
pub fn sync_and_rename(file: NamedTempFile, path: &Path) -> io::Result<u64> {
    // The sync comes first: after a power cut, the final name must not lead to missing content.
    file.as_file().sync_all()?;
    let bytes = file.as_file().metadata()?.len();
    file.persist(path)?;
    Ok(bytes)
}

/// Reads a regular file of at most `max_bytes`.
///
/// # Errors
/// It is no regular file (`IsADirectory`, also for a device or a pipe), larger (`FileTooLarge`), or cannot be read.
pub fn read_bounded(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    // Checked before the file is opened: opening a pipe would wait for its writer.
    if !fs::metadata(path)?.is_file() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    read_stream_bounded(File::open(path)?, max_bytes)
}

/// Reads a stream of at most `max_bytes` to its end.
///
/// # Errors
/// It is larger (`FileTooLarge`), or it cannot be read.
pub fn read_stream_bounded(stream: impl Read, max_bytes: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    // One byte more than allowed is enough to know; a file may grow while it is read, so its size is no bound.
    let read = stream.take(max_bytes.saturating_add(1)).read_to_end(&mut content)?;
    if read as u64 > max_bytes { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(content) }
}
