//! What an ssh_config holds in all, whatever host it is for: more may be in here than is true of a host, never less.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;

use super::sockets::{ControlPath, Here, Way, may_listen};
use crate::hostset::pattern::{is_pattern, matches};

/// The most places where a host's socket is looked for: beyond, ssh is asked.
const MOST_SOCKETS: usize = 256;

/// What an ssh_config holds in all.
#[derive(Debug, Default)]
pub struct Facts {
    /// Something that only ssh can say the meaning of for a host.
    pub(super) deciding: bool,
    /// This side of a connection.
    pub(super) here: Here,
    /// Where control sockets may be.
    control_paths: Vec<ControlPath>,
    /// Who may log in, besides this machine's user.
    users: BTreeSet<String>,
    /// The ports that may be meant, besides ssh's own.
    ports: BTreeSet<String>,
    /// The addresses that a name may have, by name.
    of_name: HashMap<String, Vec<String>>,
    /// The same by pattern.
    of_pattern: Vec<(String, String)>,
}

impl Facts {
    /// Those of an empty ssh_config, on this side of a connection.
    pub(super) fn of(here: Here) -> Self {
        Self { here, ..Self::default() }
    }

    /// Whether a name's way may be other than its address: then ssh must be asked about every host.
    pub fn is_plain(&self) -> bool {
        !self.deciding
    }

    /// All addresses that `host` may have, in lower case.
    pub fn addresses(&self, host: &str) -> HashSet<String> {
        self.as_written(host).map(|address| address.to_lowercase()).collect()
    }

    fn as_written(&self, host: &str) -> impl Iterator<Item = String> {
        let named = self.of_name.get(host).into_iter().flatten();
        let patterns = self.of_pattern.iter().filter(|(pattern, _)| matches(pattern, host));
        let addresses = named.chain(patterns.map(|(_, address)| address));
        addresses.map(|address| address.replace("%h", host)).chain([host.to_owned()])
    }

    /// Whether a master of the user's may live for this host, which `user` logs in to if it is named with one.
    pub fn may_have_master(&self, user: Option<&str>, host: &str) -> bool {
        if self.control_paths.is_empty() {
            return false;
        }
        let sockets = self.sockets(user, host);
        sockets.is_none_or(|sockets| sockets.iter().any(|path| may_listen(path)))
    }

    /// Where its socket may be; none if that may be in too many places.
    fn sockets(&self, user: Option<&str>, name: &str) -> Option<Vec<PathBuf>> {
        let addresses: BTreeSet<String> =
            self.as_written(name).flat_map(|address| [address.to_lowercase(), address]).collect();
        let all = || self.users.iter().map(String::as_str).chain([self.here.user.as_str()]).collect();
        let users: Vec<&str> = user.map_or_else(all, |user| vec![user]);
        let ports: Vec<&str> = self.ports.iter().map(String::as_str).chain(["22"]).collect();
        if self.control_paths.len() * addresses.len() * users.len() * ports.len() > MOST_SOCKETS {
            return None;
        }
        let mut paths = Vec::new();
        for address in &addresses {
            for user in &users {
                for port in &ports {
                    let way = Way { name, address, port, user };
                    paths.extend(self.control_paths.iter().map(|path| path.of(way, &self.here)));
                }
            }
        }
        Some(paths)
    }

    /// Takes an `Include`.
    pub(super) fn include(&mut self, patterns: &[String]) {
        // Newer versions of ssh expand these.
        self.deciding |= patterns.iter().any(|pattern| pattern.contains(['%', '$']));
    }

    /// Takes a `HostName` in a block for the names and patterns `of`. What the block excludes counts as well.
    pub(super) fn host_name(&mut self, of: &[String], words: Vec<String>) {
        let Some(address) = words.into_iter().next() else { return };
        self.deciding |= address.replace("%h", "").contains('%');
        for name in of.iter().filter(|name| !name.starts_with('!')) {
            if is_pattern(name) {
                self.of_pattern.push((name.clone(), address.clone()));
            } else {
                self.of_name.entry(name.clone()).or_default().push(address.clone());
            }
        }
    }

    /// Takes a `ControlPath`.
    pub(super) fn control_path(&mut self, words: Vec<String>) {
        let Some(word) = words.into_iter().next().filter(|path| !path.eq_ignore_ascii_case("none")) else {
            return;
        };
        match ControlPath::new(&self.here.home, &word) {
            Some(path) => self.control_paths.push(path),
            None => self.deciding = true,
        }
    }

