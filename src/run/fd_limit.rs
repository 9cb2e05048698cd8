//! Open files: the system's limit is raised to what we may have, and as many hosts are in flight as that carries.
//!
//! Limits: the hard limit is the administrator's; it is not touched.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// The most that one visit has open at once: two channels, two files of output, and eight files on their way home, each
/// through a channel of its own where the login user may not read them. A channel takes seven while it opens.
const EACH: u64 = 80;

/// What everything else has open.
const REST: u64 = 64;

/// How many of `parallel` hosts can be in flight, and what is to be told if that is not all of them.
pub fn fit(parallel: usize) -> (usize, Option<String>) {
    let limit = raise();
    let max = carried(limit);
    if parallel <= max {
        return (parallel, None);
    }
    let note = format!(
        "{max} hosts at a time instead of {parallel}: only {limit} files may be open here; raise the hard limit (ulimit -Hn)"
    );
    (max, Some(note))
}

/// Raises the limit to the hard one. Returns what it is then.
fn raise() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return u64::MAX };
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() { hard } else { soft }
}

/// How many visits a limit carries; one in any case.
fn carried(limit: u64) -> usize {
    usize::try_from(limit.saturating_sub(REST) / EACH).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_visits_as_the_limit_carries_and_at_least_one() {
        assert_eq!([0, 64, 1024, 4096].map(carried), [1, 1, 12, 50]);
        assert_eq!(fit(1), (1, None));
    }
}
