//! Waiting for events: always for something that can be seen, never longer than a minute.

use std::time::{Duration, Instant};

/// The longest wait for one event: long enough for a busy machine, short enough to be told of.
pub const EVENT_TIMEOUT: Duration = Duration::from_secs(60);

/// The longest time that something of ours may take to go: less than the minute after which our masters end by
/// themselves, which is no tidying.
pub const CLEANUP_TIMEOUT: Duration = Duration::from_secs(30);

/// How often is looked.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Looks until there is something; fails loudly when there is nothing after [`EVENT_TIMEOUT`].
#[track_caller]
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    within(EVENT_TIMEOUT, look)
        .unwrap_or_else(|| panic!("waited {} s in vain for: {what}", EVENT_TIMEOUT.as_secs()))
}

/// Looks until there is something, or until the time is over.
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
