//! Decides whether a visit needs the answer of `ssh -G` for each of its hosts, by the text of the ssh_config alone.
//!
//! `ssh -G` costs one process for each host. A visit needs four things from it: a control socket of the user's, a
//! jump host, the keepalive, and which targets are one machine. All hosts are asked about if the ssh_config has one
//! of these, else only the first:
//! - `Match`, `ProxyJump`, `ServerAlive…`, `Canonical…`, `ControlPath` other than `none` (listed in `line.rs`)
//! - an `Include` or a `HostName` to be expanded, a `HostName` for several hosts
//! - the same `HostName` twice, or one that is also a target; two targets that differ in user or case only
//!
//! Limits: a line counts for every host, whatever block it stands in.

use std::collections::HashSet;

use crate::hostset::HostName;
use crate::hostset::pattern::is_pattern;

/// Collects the lines of an ssh_config that make it necessary to ask ssh about every host.
#[derive(Debug, Default)]
pub(super) struct AskRule {
    /// True once a line was read whose meaning for a host only ssh knows.
    pub(super) left_to_ssh: bool,
    /// The values of `HostName` in blocks for one host.
    addresses: Vec<String>,
}

impl AskRule {
    /// Adds the patterns of an `Include`.
    pub(super) fn add_include(&mut self, patterns: &[String]) {
        // OpenSSH 10 expands these, and so may read a file that is not read here.
        self.left_to_ssh |= patterns.iter().any(|pattern| pattern.contains(['%', '$']));
    }

    /// Adds the values of a `HostName` line; `block` is the names of its `Host` line, none outside any block.
    pub(super) fn add_host_name(&mut self, block: &[String], values: &[String]) {
        match (block, values) {
            ([name], [address, ..]) if !is_pattern(name) && !address.contains('%') => {
                self.addresses.extend((name != address).then(|| address.clone()));
            }
            // Several hosts may get one address, or the address is to be expanded.
            _ => self.left_to_ssh = true,
        }
    }

    /// Checks whether ssh must be asked about all targets: a setting that a visit needs may be there for one of them,
    /// or two names may be one machine.
    pub(super) fn applies_to(&self, targets: &[HostName]) -> bool {
        let hosts = targets.iter().map(|target| target.rsplit_once('@').map_or(&**target, |(_, host)| host));
        let names = self.addresses.iter().map(String::as_str).chain(hosts);
        let mut seen = HashSet::new();
        self.left_to_ssh || !names.map(str::to_lowercase).all(|name| seen.insert(name))
    }
}
