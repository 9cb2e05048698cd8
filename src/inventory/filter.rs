//! `--only` and `--exclude`: names, ranges and patterns that match hosts already selected.
//!
//! Pure. An entry matches `user@host` by the whole name or by the host alone: a machine is excluded whoever logs in.

use std::collections::{HashMap, HashSet};

use super::expand_entry;
use crate::escape::escape_head;
use crate::hostset::HostName;
use crate::hostset::pattern::{is_pattern, matches};
use crate::located::Located;

/// The entries of one option, each with the names and patterns that it stands for.
pub(super) struct Filter(Vec<(String, Vec<String>)>);

impl Filter {
    /// Expands the entries of an option.
    ///
    /// # Errors
    /// An entry is a broken range, or no name.
    pub(super) fn new(entries: &[String]) -> Result<Self, Located> {
        let expanded = entries.iter().map(|entry| Ok((entry.clone(), expand_entry(entry)?)));
        expanded.collect::<Result<_, _>>().map(Self)
    }

    /// Finds the names that the entries match, and the entries that match none.
    pub(super) fn find_matches<'a>(&self, names: &'a [HostName]) -> (HashSet<&'a str>, Vec<String>) {
        let mut by_part: HashMap<&str, Vec<&str>> = HashMap::new();
        for name in names {
            let host = name.rsplit_once('@').map(|(_, host)| host);
            for part in [Some(&**name), host].into_iter().flatten() {
                by_part.entry(part).or_default().push(name);
            }
        }
        let (mut matched, mut unmatched) = (HashSet::new(), Vec::new());
        for (entry, words) in &self.0 {
            let mut found: Vec<&str> = Vec::new();
            for word in words {
                if is_pattern(word) {
                    let matching = by_part.iter().filter(|(part, _)| matches(word, part));
                    found.extend(matching.flat_map(|(_, names)| names));
                } else {
                    found.extend(by_part.get(word.as_str()).into_iter().flatten());
                }
            }
            if found.is_empty() {
                unmatched.push(escape_head(entry));
            }
            matched.extend(found);
        }
        (matched, unmatched)
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
        let (matched, unmatched) = filter.find_matches(&names);
        assert_eq!(matched, HashSet::from(["m1", "root@m2", "prod-a"]));
        assert_eq!(unmatched, ["typo"]);
    }
}
