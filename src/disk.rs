//! Work on this machine's disk, on a thread where it may block.
//!
//! Limits: work that was begun goes on to its end, even if nobody waits for it any more.

use std::io;

use tokio::task::spawn_blocking;

/// Does it.
///
/// # Errors
/// Its own.
pub async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}
