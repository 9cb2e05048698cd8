//! The limit of open files: raised as far as allowed, and the number of hosts visited at once is reduced to fit it.
//!
//! Limits: the hard limit is the administrator's and is not changed.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::message::RunMessage;

/// The maximum number of files that one visit has open: three channels, each of which needs seven while it opens, two
/// output files, up to eight files being collected, what ssh itself needs, and as much again.
const FILES_PER_VISIT: u64 = 80;

/// The number of files that everything else has open.
const OTHER_FILES: u64 = 64;

/// Returns how many of `parallel` hosts can be visited at once, and a note if that is fewer.
pub fn fit_parallel(parallel: usize) -> (usize, Option<RunMessage>) {
    let limit = raise_limit();
    let max = max_visits(limit);
    if parallel <= max {
        return (parallel, None);
    }
    (max, Some(RunMessage::FewerHostsAtOnce { max, parallel, limit }))
}

/// Raises the soft limit to the hard one. Returns the limit that applies then.
fn raise_limit() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return u64::MAX };
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() { hard } else { soft }
}

/// Returns how many visits fit into a limit; at least one.
fn max_visits(limit: u64) -> usize {
    usize::try_from(limit.saturating_sub(OTHER_FILES) / FILES_PER_VISIT).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_visits_as_fit_into_the_limit_and_at_least_one() {
        assert_eq!([0, 64, 1024, 4096].map(max_visits), [1, 1, 12, 50]);
        assert_eq!(fit_parallel(1), (1, None));
    }
}
