//! Work on this machine's disk: blocking calls on threads of their own, and files that appear only once they are
//! whole.
//!
//! Limits: a blocking call that was started runs to its end, even if nobody waits for it any more.

use std::io::{self, Read};
use std::path::Path;

use tempfile::NamedTempFile;
use tokio::task::spawn_blocking;

/// Starts the name of every temporary file, so that a later attempt finds those of one that was killed.
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
