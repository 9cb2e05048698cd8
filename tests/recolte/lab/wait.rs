//! Waiting for something that can be observed, with a limit. Nothing here waits for a fixed time.

use std::time::{Duration, Instant};

/// The limit for one event, also on a busy machine.
pub const EVENT_TIMEOUT: Duration = Duration::from_secs(60);

/// The limit for the end of processes and sockets after a run. It is below the minute after which masters end by
/// themselves: a run must end them.
pub const CLEANUP_TIMEOUT: Duration = Duration::from_secs(30);

/// The time between two looks.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Waits until `look` returns something.
///
/// # Panics
/// After [`EVENT_TIMEOUT`].
#[track_caller]
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    within(EVENT_TIMEOUT, look)
        .unwrap_or_else(|| panic!("waited {} s in vain for: {what}", EVENT_TIMEOUT.as_secs()))
}

/// Waits until `look` returns something; returns `None` after the given time.
pub fn within<T>(time: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + time;
    loop {
        if let Some(seen) = look() {
            return Some(seen);
        }
        if Instant::now() > end {
            return None;
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}
