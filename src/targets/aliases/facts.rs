//! What an ssh_config holds in all, whatever host it is for: more may be in here than is true of a host, never less.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::targets::pattern::{is_pattern, matches};

/// What an ssh_config holds in all.
#[derive(Debug, Default)]
pub struct Facts {
    /// Something that only ssh can say the meaning of for a host.
    pub(super) deciding: bool,
    /// The beginnings of the paths of control sockets.
    sockets: Vec<PathBuf>,
    /// The addresses that a name may have, by name.
    of_name: HashMap<String, Vec<String>>,
    /// The same by pattern.
    of_pattern: Vec<(String, String)>,
}

impl Facts {
    /// Whether a name's way may be other than its address: then ssh must be asked about every host.
    pub fn is_plain(&self) -> bool {
        !self.deciding && !self.sockets.iter().any(|start| may_listen(start))
    }

    /// All addresses that `host` may have, in lower case.
    pub fn addresses(&self, host: &str) -> HashSet<String> {
        let named = self.of_name.get(host).into_iter().flatten();
        let patterns = self.of_pattern.iter().filter(|(pattern, _)| matches(pattern, host));
        let addresses = named.chain(patterns.map(|(_, address)| address));
        addresses
            .map(|address| address.replace("%h", host))
            .chain([host.to_owned()])
            .map(|a| a.to_lowercase())
            .collect()
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
    pub(super) fn control_path(&mut self, home: &Path, words: Vec<String>) {
        let Some(path) = words.into_iter().next().filter(|path| !path.eq_ignore_ascii_case("none")) else {
            return;
        };
        let expanded = match path.strip_prefix("~/") {
            Some(rest) => home.join(rest),
            None => PathBuf::from(path),
        };
        let text = expanded.to_string_lossy().into_owned();
        let (start, rest) = text.split_at(text.find(['%', '$']).unwrap_or(text.len()));
        // A folder whose name is ssh's to say, or one of wherever we are.
        self.deciding |= rest.contains('/') || !start.starts_with('/');
        self.sockets.push(PathBuf::from(start));
    }
}

/// Whether a socket, or a link to one, may stand under a path that begins so.
fn may_listen(start: &Path) -> bool {
    let text = start.to_string_lossy();
    let Some((folder, name)) = text.rsplit_once('/') else { return true };
    let entries = match std::fs::read_dir(format!("{folder}/")) {
        Ok(entries) => entries,
        Err(error) => return error.kind() != std::io::ErrorKind::NotFound,
    };
    entries.into_iter().any(|entry| {
        use std::os::unix::fs::FileTypeExt as _;
        entry.is_ok_and(|entry| {
            let socket = entry.file_type().map_or(true, |kind| kind.is_socket() || kind.is_symlink());
            socket && entry.file_name().to_string_lossy().starts_with(name)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_control_path_matters_once_a_socket_may_stand_there() {
        let home = tempfile::tempdir().unwrap();
        let plain = |path: &str| {
            let mut facts = Facts::default();
            facts.control_path(home.path(), words(&[path]));
            facts.is_plain()
        };
        for path in ["none", "~/cm/%r@%h:%p", "~/cm-%C", "/nowhere/at/all"] {
            assert!(plain(path), "{path}");
        }
        for path in ["~/%h/socket", "cm-%C", "$HOME/cm"] {
            assert!(!plain(path), "{path}");
        }
        std::fs::write(home.path().join("cm-file"), "").unwrap();
        assert!(plain("~/cm-%C"));
        let _socket = std::os::unix::net::UnixListener::bind(home.path().join("cm-1")).unwrap();
        assert!(!plain("~/cm-%C") && !plain("~/cm-1"));
        assert!(plain("~/other-%C"));
    }
}