    /// Takes a `User`, whoever it is for.
    pub(super) fn user(&mut self, words: Vec<String>) {
        // Newer versions of ssh expand these.
        self.deciding |= words.iter().any(|word| word.contains(['%', '$']));
        self.users.extend(words.into_iter().next());
    }

    /// Takes a `Port`, whoever it is for.
    pub(super) fn port(&mut self, words: Vec<String>) {
        self.ports.extend(words.into_iter().next());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// The facts of an empty ssh_config, for a user whose home this is.
    fn at(home: &Path) -> Facts {
        Facts::of(Here { home: home.to_owned(), ..Here::find() })
    }

    fn words(list: &[&str]) -> Vec<String> {
        list.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn a_host_may_have_every_address_that_any_block_for_it_names() {
        let mut facts = Facts::default();
        facts.host_name(&words(&["db1", "!x"]), words(&["10.0.0.1"]));
        facts.host_name(&words(&["db*"]), words(&["%h.EXAMPLE.fr"]));
        let expected = ["db1", "10.0.0.1", "db1.example.fr"].map(str::to_owned);
        assert_eq!(facts.addresses("db1"), HashSet::from(expected));
        assert_eq!(facts.addresses("x"), HashSet::from(["x".to_owned()]));
        assert!(facts.is_plain());
        facts.host_name(&words(&["*"]), words(&["%k"]));
        assert!(!facts.is_plain());
    }

    #[test]
    fn a_control_path_matters_for_those_hosts_whose_socket_may_stand_there() {
        let home = tempfile::tempdir().unwrap();
        let mut facts = at(home.path());
        facts.control_path(words(&["~/cm-%r@%h:%p"]));
        facts.host_name(&words(&["a"]), words(&["10.0.0.1"]));
        facts.user(words(&["op"]));
        facts.port(words(&["2222"]));
        assert!(facts.is_plain());
        let _socket =
            std::os::unix::net::UnixListener::bind(home.path().join("cm-op@10.0.0.1:2222")).unwrap();
        std::fs::write(home.path().join("cm-op@b:22"), "").unwrap();
        let may = |user: Option<&str>, host: &str| facts.may_have_master(user, host);
        assert!(may(None, "a") && may(Some("op"), "a") && !may(Some("other"), "a") && !may(None, "b"));
        std::os::unix::fs::symlink("gone", home.path().join("cm-op@c:22")).unwrap();
        assert!(may(None, "c"));
        (0..MOST_SOCKETS).for_each(|port| facts.port(words(&[&port.to_string()])));
        assert!(facts.may_have_master(None, "b"), "too many to look at");
    }

    #[test]
    fn what_only_ssh_can_say_of_a_control_path_is_left_to_it() {
        let plain = |path: &str| {
            let mut facts = at(Path::new("/home/op"));
            facts.control_path(words(&[path]));
            facts.is_plain()
        };
        for path in ["none", "~/cm/%r@%h:%p", "~/%h/s", "/run/%C-%n-%u-%i-%l-%L-%d%%"] {
            assert!(plain(path), "{path}");
        }
        for path in ["cm-%C", "$HOME/cm", "~op/cm", "/run/${X}", "/run/%k", "/run/%"] {
            assert!(!plain(path), "{path}");
        }
    }

    /// ssh's own word is always among the places that are looked at.
    #[test]
    fn the_socket_that_ssh_means_is_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        for path in ["/run/cm-%C", "~/.ssh/%r@%h:%p", "/run/%n-%u-%i-%l-%L%%", "%d/s"] {
            let config = format!(
                "Host a\n HostName A.Example.FR\n User op\nHost b*\n HostName %h.example.fr\n Port 2222\n\
                 Host *\n ControlPath {path}\n"
            );
            std::fs::write(&file, config).unwrap();
            let facts = crate::ssh_config::facts(Some(&file)).unwrap();
            assert!(facts.is_plain());
            for (user, host) in
                [(None, "a"), (None, "b1"), (Some("root"), "a"), (None, "10.0.0.1"), (None, "C")]
            {
                let target = user.map_or(host.to_owned(), |user| format!("{user}@{host}"));
                let ssh =
                    std::process::Command::new("ssh").arg("-F").arg(&file).args(["-G", &target]).output();
                let said = String::from_utf8(ssh.unwrap().stdout).unwrap();
                let said =
                    said.lines().find_map(|line| line.strip_prefix("controlpath ")).unwrap().to_owned();
                let looked_at = facts.sockets(user, host).unwrap();
                assert!(looked_at.contains(&PathBuf::from(&said)), "{target}: {said} of {looked_at:?}");
            }
        }
    }
}
