//! Selects the hosts to visit: by names, ranges, patterns over the aliases of ssh_config, and a register of machines.
//!
//! Limits: reads files and runs nothing, so whether a host exists is not known here. Names are compared as written:
//! two names of one machine are two targets (`ssh_config` finds such duplicates).

mod filter;
pub mod host_list;
pub mod register;

use std::collections::HashSet;
use std::path::PathBuf;

use serde::Deserialize;

use self::filter::Filter;
use self::register::{Register, read_register};
use crate::escape::{escape_head, escape_path};
use crate::hostset::pattern::is_pattern;
use crate::hostset::{HostName, MAX_NAMES, check_spelling, expand_ranges, fold_names};
use crate::located::Located;
use crate::message::InventoryMessage;
use crate::ssh_config::{self, Alias};

/// A host to visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// An alias of ssh_config, a host or `user@host`.
    pub host: HostName,
    /// The origin of the name, for people: `by name`, a range, a pattern and the line of its alias, or the register.
    pub source: String,
}

/// The hosts that are asked for: `[targets]` of the job file, changed and completed by the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "struct Targets")]
pub struct Selection {
    /// Names, ranges, and patterns over the aliases of ssh_config.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Names, ranges, and patterns over the selected hosts: these are left out.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Names, ranges, and patterns of `--only`: if there are any, only the selected hosts that they match remain.
    #[serde(skip)]
    pub only: Vec<String>,
    /// The register of machines, whose hosts follow those of `hosts`.
    pub register: Option<Register>,
    /// The ssh_config of `-F` or `ssh.config`; it is read only where `hosts` holds a pattern.
    #[serde(skip)]
    pub config: Option<PathBuf>,
}

/// The result of a selection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// The hosts: at least one, each name once, in the order written.
    pub targets: Vec<Target>,
    /// Notes for people, a line each: repeated names, entries that match nothing, rows that were left out.
    pub notes: Vec<String>,
}

/// An error of a selection.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// An entry or a file is wrong.
    #[error(transparent)]
    Located(#[from] Located),
    /// No host is named or left, or there are too many.
    #[error("{0}")]
    Count(InventoryMessage),
}

/// Expands an entry, a name, a range or a pattern, to names and patterns.
///
/// # Errors
/// It is a broken range, no name, or spelled as for another tool.
pub fn expand_entry(entry: &str) -> Result<Vec<String>, Located> {
    check_spelling(entry.trim())?;
    let words = expand_ranges(entry.trim())?;
    words.iter().filter(|word| !is_pattern(word)).try_for_each(|name| HostName::parse(name).map(drop))?;
    Ok(words)
}

/// Selects the hosts to visit.
///
/// # Errors
/// An entry, the ssh_config or the register is wrong, or no host is left.
pub fn select(selection: &Selection) -> Result<Selected, InventoryError> {
    let mut notes = Vec::new();
    let (exclude, only) = (Filter::new(&selection.exclude)?, Filter::new(&selection.only)?);
    let mut named = expand_entries(selection)?;
    if let Some(register) = &selection.register {
        let found = read_register(register)?;
        notes.extend(found.notes);
        let source = escape_path(&register.file);
        named.extend(found.hosts.into_iter().map(|host| Target { host, source: source.clone() }));
    }
    let named = drop_repeated(named, &mut notes);
    check_count(named.len())?;
    let names: Vec<HostName> = named.iter().map(|target| target.host.clone()).collect();
    let (excluded, unmatched) = exclude.find_matches(&names);
    let excludes = unmatched.into_iter().map(|entry| InventoryMessage::ExcludeMatchesNone { entry });
    let (chosen, unmatched) = only.find_matches(&names);
    let onlys = unmatched.into_iter().map(|entry| InventoryMessage::OnlyMatchesNone { entry });
    notes.extend(excludes.chain(onlys).map(|note| note.to_string()));
    let stays = |name: &str| !excluded.contains(name) && (selection.only.is_empty() || chosen.contains(name));
    let targets: Vec<Target> = named.into_iter().filter(|target| stays(&target.host)).collect();
    if targets.is_empty() {
        let named = escape_head(&fold_names(&names));
        return Err(InventoryError::Count(InventoryMessage::NoHostLeft { named }));
    }
    Ok(Selected { targets, notes })
}

/// Expands the entries of `hosts` to targets.
fn expand_entries(selection: &Selection) -> Result<Vec<Target>, InventoryError> {
    let mut targets = Vec::new();
    let mut aliases = None;
    for entry in selection.hosts.iter().map(|entry| entry.trim()) {
        for name in expand_entry(entry)? {
            if is_pattern(&name) {
                if aliases.is_none() {
                    aliases = Some(ssh_config::list_aliases(selection.config.as_deref())?);
                }
                let matching = ssh_config::match_aliases(&name, aliases.as_deref().unwrap_or_default())?;
                targets.extend(matching.into_iter().map(|alias| alias_target(&name, alias)));
            } else {
                let source =
                    if name == entry { InventoryMessage::ByName.to_string() } else { entry.to_owned() };
                targets.push(Target { host: HostName::parse(&name)?, source });
            }
        }
        // Checked at each entry, so that a thousand wide ranges do not fill the memory first.
        check_count(targets.len())?;
    }
    Ok(targets)
}

fn alias_target(pattern: &str, alias: &Alias) -> Target {
    let (pattern, file) = (pattern.to_owned(), escape_path(&alias.file));
    let source = InventoryMessage::ByAlias { pattern, file, line: alias.line }.to_string();
    Target { host: alias.name.clone(), source }
}

/// Keeps the first target of each name; a note lists the other names.
fn drop_repeated(named: Vec<Target>, notes: &mut Vec<String>) -> Vec<Target> {
    let mut seen = HashSet::new();
    let (first, repeated): (Vec<Target>, Vec<Target>) =
        named.into_iter().partition(|target| seen.insert(target.host.clone()));
    if !repeated.is_empty() {
        let names: Vec<HostName> = repeated.into_iter().map(|target| target.host).collect();
        notes.push(InventoryMessage::NamedRepeatedly { hosts: fold_names(&names) }.to_string());
    }
    first
}

fn check_count(count: usize) -> Result<(), InventoryError> {
    match count {
        0 => Err(InventoryError::Count(InventoryMessage::NoHostNamed)),
        _ if count as u64 > MAX_NAMES => {
            Err(InventoryError::Count(InventoryMessage::TooManyHosts { count, max: MAX_NAMES }))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
