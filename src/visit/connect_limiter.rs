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
pub struct Turns {
    all: Semaphore,
    jumps: Mutex<HashMap<String, Arc<Door>>>,
}

/// The door of a jump host: as many turns as it is wide.
struct Door {
    turns: Arc<Semaphore>,
    width: AtomicUsize,
}

/// A turn; it ends when this is dropped.
pub(super) struct Turn<'a> {
    _of_all: Option<SemaphorePermit<'a>>,
    through: Option<(Arc<Door>, OwnedSemaphorePermit)>,
}

impl Turns {
    /// So many connections are made at once.
    pub fn new(handshakes: usize) -> Self {
        Self { all: Semaphore::new(handshakes), jumps: Mutex::default() }
    }

    /// Waits for a turn, at the door of the jump host first; `jump` is what ssh's `ProxyJump` says.
    pub(super) async fn wait(&self, jump: Option<&str>) -> Turn<'_> {
        // A closed semaphore would only mean that nobody counts any more.
        let through = match jump.map(|jump| self.door(jump)) {
            Some(door) => Arc::clone(&door.turns).acquire_owned().await.ok().map(|turn| (door, turn)),
            None => None,
        };
        Turn { _of_all: self.all.acquire().await.ok(), through }
    }

    fn door(&self, jump: &str) -> Arc<Door> {
        let first = jump.split(',').next().unwrap_or(jump).to_owned();
        let mut jumps = self.jumps.lock().unwrap_or_else(PoisonError::into_inner);
        let door = jumps.entry(first).or_insert_with(|| {
            let turns = Arc::new(Semaphore::new(THROUGH_A_JUMP));
            Arc::new(Door { turns, width: AtomicUsize::new(THROUGH_A_JUMP) })
        });
        Arc::clone(door)
    }
}

impl Turn<'_> {
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

    fn free(turns: &Turns, jump: &str) -> usize {
        turns.door(jump).turns.available_permits()
    }

    #[tokio::test]
    async fn a_door_that_hangs_up_gets_narrower_and_never_shut() {
        let turns = Turns::new(100);
        for _ in 0..3 {
            turns.wait(Some("gate,inner")).await.was_hung_up();
        }
        drop(turns.wait(Some("gate")).await);
        assert_eq!((free(&turns, "gate"), free(&turns, "other")), (THROUGH_A_JUMP - 3, THROUGH_A_JUMP));
        for _ in 0..100 {
            turns.wait(Some("gate")).await.was_hung_up();
        }
        assert_eq!(free(&turns, "gate"), 1);
        turns.wait(None).await.was_hung_up();
        assert_eq!(turns.all.available_permits(), 100);
    }
}
