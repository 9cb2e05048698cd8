//! How the hosts of a visit are reached, asking ssh only where its ssh_config leaves something to find out.
//!
//! `ssh -G` costs a process a host. What a visit needs of it (a master of the user's that may live, a keepalive,
//! a jump host, another name of the same machine) mostly cannot be there at all, and the ssh_config shows that by itself. Limits: what is
//! shown to people comes from ssh alone, see [`resolve`].

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::resolve::{ResolveError, Resolved, resolve, same_machine};
use crate::hostset::HostName;

/// A host to visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// The name as it was chosen.
    pub alias: HostName,
    /// The jump hosts on the way, if any.
    pub jump: Option<String>,
    /// Where the user's own master would listen, if there may be one.
    pub control_path: Option<PathBuf>,
    /// After how many seconds ssh gives a dead link up; none if it never does.
    pub notices_dead_link_within: Option<u64>,
}

impl From<Resolved> for Host {
    fn from(resolved: Resolved) -> Self {
        let Resolved { alias, jump, control_path, notices_dead_link_within, .. } = resolved;
        Self { alias, jump, control_path, notices_dead_link_within }
    }
}

impl Host {
    /// A host of which its ssh_config says no more than its address.
    fn plain(alias: HostName) -> Self {
        Self { alias, jump: None, control_path: None, notices_dead_link_within: None }
    }
}

/// The hosts to visit, in the order of the targets, and the names that lead to the same machine, in groups.
///
/// # Errors
/// The first target that leads nowhere.
pub async fn ways(
    targets: Vec<HostName>,
    config: Option<&Path>,
    identity: Option<&Path>,
    at_once: usize,
) -> Result<(Vec<Host>, Vec<Vec<HostName>>), ResolveError> {
    let asked = in_question(&targets, config);
    let questions = targets.iter().zip(&asked).filter(|(_, asked)| **asked).map(|(target, _)| target.clone());
    let resolved = resolve(questions.collect(), config, identity, at_once).await?;
    let duplicates = same_machine(&resolved);
    let mut answers = resolved.into_iter().map(Host::from);
    let hosts = targets.into_iter().zip(asked).map(|(target, asked)| {
        let answer = if asked { answers.next() } else { None };
        answer.unwrap_or_else(|| Host::plain(target))
    });
    Ok((hosts.collect(), duplicates))
}

/// Which targets ssh must be asked about. The first always is: ssh then refuses an ssh_config that is wrong.
fn in_question(targets: &[HostName], config: Option<&Path>) -> Vec<bool> {
    let Some(facts) = super::facts(config).ok().filter(super::Facts::is_plain) else {
        return vec![true; targets.len()];
    };
    let names: Vec<_> = targets.iter().map(|target| taken_apart(target)).collect();
    let addresses: Vec<_> = names.iter().map(|(_, host)| facts.addresses(host)).collect();
    let mut known: HashMap<&String, usize> = HashMap::new();
    for address in addresses.iter().flatten() {
        *known.entry(address).or_default() += 1;
    }
    let shared = |address: &String| known.get(address).is_some_and(|names| *names > 1);
    let asked = addresses.iter().zip(&names).enumerate().map(|(number, (addresses, (user, host)))| {
        number == 0 || addresses.iter().any(shared) || facts.may_have_master(*user, host)
    });
    asked.collect()
}

/// The user, if it is named, and the host of a target.
fn taken_apart(target: &str) -> (Option<&str>, &str) {
    target.rsplit_once('@').map_or((None, target), |(user, host)| (Some(user), host))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The targets that are in question under an ssh_config.
    fn asked(config: &str, hosts: &[&str]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        std::fs::write(&file, config).unwrap();
        let targets: Vec<HostName> = hosts.iter().map(|host| (*host).into()).collect();
        let asked = in_question(&targets, Some(&file));
        targets
            .into_iter()
            .zip(asked)
            .filter(|(_, asked)| *asked)
            .map(|(target, _)| target.to_string())
            .collect()
    }

    #[test]
    fn ssh_is_asked_about_the_first_and_about_names_that_may_share_an_address() {
        let config = "Host a\n HostName 10.0.0.1\nHost b\n HostName 10.0.0.2\nHost c\n HostName 10.0.0.3\n\
                      Host d\n HostName 10.0.0.2\nHost *\n User op\n";
        assert_eq!(asked(config, &["a", "b", "c", "e"]), ["a"]);
        assert_eq!(asked(config, &["a", "b", "c", "op@d", "10.0.0.3"]), ["a", "b", "c", "op@d", "10.0.0.3"]);
        assert_eq!(asked(config, &["a", "c", "op@c", "B", "b"]), ["a", "c", "op@c", "B", "b"]);
    }

    #[test]
    fn ssh_is_asked_about_all_where_the_ssh_config_may_hold_more() {
        for line in [
            "Match host b",
            "ServerAliveInterval 5",
            "CanonicalizeHostname yes",
            "ControlPath cm-%C",
            "User %u",
            "Host b\nHostName x%n",
            "Include ${HOME}/more",
            "Include \"open",
            "ProxyJump gate",
        ] {
            assert_eq!(asked(line, &["a", "b", "c"]), ["a", "b", "c"], "{line}");
        }
        assert_eq!(asked("ControlMaster auto\nControlPath /nowhere/%C\n", &["a", "b", "c"]), ["a"]);
    }
}
