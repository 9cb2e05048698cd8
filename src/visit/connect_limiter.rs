//! Limits how many connections are made at once: over all hosts, since a handshake costs this machine's processor,
//! and through each jump host.
//!
//! A jump host's limit exists since its sshd drops new connections while too many are not authenticated yet
//! (`MaxStartups`, by default from the tenth on). It shrinks each time a connection through it is dropped. One that
//! refuses a login is not asked again: repeated attempts get accounts locked. Limits: two routes through one jump
//! host share its limit only if they name it alike.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::remote::ConnectError;

/// The most connections that are made at once through one jump host: its sshd drops some from the tenth on.
const JUMP_HOST_LIMIT: usize = 8;

/// Limits how many connections of a run are made at once.
pub struct ConnectLimiter {
    all: Semaphore,
    jump_hosts: Mutex<HashMap<String, Arc<JumpHostLimit>>>,
    /// The reasons why a `ProxyJump` let nobody through: a refused key, an unknown host key, a closed port. It is not
    /// asked again.
    refusals: Mutex<HashMap<String, ConnectError>>,
}

/// A jump host's limit.
struct JumpHostLimit {
    permits: Arc<Semaphore>,
    /// The number of permits, given out or not.
    size: AtomicUsize,
}

/// The permission to make one connection, until it is dropped.
pub(super) struct ConnectPermit<'a> {
    _of_all: Option<SemaphorePermit<'a>>,
    jump_host: Option<(Arc<JumpHostLimit>, OwnedSemaphorePermit)>,
}

impl ConnectLimiter {
    /// Makes a limiter that lets so many connections be made at once.
    pub fn new(handshakes: usize) -> Self {
        Self { all: Semaphore::new(handshakes), jump_hosts: Mutex::default(), refusals: Mutex::default() }
    }

    /// Waits for the permission to make a connection; `jump` is the host's `ProxyJump`.
    pub(super) async fn acquire(&self, jump: Option<&str>) -> ConnectPermit<'_> {
        // The jump host first: who waits for it must not hold a permit that other hosts could use. An error would
        // mean that a semaphore was closed, which nobody does.
        let jump_host = match jump.map(|jump| self.jump_host_limit(jump)) {
            Some(limit) => {
                let permit = Arc::clone(&limit.permits).acquire_owned().await;
                permit.ok().map(|permit| (limit, permit))
            }
            None => None,
        };
        ConnectPermit { _of_all: self.all.acquire().await.ok(), jump_host }
    }

    /// Returns why a host's `ProxyJump` let nobody through before, if it did not.
    pub(super) fn refusal_of(&self, jump: Option<&str>) -> Option<ConnectError> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).get(jump?).cloned()
    }

    /// Notes that a `ProxyJump` let nobody through, for all hosts behind it.
    pub(super) fn note_refusal(&self, jump: String, error: ConnectError) {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).insert(jump, error);
    }

    /// Returns the limit of the first jump host: the one that this machine connects to.
    fn jump_host_limit(&self, jump: &str) -> Arc<JumpHostLimit> {
        let first = jump.split(',').next().unwrap_or(jump).to_owned();
        let mut limits = self.jump_hosts.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(limits.entry(first).or_insert_with(|| {
            let permits = Arc::new(Semaphore::new(JUMP_HOST_LIMIT));
            Arc::new(JumpHostLimit { permits, size: AtomicUsize::new(JUMP_HOST_LIMIT) })
        }))
    }
}

impl ConnectPermit<'_> {
    /// Notes that the connection was dropped early. If it led through a jump host, that one may have dropped it: its
    /// limit shrinks by this permit, down to one.
    pub(super) fn note_dropped_connection(self) {
        if let Some((limit, permit)) = self.jump_host {
            let smaller = |size: usize| (size > 1).then(|| size - 1);
            if limit.size.fetch_update(Ordering::Relaxed, Ordering::Relaxed, smaller).is_ok() {
                permit.forget();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free(limiter: &ConnectLimiter, jump: &str) -> usize {
        limiter.jump_host_limit(jump).permits.available_permits()
    }

    #[tokio::test]
    async fn a_jump_host_limit_shrinks_with_each_dropped_connection_down_to_one() {
        let limiter = ConnectLimiter::new(100);
        for _ in 0..3 {
            limiter.acquire(Some("gate,inner")).await.note_dropped_connection();
        }
        drop(limiter.acquire(Some("gate")).await);
        assert_eq!((free(&limiter, "gate"), free(&limiter, "other")), (JUMP_HOST_LIMIT - 3, JUMP_HOST_LIMIT));
        for _ in 0..100 {
            limiter.acquire(Some("gate")).await.note_dropped_connection();
        }
        assert_eq!(free(&limiter, "gate"), 1);
        limiter.acquire(None).await.note_dropped_connection();
        assert_eq!(limiter.all.available_permits(), 100);
    }
}
