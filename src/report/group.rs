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

/// Stands for the name of any host of a group.
const ANY_HOST: &str = "HOST";

/// Hosts that share outcome, step, cause, message, hint and exit status; at least one.
pub(crate) struct Group<'a> {
    /// The first host: its outcome, reason and hint are those of all, with [`ANY_HOST`] for what is its own name.
    pub(crate) first: HostReport,
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
    let key = |host: &HostReport| {
        // With its own name in the key, a host shares its group with no other.
        let name = (single && host.outcome == Outcome::Succeeded).then(|| host.host.clone());
        (name, host.outcome, host.step, host.cause, host.exit_status)
    };
    let texts =
        |host: &HostReport| [&host.message, &host.hint].map(|text| text.clone().unwrap_or_default()).to_vec();
    let groups = group_by_key(&sort_hosts(hosts), |host| &host.host, texts, key);
    let group = |(first, texts, hosts): (&HostReport, Vec<String>, _)| {
        let [message, hint] = [0, 1].map(|nth| texts.get(nth).cloned().filter(|text| !text.is_empty()));
        Group { first: HostReport { message, hint, ..first.clone() }, hosts }
    };
    groups.into_iter().map(group).collect()
}

/// Groups items with equal keys and texts, in the order of their first items; returns these with their texts and
/// their groups. Texts that differ only in the name of their host are equal too: [`ANY_HOST`] stands in its place.
pub(crate) fn group_by_key<'a, T, K: Hash + Eq>(
    items: &[&'a T],
    name: impl Fn(&'a T) -> &'a str,
    texts: impl Fn(&'a T) -> Vec<String>,
    key: impl Fn(&'a T) -> K,
) -> Vec<(&'a T, Vec<String>, Vec<&'a T>)> {
    let mut counts = HashMap::new();
    items.iter().for_each(|item| *counts.entry((key(item), texts(item))).or_insert(0) += 1);
    let mut groups: Vec<(&T, Vec<String>, Vec<&T>)> = Vec::new();
    let mut positions = HashMap::new();
    for &item in items {
        let mut whole = (key(item), texts(item));
        // What is equal as it stands stays so, even where one of the hosts is called like a word of it.
        if counts.get(&whole) == Some(&1) {
            whole.1.iter_mut().for_each(|text| *text = hide_name(text, name(item)));
        }
        let shown = whole.1.clone();
        let position = *positions.entry(whole).or_insert(groups.len());
        match groups.get_mut(position) {
            Some((_, _, items)) => items.push(item),
            None => groups.push((item, shown, vec![item])),
        }
    }
    let single = groups.iter_mut().filter(|(_, _, items)| items.len() == 1);
    single.for_each(|(first, shown, _)| *shown = texts(first));
    groups
}

/// Puts [`ANY_HOST`] wherever the name of a host, or what follows its `@`, stands as a word of its own.
fn hide_name(text: &str, name: &str) -> String {
    let host = name.rsplit_once('@').map_or(name, |(_, host)| host);
    let is_part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    let (mut hidden, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once(host) {
        hidden.push_str(before);
        let is_word = !hidden.ends_with(is_part) && !after.starts_with(is_part);
        hidden.push_str(if is_word { ANY_HOST } else { host });
        rest = after;
    }
    hidden + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::phrases::{count_files, sum_bytes};
    use crate::report::samples;

    #[test]
    fn failures_that_differ_in_the_own_name_of_the_host_are_one_group() {
        let host = |name: &str, message: &str, hint: &str| HostReport {
            message: Some(message.to_owned()),
            hint: Some(hint.to_owned()),
            ..samples::refused_host(name)
        };
        let hosts = [
            host("n1", "n1: no such file", "try `ssh n1 true`, n1.fr"),
            host("op@n2", "n2: no such file", "try `ssh n2 true`, n2.fr"),
            host("n3", "n30: no such file", "try `ssh n3 true`, n3.fr"),
            host("log", "/var/log: full", ""),
            host("web", "/var/log: full", ""),
            host("db", "db-1 is full", ""),
        ];
        let groups = group_hosts(&hosts, 0);
        let shown: Vec<(String, &str)> = groups
            .iter()
            .map(|group| (group.folded_names(), group.first.message.as_deref().unwrap()))
            .collect();
        assert_eq!(
            shown,
            [
                ("n1,op@n2".to_owned(), "HOST: no such file"),
                ("n3".to_owned(), "n30: no such file"),
                ("log,web".to_owned(), "/var/log: full"),
                ("db".to_owned(), "db-1 is full"),
            ]
        );
        assert_eq!(groups[0].first.hint.as_deref(), Some("try `ssh HOST true`, HOST.fr"));
    }

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
