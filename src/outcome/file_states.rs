//! The state of the files on a host before its script began, by which the files of this run are told.
//!
//! States are compared as the host's own text: no clock is compared with another. Limits: how finely a change shows
//! is the host's business (`remote/list`).

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::escape::escape;

/// The state of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileState {
    /// Device, inode, length and time of change of the content.
    pub content: String,
    /// The rest: rights, owner, number of names.
    pub rest: String,
}

/// The states of the files that the globs match, by name as it is shown: where two names look alike, their inodes
/// still differ.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FileStates(HashMap<String, FileState>);

impl<'a> FromIterator<(&'a [u8], FileState)> for FileStates {
    fn from_iter<T: IntoIterator<Item = (&'a [u8], FileState)>>(states: T) -> Self {
        Self(states.into_iter().map(|(name, state)| (escape(name), state)).collect())
    }
}

/// The difference between a file and its earlier state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was not there, or its content was changed.
    Content,
    /// Only its rights, owner or names were changed.
    Rest,
    /// It is as it was.
    Nothing,
}

impl FileStates {
    /// Compares a file with its state among these.
    pub fn compare(&self, name: &[u8], now: &FileState) -> Change {
        match self.0.get(&escape(name)) {
            Some(before) if before == now => Change::Nothing,
            Some(before) if before.content == now.content => Change::Rest,
            _ => Change::Content,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_compared_with_what_was_there_before_also_from_the_journal() {
        let state = |content: &str, rest: &str| FileState { content: content.into(), rest: rest.into() };
        let before: FileStates = [(&b"/tmp/a"[..], state("1 7", "644")), (b"/tmp/\xff", state("2 7", "644"))]
            .into_iter()
            .collect();
        let json = serde_json::to_string(&before).unwrap();
        for states in [before, serde_json::from_str(&json).unwrap()] {
            assert_eq!(states.compare(b"/tmp/a", &state("1 7", "644")), Change::Nothing);
            assert_eq!(states.compare(b"/tmp/a", &state("1 7", "600")), Change::Rest);
            assert_eq!(states.compare(b"/tmp/a", &state("1 8", "644")), Change::Content);
            assert_eq!(states.compare(b"/tmp/\xff", &state("2 7", "644")), Change::Nothing);
            assert_eq!(states.compare(b"/tmp/b", &state("3 7", "644")), Change::Content);
        }
    }
}
