//! Who is visited: names, ranges, globs over ssh_config's aliases, and the register of machines.
//!
//! Reads files, runs nothing: whether a host exists, and where it is, `ssh -G` says later. Names are compared as
//! written; two names of one machine are two targets here.

mod filter;
pub mod host_list;
pub mod register;

use std::collections::HashSet;
use std::path::PathBuf;

use self::filter::Filter;
use self::register::{Register, RegisterError};
use crate::escape::escape;
use crate::hostset::pattern::is_pattern;
use crate::hostset::{self, HostName, MAX_NAMES, NameError, RangeError, fold};
use crate::ssh_config::{self, Alias, SshConfigError};

/// One host to visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name, valid as an argument of ssh: an alias, a host or `user@host`.
    pub host: HostName,
    /// Where the name came from, for people: `by name`, a range, a glob and its line, or the register.
    pub source: String,
}

/// What the job and its options say of who is visited.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Names, ranges, and globs over the aliases of ssh_config.
    pub hosts: Vec<String>,
    /// Names, ranges, and globs over the hosts chosen: these are left out.
    pub exclude: Vec<String>,
    /// The same: where there are any, only these remain.
    pub only: Vec<String>,
    /// More hosts, after `hosts`.
    pub register: Option<Register>,
    /// The ssh_config of `-F`; it is read only where `hosts` holds a glob.
    pub config: Option<PathBuf>,
}

/// Who is visited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// At least one, each name once, in the order written.
    pub targets: Vec<Target>,
    /// What the reader of a run should know, a line each: names met twice, patterns without effect, rows left out.
    pub notes: Vec<String>,
}

/// Why nobody can be visited.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// A range is broken.
    #[error(transparent)]
    Range(#[from] RangeError),
    /// A name is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The ssh_config gives no answer.
    #[error(transparent)]
    Alias(#[from] SshConfigError),
    /// The register gives none.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// Nothing was named.
    #[error("no host is named; use --hosts, $LIST_SERVEUR, or `hosts` or `register` of [targets]")]
    Unnamed,
    /// Nothing was left.
    #[error("no host is left of {named}; loosen --only and --exclude (`exclude` of [targets])")]
    Nobody {
        /// The hosts named, folded, cut where they are many.
        named: String,
    },
    /// More than [`MAX_NAMES`].
    #[error("{count} hosts are named, more than {MAX_NAMES}; visit them in several runs")]
    TooMany {
        /// How many.
        count: usize,
    },
}

/// Whether a word of a list is one that [`select`] can read: a name, a range, a glob.
pub fn check(word: &str) -> Result<(), InventoryError> {
    let names = hostset::expand(word.trim())?;
    names.iter().filter(|name| !is_pattern(name)).try_for_each(|name| Ok(HostName::parse(name).map(drop)?))
}

/// Who `selection` visits.
pub fn select(selection: &Selection) -> Result<Selected, InventoryError> {
    let mut notes = Vec::new();
    let (exclude, only) = (Filter::new(&selection.exclude)?, Filter::new(&selection.only)?);
    let mut named = by_word(selection)?;
    if let Some(register) = &selection.register {
        named.extend(by_register(register, &mut notes)?);
    }
    let named = once(named, &mut notes);
    check_count(named.len())?;
    let names: Vec<HostName> = named.iter().map(|target| target.host.clone()).collect();
    let (exclude, only) = (exclude.matching(&names), only.matching(&names));
    notes.extend(exclude.idle.iter().map(|word| format!("exclude {word}: none of the hosts is called so")));
    notes.extend(only.idle.iter().map(|word| format!("only {word}: none of the hosts is called so")));
    let stays = |name: &str| {
        !exclude.names.contains(name) && (selection.only.is_empty() || only.names.contains(name))
    };
    let targets: Vec<Target> = named.into_iter().filter(|target| stays(&target.host)).collect();
    if targets.is_empty() {
        return Err(InventoryError::Nobody { named: hostset::excerpt(&fold(&names)) });
    }
    Ok(Selected { targets, notes })
}

/// The targets of `hosts`.
fn by_word(selection: &Selection) -> Result<Vec<Target>, InventoryError> {
    let mut targets = Vec::new();
    let mut known = None;
    for word in selection.hosts.iter().map(|word| word.trim()) {
        for name in hostset::expand(word)? {
            if is_pattern(&name) {
                if known.is_none() {
                    known = Some(ssh_config::aliases(selection.config.as_deref())?);
                }
                let chosen = ssh_config::choose(&name, known.as_deref().unwrap_or_default())?;
                targets.extend(chosen.into_iter().map(|alias| by_alias(&name, alias)));
            } else {
                let source = if name == word { "by name".to_owned() } else { word.to_owned() };
                targets.push(Target { host: HostName::parse(&name)?, source });
            }
        }
        // Checked as the words come in, so that a thousand wide ranges do not fill the memory first.
        check_count(targets.len())?;
    }
    Ok(targets)
}

fn by_alias(pattern: &str, alias: &Alias) -> Target {
    let file = escape(alias.file.as_os_str().as_encoded_bytes());
    Target { host: alias.name.clone(), source: format!("{pattern} ({file}, line {})", alias.line) }
}

fn by_register(register: &Register, notes: &mut Vec<String>) -> Result<Vec<Target>, InventoryError> {
    let found = register::hosts(register)?;
    notes.extend(found.notes);
    let source = escape(register.file.as_os_str().as_encoded_bytes());
    Ok(found.hosts.into_iter().map(|host| Target { host, source: source.clone() }).collect())
}

/// Each name once, where it came first; a note tells of the others.
fn once(named: Vec<Target>, notes: &mut Vec<String>) -> Vec<Target> {
    let mut seen = HashSet::new();
    let (first, again): (Vec<Target>, Vec<Target>) =
        named.into_iter().partition(|target| seen.insert(target.host.clone()));
    if !again.is_empty() {
        let again: Vec<HostName> = again.into_iter().map(|target| target.host).collect();
        notes.push(format!("named more than once, visited once: {}", fold(&again)));
    }
    first
}

fn check_count(count: usize) -> Result<(), InventoryError> {
    match count {
        0 => Err(InventoryError::Unnamed),
        _ if count as u64 > MAX_NAMES => Err(InventoryError::TooMany { count }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
