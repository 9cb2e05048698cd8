//! Asks `ssh -G` for the settings of a host: only OpenSSH knows how its ssh_config is read.
//!
//! Limits: no name is looked up in the DNS and no host is reached; `Match exec` of the user's ssh_config does run.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;
use thiserror::Error;
use tokio::process::Command;
use tokio::time::timeout;

use crate::escape::escape_tail;
use crate::hostset::HostName;
use crate::located::Located;
use crate::message::InventoryMessage;

/// The longest time of one `ssh -G`: a `Match exec` may ask a server.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The most bytes of a refusal that are shown.
const MAX_SHOWN: usize = 400;

/// A host as OpenSSH sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Resolved {
    /// The name as it was chosen.
    pub alias: HostName,
    /// The user who logs in.
    pub user: String,
    /// The address that ssh connects to: `HostName`.
    pub address: String,
    /// The port.
    pub port: u16,
    /// The jump hosts, if any.
    pub jump: Option<String>,
    /// The control socket of a master of the user's own, which may not be running.
    #[serde(skip)]
    pub(super) control_path: Option<PathBuf>,
    /// The seconds after which ssh gives up a dead connection; none if it never does.
    #[serde(skip)]
    pub(super) notices_dead_link_within: Option<u64>,
}

/// An error of `ssh -G`.
#[derive(Debug, Error)]
pub enum ResolveError {
    /// `ssh` cannot be started.
    #[error("{}", InventoryMessage::SshNotStarted)]
    Start(#[source] io::Error),
    /// It gave no answer about a host.
    #[error(transparent)]
    Host(#[from] Located),
}

/// Returns the groups of names that mean the same user, address, port and jump host.
pub fn find_duplicates(hosts: &[Resolved]) -> Vec<Vec<HostName>> {
    let mut groups: Vec<Vec<HostName>> = Vec::new();
    let mut known = HashMap::new();
    for host in hosts {
        let machine = (&host.user, host.address.to_lowercase(), host.port, &host.jump);
        let index = *known.entry(machine).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups.get_mut(index).into_iter().for_each(|group| group.push(host.alias.clone()));
    }
    groups.retain(|group| group.len() > 1);
    groups
}

/// Asks ssh about all hosts, `at_once` at a time, and returns the answers in their order.
///
/// # Errors
/// ssh cannot be started, or gives no answer about a host; the first one is reported.
pub async fn resolve(
    hosts: Vec<HostName>,
    config: Option<&Path>,
    identity: Option<&Path>,
    at_once: usize,
) -> Result<Vec<Resolved>, ResolveError> {
    stream::iter(hosts.into_iter().map(|host| resolve_host(host, config, identity)))
        .buffered(at_once)
        .try_collect()
        .await
}

async fn resolve_host(
    host: HostName,
    config: Option<&Path>,
    identity: Option<&Path>,
) -> Result<Resolved, ResolveError> {
    let mut ssh = Command::new("ssh");
    ssh.arg("-G").stdin(Stdio::null()).kill_on_drop(true);
    for (flag, path) in [("-F", config), ("-i", identity)] {
        if let Some(path) = path {
            ssh.arg(flag).arg(path);
        }
    }
    let answer = timeout(TIMEOUT, ssh.arg("--").arg(&*host).output()).await;
    match answer {
        Ok(Ok(Output { status, stdout, .. })) if status.success() => {
            Ok(parse_answer(host, &String::from_utf8_lossy(&stdout)))
        }
        Ok(Ok(output)) => {
            let said = escape_tail(&output.stderr, MAX_SHOWN);
            Err(Located::new(&*host, InventoryMessage::SshRefuses { said }).into())
        }
        Ok(Err(error)) => Err(ResolveError::Start(error)),
        Err(_) => {
            Err(Located::new(&*host, InventoryMessage::SshSilent { seconds: TIMEOUT.as_secs() }).into())
        }
    }
}

/// Parses the `key value` lines of an answer.
fn parse_answer(host: HostName, text: &str) -> Resolved {
    let value = |key: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))
            .filter(|value| *value != "none")
    };
    let number = |key: &str| value(key).and_then(|value| value.parse::<u64>().ok()).unwrap_or(0);
    let interval = number("serveraliveinterval");
    Resolved {
        user: value("user").unwrap_or_default().to_owned(),
        address: value("hostname").unwrap_or(&host).to_owned(),
        port: value("port").and_then(|port| port.parse().ok()).unwrap_or(22),
        jump: value("proxyjump").map(str::to_owned),
        control_path: value("controlpath").map(PathBuf::from),
        notices_dead_link_within: (interval > 0)
            .then(|| interval.saturating_mul(number("serveralivecountmax").max(1))),
        alias: host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_parsed_by_its_keys() {
        let target = HostName::from("db1");
        let text = "user op\nhostname 10.0.0.1\nport 2222\nproxyjump gate\ncontrolpath /run/c m\nserveraliveinterval 15\nserveralivecountmax 3\n";
        let resolved = parse_answer(target.clone(), text);
        assert_eq!(
            (resolved.user.as_str(), resolved.address.as_str(), resolved.port),
            ("op", "10.0.0.1", 2222)
        );
        assert_eq!(resolved.jump.as_deref(), Some("gate"));
        assert_eq!(resolved.control_path, Some(PathBuf::from("/run/c m")));
        assert_eq!(resolved.notices_dead_link_within, Some(45));
        let named = |alias: &str| Resolved { alias: alias.into(), ..resolved.clone() };
        let other = Resolved { port: 22, ..named("c") };
        assert_eq!(find_duplicates(&[named("a"), other.clone(), named("b")]), [["a", "b"]]);
        assert!(find_duplicates(&[named("a"), other]).is_empty());
        let bare = parse_answer(target, "");
        assert_eq!((bare.address.as_str(), bare.port, bare.notices_dead_link_within), ("db1", 22, None));
    }
}
