//! The `Host` aliases of the ssh_config in use, those that a pattern matches, and the questions to `ssh -G`.
//!
//! Limits: a line's meaning for one host is asked of `ssh -G`, never worked out here. Aliases are listed whatever
//! block their `Include` stands in. Patterns, negated entries and names that ssh would refuse as an argument are left
//! out. `${VAR}` and `%` tokens in `Include`, new in OpenSSH 10, are not expanded. At most [`MAX_FILES`] files and
//! [`MAX_BYTES`] are read in all.

mod host;
mod include;
mod line;
mod need_to_ask;
mod reader;
mod resolve;

use std::path::{Path, PathBuf};

use sha2::Digest as _;

pub use self::host::{Host, resolve_for_visit};
use self::reader::read_config;
pub use self::resolve::{Resolved, find_duplicates, resolve};
use crate::escape::escape_head;
use crate::hostset::HostName;
use crate::hostset::pattern::matches;
use crate::located::Located;
use crate::message::InventoryMessage;

/// The most files of one ssh_config; a file that is included twice counts twice.
const MAX_FILES: usize = 10_000;

/// The most bytes of these files together.
const MAX_BYTES: u64 = 64 << 20;

/// The most aliases that are suggested where a pattern matches none.
const MAX_SUGGESTIONS: usize = 5;

/// A name of a `Host` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// The name, without quotes and escapes.
    pub name: HostName,
    /// The file that first names it.
    pub file: PathBuf,
    /// The line in that file, from 1.
    pub line: u64,
}

/// Lists the aliases of `config`, in the order of the files and each once.
///
/// Without a `config`, `~/.ssh/config` and `/etc/ssh/ssh_config` are read, as far as they exist. `none` is ssh's word
/// for no file.
///
/// # Errors
/// A file cannot be read, or ssh would refuse it.
pub fn list_aliases(config: Option<&Path>) -> Result<Vec<Alias>, Located> {
    read_config(config).map(|reader| reader.aliases)
}

/// Returns a digest of the content of the same files.
///
/// # Errors
/// As those of [`list_aliases`].
pub fn digest(config: Option<&Path>) -> Result<[u8; 32], Located> {
    read_config(config).map(|reader| reader.digest.finalize().into())
}

/// Returns the aliases that a pattern matches, in their order; at least one.
///
/// # Errors
/// The pattern matches none.
pub fn match_aliases<'a>(pattern: &str, aliases: &'a [Alias]) -> Result<Vec<&'a Alias>, Located> {
    let matching: Vec<&Alias> = aliases.iter().filter(|alias| matches(pattern, &alias.name)).collect();
    if matching.is_empty() {
        let hint = suggest_aliases(pattern, aliases).to_string();
        return Err(Located::new(escape_head(pattern), InventoryMessage::ConfigLacksAlias { hint }));
    }
    Ok(matching)
}

/// Suggests the aliases that are spelled most like a pattern.
fn suggest_aliases(pattern: &str, aliases: &[Alias]) -> InventoryMessage {
    let core = pattern.replace(['*', '?'], "");
    let length = core.chars().count();
    let distance = |alias: &Alias| {
        // A pattern is often the beginning of a name, so the same length of the name is compared as well.
        let start: String = alias.name.chars().take(length).collect();
        strsim::osa_distance(&core, &start).min(strsim::osa_distance(&core, &alias.name))
    };
    let mut near: Vec<(usize, &str)> = aliases.iter().map(|alias| (distance(alias), &*alias.name)).collect();
    near.retain(|(distance, _)| *distance <= 1 + length / 4);
    near.sort_unstable();
    let names: Vec<&str> = near.into_iter().take(MAX_SUGGESTIONS).map(|(_, name)| name).collect();
    match (aliases.len(), names.is_empty()) {
        (0, _) => InventoryMessage::ConfigNamesNoHost,
        (count, true) => InventoryMessage::ConfigAliasesDiffer { count },
        (_, false) => InventoryMessage::ConfigNearestAliases { names: names.join(", ") },
    }
}

#[cfg(test)]
mod tests;
