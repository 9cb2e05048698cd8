//! Asks `ssh -G` for the settings that a visit needs of its hosts: for all hosts, or for the first one only.
//! `need_to_ask` says when.
//!
//! Limits: commands that show hosts to people ask ssh about each of them, by [`resolve`].

use std::path::{Path, PathBuf};

use super::reader::read_config;
use super::resolve::{ResolveError, Resolved, find_duplicates, resolve};
use crate::hostset::HostName;

/// A host to visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// The name as it was chosen.
    pub alias: HostName,
    /// The jump hosts on the way, if any.
    pub jump: Option<String>,
    /// The control socket of a master of the user's own, if there may be one.
    pub control_path: Option<PathBuf>,
    /// The seconds after which ssh gives up a dead connection; none if it never does.
    pub notices_dead_link_within: Option<u64>,
}

impl From<Resolved> for Host {
    fn from(resolved: Resolved) -> Self {
        let Resolved { alias, jump, control_path, notices_dead_link_within, .. } = resolved;
        Self { alias, jump, control_path, notices_dead_link_within }
    }
}

impl Host {
    /// Makes a host without any of the settings that a visit needs to know.
    fn without_settings(alias: HostName) -> Self {
        Self { alias, jump: None, control_path: None, notices_dead_link_within: None }
    }
}

/// Returns the hosts to visit, in the order of the targets, and the groups of targets that are one machine. Asks
/// `ssh -G` about all targets, or about the first one only where the ssh_config shows that this is enough.
///
/// # Errors
/// ssh refuses a target or the ssh_config. The first target is always asked about, so that a wrong ssh_config is
/// refused before any host is touched.
pub async fn resolve_for_visit(
    targets: Vec<HostName>,
    config: Option<&Path>,
    identity: Option<&Path>,
    at_once: usize,
) -> Result<(Vec<Host>, Vec<Vec<HostName>>), ResolveError> {
    let asked = count_to_ask(&targets, config);
    let resolved = resolve(targets.iter().take(asked).cloned().collect(), config, identity, at_once).await?;
    let duplicates = find_duplicates(&resolved);
    let others = targets.into_iter().skip(asked).map(Host::without_settings);
    Ok((resolved.into_iter().map(Host::from).chain(others).collect(), duplicates))
}

/// Returns how many of the targets, from the first on, ssh must be asked about.
fn count_to_ask(targets: &[HostName], config: Option<&Path>) -> usize {
    // ssh itself says what is wrong with an ssh_config that cannot be read here.
    let ask_all = read_config(config).map_or(true, |reader| reader.ask_rule.applies_to(targets));
    if ask_all { targets.len() } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks whether ssh is asked about every host under an ssh_config, and not about the first alone.
    fn asks_all(config: &str, hosts: &[&str]) -> bool {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        std::fs::write(&file, config).unwrap();
        let targets: Vec<HostName> = hosts.iter().map(|host| (*host).into()).collect();
        match count_to_ask(&targets, Some(&file)) {
            1 => false,
            asked => {
                assert_eq!(asked, targets.len());
                true
            }
        }
    }

    #[test]
    fn ssh_is_asked_about_the_first_where_each_name_is_a_machine_of_its_own() {
        let config = "Host a\n HostName 10.0.0.1\nHost b\n HostName 10.0.0.2\nHost c d\n User op\n\
                      Host e\n HostName e\nHost *\n User %u\n Port 2222\n ControlPath none\n";
        for hosts in [&["a", "b", "c", "e", "f"][..], &["a", "op@b", "2001:db8::1", "fe80::1%eth0"]] {
            assert!(!asks_all(config, hosts), "{hosts:?}");
        }
        for hosts in [&["c", "a", "10.0.0.1"][..], &["a", "op@10.0.0.1"], &["c", "op@c"], &["a", "B", "b"]] {
            assert!(asks_all(config, hosts), "{hosts:?}");
        }
    }

    #[test]
    fn ssh_is_asked_about_all_where_the_ssh_config_may_hold_more() {
        for line in [
            "Match host b",
            "ServerAliveInterval 5",
            "CanonicalizeHostname yes",
            "ControlPath cm-%C",
            "ControlMaster auto\nControlPath /nowhere/%C",
            "Host b\nHostName x%n",
            "Host b*\nHostName %h.example.fr",
            "Host b d\nHostName 10.0.0.1",
            "Host d\nHostName 10.0.0.1\nHost e\nHostName 10.0.0.1",
            "HostName 10.0.0.1",
            "Include ${HOME}/more",
            "Include \"open",
            "ProxyJump gate",
        ] {
            assert!(asks_all(line, &["a", "b", "c"]), "{line}");
        }
    }
}
