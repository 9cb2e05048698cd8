//! Groups of hosts that ended alike: 500 hosts that failed for one reason are one line of a report.
//!
//! Pure. Hosts that did not succeed come first, by outcome, then in the order in which they were visited.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use super::phrases;
use crate::escape::escape;
use crate::hostset::fold_names;
use crate::outcome::{HostReport, Outcome};

/// Hosts that share outcome, step, cause, message, hint and exit status; at least one.
pub(crate) struct Group<'a> {
    /// The first host: its outcome, reason and hint are those of all.
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
        escape(fold_names(&names).as_bytes())
    }

    /// Returns the duration of the longest visit.
    pub(crate) fn longest_visit(&self) -> Option<Duration> {
        self.hosts.iter().filter_map(|host| phrases::visit_duration(host)).max()
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
    let groups = group_by_key(&sort_hosts(hosts), |host| {
        // With its own name in the key, a host shares its group with no other.
        let name = (single && host.outcome == Outcome::Succeeded).then_some(&host.host);
        (name, host.outcome, host.step, host.cause, &host.message, &host.hint, host.exit_status)
    });
    groups.into_iter().map(|(first, hosts)| Group { first, hosts }).collect()
}

/// Groups items with equal keys, in the order of their first items; returns these with their groups.
pub(crate) fn group_by_key<T: Copy, K: Hash + Eq>(items: &[T], key: impl Fn(T) -> K) -> Vec<(T, Vec<T>)> {
    let mut groups: Vec<(T, Vec<T>)> = Vec::new();
    let mut positions = HashMap::new();
    for &item in items {
        let position = *positions.entry(key(item)).or_insert(groups.len());
        match groups.get_mut(position) {
            Some((_, items)) => items.push(item),
            None => groups.push((item, vec![item])),
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
            samples::succeeded_host("a1", 1),
            samples::refused_host("m1"),
            samples::succeeded_host("a2", 2),
            samples::failed_host("t", 3),
            samples::refused_host("m2"),
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
