//! Work on this machine's disk: on a thread where it may block, and under passing names until it is whole.
//!
//! Limits: work that was begun goes on to its end, even if nobody waits for it any more.

use std::io;
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
