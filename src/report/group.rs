//! Groups of hosts that ended alike: 500 hosts that failed for one reason are one line of a report.
//!
//! Pure. Hosts that did not succeed come first, by outcome, then in the order in which they were visited.

use std::collections::HashMap;
use std::time::Duration;

use super::phrases::{bounded_text, visit_duration};
use crate::hostset::fold;
use crate::outcome::{HostReport, Outcome};

/// Hosts that share outcome, step, cause, message, hint and exit status; at least one.
pub(crate) struct Group<'a> {
    /// The first host: what it says of its end holds for all.
    pub(crate) first: &'a HostReport,
    /// All of the hosts, in the order in which they were visited.
    pub(crate) hosts: Vec<&'a HostReport>,
}

impl Group<'_> {
    /// Checks whether the hosts succeeded.
    pub(crate) fn succeeded(&self) -> bool {
        self.first.outcome == Outcome::Succeeded
    }

    /// Returns the folded names of the hosts.
    pub(crate) fn folded_names(&self) -> String {
        let names: Vec<&str> = self.hosts.iter().map(|host| &*host.host).collect();
        bounded_text(&fold(&names), usize::MAX)
    }

    /// Returns the duration of the longest visit.
    pub(crate) fn longest_visit(&self) -> Option<Duration> {
        self.hosts.iter().filter_map(|host| visit_duration(host)).max()
    }
}

/// Sorts hosts as reports list them: those that did not succeed first.
pub(crate) fn sort_hosts(hosts: &[HostReport]) -> Vec<&HostReport> {
    let mut hosts: Vec<&HostReport> = hosts.iter().collect();
    hosts.sort_by_key(|host| (host.outcome == Outcome::Succeeded, host.outcome));
    hosts
}

/// Groups hosts that ended alike. Hosts that succeeded stay single while they are at most `max_single`.
pub(crate) fn group_hosts(hosts: &[HostReport], max_single: usize) -> Vec<Group<'_>> {
    let single = hosts.iter().filter(|host| host.outcome == Outcome::Succeeded).count() <= max_single;
    let mut groups: Vec<Group> = Vec::new();
    let mut positions = HashMap::new();
    for host in sort_hosts(hosts) {
        // With its own name in the key, a host shares its group with no other.
        let name = (single && host.outcome == Outcome::Succeeded).then_some(&host.host);
        let key = (name, host.outcome, host.step, host.cause, &host.message, &host.hint, host.exit_status);
        let position = *positions.entry(key).or_insert(groups.len());
        match groups.get_mut(position) {
            Some(group) => group.hosts.push(host),
            None => groups.push(Group { first: host, hosts: vec![host] }),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::phrases::{count_files, sum_bytes};
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
        let names =
            |max_single| group_hosts(&hosts, max_single).iter().map(Group::folded_names).collect::<Vec<_>>();
        assert_eq!(names(0), ["t", "m[1-2]", "a[1-2]"]);
        assert_eq!(names(2), ["t", "m[1-2]", "a1", "a2"]);
        let all = group_hosts(&hosts, 0);
        assert_eq!((count_files(&all[2].hosts), sum_bytes(&all[2].hosts)), (3, 3 * 3482));
        assert_eq!(all[2].longest_visit(), Some(Duration::from_millis(1200)));
    }
}
