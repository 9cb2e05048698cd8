//! `--only` and `--exclude`: names, ranges and patterns that match hosts already selected.
//!
//! Pure. An entry matches `user@host` by the whole name or by the host alone: a machine is excluded whoever logs in.

use std::collections::{HashMap, HashSet};

use crate::escape::escape_head;
use crate::hostset::pattern::{is_pattern, matches};
use crate::hostset::{HostName, expand_ranges};
use crate::located::Located;

/// The entries of one option, expanded; each number is an index in `entries`.
pub(super) struct Filter {
    entries: Vec<String>,
    names: HashMap<HostName, usize>,
    patterns: Vec<(String, usize)>,
}

/// The result of a filter.
pub(super) struct FilterMatches<'a> {
    /// The names that an entry matches.
    pub(super) names: HashSet<&'a str>,
    /// The entries that match no name.
    pub(super) unmatched: Vec<String>,
}

impl Filter {
    /// Expands the entries of an option.
    ///
    /// # Errors
    /// An entry is a broken range, or no name.
    pub(super) fn new(entries: &[String]) -> Result<Self, Located> {
        let mut filter = Self { entries: entries.to_vec(), names: HashMap::new(), patterns: Vec::new() };
        for (index, entry) in entries.iter().enumerate() {
            for name in expand_ranges(entry.trim())? {
                if is_pattern(&name) {
                    filter.patterns.push((name, index));
                } else {
                    filter.names.insert(HostName::parse(&name)?, index);
                }
            }
        }
        Ok(filter)
    }

    /// Finds the names that the entries match, and the entries that match none.
    pub(super) fn find_matches<'a>(&self, names: &'a [HostName]) -> FilterMatches<'a> {
        let mut matched = HashSet::new();
        let mut used = HashSet::new();
        for name in names {
            for index in self.matching_entries(name) {
                matched.insert(&**name);
                used.insert(index);
            }
        }
        let unmatched = self.entries.iter().enumerate().filter(|(index, _)| !used.contains(index));
        let unmatched = unmatched.map(|(_, entry)| escape_head(entry)).collect();
        FilterMatches { names: matched, unmatched }
    }

    /// Returns the indexes of the entries that match a name.
    fn matching_entries(&self, name: &str) -> impl Iterator<Item = usize> {
        let host = name.rsplit_once('@').map(|(_, host)| host);
        [Some(name), host].into_iter().flatten().flat_map(|name| {
            let patterns = self.patterns.iter().filter(move |(pattern, _)| matches(pattern, name));
            self.names.get(name).copied().into_iter().chain(patterns.map(|(_, index)| *index))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_ranges_and_patterns_match_and_unmatched_entries_are_listed() {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let filter = Filter::new(&owned(&["m[1-2]", "prod-*", "typo"])).unwrap();
        let names = ["m1", "m3", "root@m2", "prod-a"].map(HostName::from);
        let found = filter.find_matches(&names);
        assert_eq!(found.names, HashSet::from(["m1", "root@m2", "prod-a"]));
        assert_eq!(found.unmatched, ["typo"]);
    }
}
