//! `--only` and `--exclude`: names, ranges and globs over the hosts already chosen.
//!
//! Pure. A word stands for `user@host` where it is the whole name or the host alone: to exclude a machine is to
//! exclude it whoever logs in.

use std::collections::{HashMap, HashSet};

use super::InventoryError;
use crate::hostset::pattern::{is_pattern, matches};
use crate::hostset::{self, HostName};

/// The words of one option, expanded; the numbers are places in `words`.
pub(super) struct Filter {
    words: Vec<String>,
    names: HashMap<HostName, usize>,
    globs: Vec<(String, usize)>,
}

/// What a filter found.
pub(super) struct Matching<'a> {
    /// The names that it stands for.
    pub(super) names: HashSet<&'a str>,
    /// The words that stand for none.
    pub(super) idle: Vec<String>,
}

impl Filter {
    /// Fails where a word is a broken range, or no name.
    pub(super) fn new(words: &[String]) -> Result<Self, InventoryError> {
        let mut filter = Self { words: words.to_vec(), names: HashMap::new(), globs: Vec::new() };
        for (nth, word) in words.iter().enumerate() {
            for name in hostset::expand(word.trim())? {
                if is_pattern(&name) {
                    filter.globs.push((name, nth));
                } else {
                    filter.names.insert(HostName::parse(&name)?, nth);
                }
            }
        }
        Ok(filter)
    }

    /// Which of `names` it stands for.
    pub(super) fn matching<'a>(&self, names: &'a [HostName]) -> Matching<'a> {
        let mut idle: Vec<bool> = vec![true; self.words.len()];
        let mut found = HashSet::new();
        for name in names {
            for nth in self.words_for(name) {
                found.insert(&**name);
                if let Some(idle) = idle.get_mut(nth) {
                    *idle = false;
                }
            }
        }
        let idle =
            self.words.iter().zip(idle).filter(|(_, idle)| *idle).map(|(word, _)| hostset::excerpt(word));
        Matching { names: found, idle: idle.collect() }
    }

    /// The places of the words that stand for `name`.
    fn words_for(&self, name: &str) -> impl Iterator<Item = usize> {
        let host = name.rsplit_once('@').map(|(_, host)| host);
        let called = [Some(name), host].into_iter().flatten();
        called.flat_map(|name| {
            let globs = self.globs.iter().filter(move |(glob, _)| matches(glob, name)).map(|(_, nth)| *nth);
            self.names.get(name).copied().into_iter().chain(globs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_ranges_and_globs_are_found_and_idle_words_told() {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let filter = Filter::new(&owned(&["m[1-2]", "prod-*", "typo"])).unwrap();
        let names = ["m1", "m3", "root@m2", "prod-a"].map(HostName::from);
        let found = filter.matching(&names);
        assert_eq!(found.names, HashSet::from(["m1", "root@m2", "prod-a"]));
        assert_eq!(found.idle, ["typo"]);
    }
}
