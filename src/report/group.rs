//! Hosts that ended alike, gathered: 500 hosts that failed for one reason are one line.
//!
//! Pure. Those that did not succeed come first, by outcome, then in the order visited.

use std::collections::HashMap;
use std::time::Duration;

use super::words;
use crate::hostset::fold_names;
use crate::outcome::{HostReport, Outcome};

/// Hosts of one outcome, step, cause, message, hint and exit status; never empty.
pub(crate) struct Group<'a> {
    /// The first of them speaks for all.
    pub(crate) head: &'a HostReport,
    /// All of them, in the order visited.
    pub(crate) hosts: Vec<&'a HostReport>,
}

impl<'a> Group<'a> {
    /// A group of one.
    fn of(head: &'a HostReport) -> Self {
        Self { head, hosts: vec![head] }
    }

    /// Whether these hosts succeeded.
    pub(crate) fn succeeded(&self) -> bool {
        self.head.outcome == Outcome::Succeeded
    }

    /// The names, folded.
    pub(crate) fn names(&self) -> String {
        let names: Vec<&str> = self.hosts.iter().map(|host| &*host.host).collect();
        words::clean(&fold_names(&names), usize::MAX)
    }

    /// How many files they gave.
    pub(crate) fn files(&self) -> usize {
        self.hosts.iter().map(|host| host.files.len()).sum()
    }

    /// How many bytes they gave.
    pub(crate) fn bytes(&self) -> u64 {
        self.hosts.iter().map(|host| words::size(host)).fold(0, u64::saturating_add)
    }

    /// The longest visit.
    pub(crate) fn longest(&self) -> Option<Duration> {
        self.hosts.iter().filter_map(|host| words::took(host)).max()
    }
}

/// The hosts in the order reports have them: those that did not succeed first.
pub(crate) fn ordered(hosts: &[HostReport]) -> Vec<&HostReport> {
    let mut hosts: Vec<&HostReport> = hosts.iter().collect();
    hosts.sort_by_key(|host| rank(host.outcome));
    hosts
}

/// The hosts gathered; those that succeeded stay one by one while there are at most `alone` of them.
pub(crate) fn groups(hosts: &[HostReport], alone: usize) -> Vec<Group<'_>> {
    let few = hosts.iter().filter(|host| host.outcome == Outcome::Succeeded).count() <= alone;
    let mut groups: Vec<Group> = Vec::new();
    let mut places = HashMap::new();
    for host in ordered(hosts) {
        if few && host.outcome == Outcome::Succeeded {
            groups.push(Group::of(host));
            continue;
        }
        let fresh = groups.len();
        let key = (host.outcome, host.step, host.cause, &host.message, &host.hint, host.exit_status);
        match groups.get_mut(*places.entry(key).or_insert(fresh)) {
            Some(group) => group.hosts.push(host),
            None => groups.push(Group::of(host)),
        }
    }
    groups
}

/// Where an outcome stands in a report.
fn rank(outcome: Outcome) -> (bool, Outcome) {
    (outcome == Outcome::Succeeded, outcome)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn hosts_that_ended_alike_are_one_group_and_failures_come_first() {
        let hosts = [
            samples::good("a1", 1),
            samples::refused("m1"),
            samples::good("a2", 2),
            samples::failed("t", 3),
            samples::refused("m2"),
        ];
        let names = |alone| groups(&hosts, alone).iter().map(Group::names).collect::<Vec<_>>();
        assert_eq!(names(0), ["t", "m[1-2]", "a[1-2]"]);
        assert_eq!(names(2), ["t", "m[1-2]", "a1", "a2"]);
        let all = groups(&hosts, 0);
        assert_eq!((all[2].files(), all[2].bytes()), (3, 3 * 3482));
        assert_eq!(all[2].longest(), Some(Duration::from_millis(1200)));
    }
}
