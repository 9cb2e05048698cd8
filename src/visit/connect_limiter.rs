//! Who may make a connection now: it costs this machine's processor, and a jump host has a door of its own.
//!
//! sshd drops connections that knock while too many others are not let in yet (`MaxStartups`, by default from the tenth
//! on). Limits: ways that lead through one jump host are known as such by its name only.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// How many connections are made at once through one jump host: fewer than its sshd begins to drop some at.
const THROUGH_A_JUMP: usize = 8;

/// The turns of a run.
pub struct ConnectLimiter {
    all: Semaphore,
    jumps: Mutex<HashMap<String, Arc<JumpHostLimit>>>,
}

/// The door of a jump host: as many turns as it is wide.
struct JumpHostLimit {
    connect_limiter: Arc<Semaphore>,
    width: AtomicUsize,
}

/// A turn; it ends when this is dropped.
pub(super) struct ConnectPermit<'a> {
    _of_all: Option<SemaphorePermit<'a>>,
    through: Option<(Arc<JumpHostLimit>, OwnedSemaphorePermit)>,
}

impl ConnectLimiter {
    /// So many connections are made at once.
    pub fn new(handshakes: usize) -> Self {
        Self { all: Semaphore::new(handshakes), jumps: Mutex::default() }
    }

    /// Waits for a turn, at the door of the jump host first; `jump` is what ssh's `ProxyJump` says.
    pub(super) async fn wait(&self, jump: Option<&str>) -> ConnectPermit<'_> {
        // A closed semaphore would only mean that nobody counts any more.
        let through = match jump.map(|jump| self.door(jump)) {
            Some(door) => {
                Arc::clone(&door.connect_limiter).acquire_owned().await.ok().map(|turn| (door, turn))
            }
            None => None,
        };
        ConnectPermit { _of_all: self.all.acquire().await.ok(), through }
    }

    fn door(&self, jump: &str) -> Arc<JumpHostLimit> {
        let first = jump.split(',').next().unwrap_or(jump).to_owned();
        let mut jumps = self.jumps.lock().unwrap_or_else(PoisonError::into_inner);
        let door = jumps.entry(first).or_insert_with(|| {
            let connect_limiter = Arc::new(Semaphore::new(THROUGH_A_JUMP));
            Arc::new(JumpHostLimit { connect_limiter, width: AtomicUsize::new(THROUGH_A_JUMP) })
        });
        Arc::clone(door)
    }
}

impl ConnectPermit<'_> {
    /// Somebody hung up early. If it may have been a jump host, its door is narrower by this turn from now on.
    pub(super) fn was_hung_up(self) {
        if let Some((door, turn)) = self.through {
            let narrower = |width: usize| (width > 1).then(|| width - 1);
            if door.width.fetch_update(Ordering::Relaxed, Ordering::Relaxed, narrower).is_ok() {
                turn.forget();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free(connect_limiter: &ConnectLimiter, jump: &str) -> usize {
        connect_limiter.door(jump).connect_limiter.available_permits()
    }

    #[tokio::test]
    async fn a_door_that_hangs_up_gets_narrower_and_never_shut() {
        let connect_limiter = ConnectLimiter::new(100);
        for _ in 0..3 {
            connect_limiter.wait(Some("gate,inner")).await.was_hung_up();
        }
        drop(connect_limiter.wait(Some("gate")).await);
        assert_eq!(
            (free(&connect_limiter, "gate"), free(&connect_limiter, "other")),
            (THROUGH_A_JUMP - 3, THROUGH_A_JUMP)
        );
        for _ in 0..100 {
            connect_limiter.wait(Some("gate")).await.was_hung_up();
        }
        assert_eq!(free(&connect_limiter, "gate"), 1);
        connect_limiter.wait(None).await.was_hung_up();
        assert_eq!(connect_limiter.all.available_permits(), 100);
    }
}
