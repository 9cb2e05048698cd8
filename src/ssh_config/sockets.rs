//! Where a control socket of the user's may stand for a host, by the words of the ssh_config.
//!
//! Which of these paths is the host's, if any, ssh alone says: here it is only seen whether the question is worth a
//! process. Limits: a socket under another path than these is not found, and a connection of our own is made.

use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use sha1::{Digest as _, Sha1};

use crate::escape::hex;

/// Who connects where, as far as a path depends on it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way<'a> {
    /// The host as it was named.
    pub name: &'a str,
    /// What it stands for: `HostName`.
    pub address: &'a str,
    pub port: &'a str,
    pub user: &'a str,
}

/// This side of a connection.
#[derive(Debug, Default)]
pub(super) struct Here {
    pub user: String,
    /// What ssh takes for the user's home: the password file's word, not `$HOME`'s.
    pub home: PathBuf,
    pub uid: String,
    pub host: String,
}

impl Here {
    /// This machine and its user.
    pub fn find() -> Self {
        let uid = nix::unistd::getuid();
        let user = nix::unistd::User::from_uid(uid).ok().flatten();
        let host = nix::unistd::gethostname().unwrap_or_default();
        let (user, home) = user.map(|user| (user.name, user.dir)).unzip();
        Self {
            user: user.unwrap_or_default(),
            home: home.or_else(std::env::home_dir).unwrap_or_else(|| PathBuf::from("/")),
            uid: uid.to_string(),
            host: host.to_string_lossy().into_owned(),
        }
    }
}

/// The words of a `ControlPath`.
#[derive(Debug)]
pub(super) struct ControlPath(String);

impl ControlPath {
    /// The path that a line names; none if only ssh knows what it means.
    pub fn new(home: &Path, word: &str) -> Option<Self> {
        let path = match word.strip_prefix("~/") {
            Some(rest) => format!("{}/{rest}", home.display()),
            None => word.to_owned(),
        };
        let known = pieces(&path).all(|(token, _)| token.is_none_or(|token| "%ChnpruilLd".contains(token)));
        let absolute = path.starts_with('/') || path.starts_with("%d/");
        (absolute && !path.contains('$') && known).then_some(Self(path))
    }

    /// The path for one way.
    pub fn of(&self, way: Way<'_>, here: &Here) -> PathBuf {
        let mut path = String::new();
        for (token, text) in pieces(&self.0) {
            match token {
                Some('%') => path.push('%'),
                Some('C') => path.push_str(&digest(way, here)),
                Some('h') => path.push_str(way.address),
                Some('n') => path.push_str(way.name),
                Some('p') => path.push_str(way.port),
                Some('r') => path.push_str(way.user),
                Some('u') => path.push_str(&here.user),
                Some('i') => path.push_str(&here.uid),
                Some('l') => path.push_str(&here.host),
                Some('L') => path.push_str(here.host.split('.').next().unwrap_or_default()),
                Some('d') => path.push_str(&here.home.to_string_lossy()),
                _ => {}
            }
            path.push_str(text);
        }
        PathBuf::from(path)
    }
}

/// The tokens of a path, each with the text that follows it; what comes before the first has none.
fn pieces(path: &str) -> impl Iterator<Item = (Option<char>, &str)> {
    let mut rest = Some((None, path));
    std::iter::from_fn(move || {
        let (token, text) = rest?;
        let (before, after) =
            text.split_once('%').map_or((text, None), |(before, after)| (before, Some(after)));
        rest = after.map(|after| {
            let mut chars = after.chars();
            // A lone one at the end is none of ssh's tokens.
            (Some(chars.next().unwrap_or(' ')), chars.as_str())
        });
        Some((token, before))
    })
}

/// What ssh puts for `%C`, where there is no jump host.
fn digest(way: Way<'_>, here: &Here) -> String {
    let parts = [here.host.as_str(), way.address, way.port, way.user];
    hex(&Sha1::digest(parts.concat()))
}

/// Whether a socket stands there, or a link, which may lead to one.
pub(super) fn may_listen(path: &Path) -> bool {
    match path.symlink_metadata().map(|meta| meta.file_type()) {
        Ok(kind) => kind.is_socket() || kind.is_symlink(),
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}
