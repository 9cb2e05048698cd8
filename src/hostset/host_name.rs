//! What a host may be called: what ssh takes as one plain argument, and a folder may be named after.
//!
//! Pure. Says nothing about whether the host exists: OpenSSH decides that.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{MAX_NAME, excerpt};
use crate::escape::escape;

/// The checked name of one host: an alias of ssh_config, a host or `user@host`. Cheap to clone.
///
/// Whoever holds one need not check it again: [`HostName::parse`] is the only way to make one, also from a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostName(Arc<str>);

impl HostName {
    /// Checks that ssh takes `name` as one plain argument.
    ///
    /// Refuses what OpenSSH 9.6 and later refuse (shell characters, a leading `-`), what would be more than one word or
    /// more than one host, and what cannot name the host's folder in the archive.
    ///
    /// # Errors
    /// No host can have this name.
    pub fn parse(name: &str) -> Result<Self, NameError> {
        match error_kind(name) {
            Some(kind) => Err(NameError { name: excerpt(name), kind }),
            None => Ok(Self(Arc::from(name))),
        }
    }
}

/// Lists names as people write them: `a, b, c`.
pub fn list_names(names: &[HostName]) -> String {
    names.iter().map(HostName::as_ref).collect::<Vec<_>>().join(", ")
}

impl Deref for HostName {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for HostName {
    fn as_ref(&self) -> &str {
        self
    }
}

impl Borrow<str> for HostName {
    fn borrow(&self) -> &str {
        self
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl TryFrom<String> for HostName {
    type Error = NameError;
    fn try_from(name: String) -> Result<Self, NameError> {
        Self::parse(&name)
    }
}

impl From<HostName> for String {
    fn from(name: HostName) -> Self {
        name.to_string()
    }
}

/// Makes the names of tests, unchecked: what prints a name must not rely on the check.
#[cfg(test)]
impl From<&str> for HostName {
    fn from(name: &str) -> Self {
        Self(Arc::from(name))
    }
}

#[cfg(test)]
impl PartialEq<&str> for HostName {
    fn eq(&self, name: &&str) -> bool {
        **self == **name
    }
}

/// A name that no host can have, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {kind}")]
pub struct NameError {
    /// The name, fit for a terminal, cut where it is long.
    name: String,
    /// What is wrong with it.
    kind: NameErrorKind,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum NameErrorKind {
    #[error("a host's name cannot be empty")]
    Empty,
    #[error("has {0} bytes; a host's name has at most {MAX_NAME}")]
    Long(usize),
    #[error("begins with `-`, which ssh would read as an option; name it by another Host alias")]
    Option,
    #[error("holds a blank or an invisible character; retype the name")]
    Invisible,
    #[error("holds `{0}`, which ssh refuses in a name; name it by another Host alias")]
    Shell(char),
    #[error("holds `{0}`, which stands for several hosts; here one host's name is needed")]
    Several(char),
    #[error("holds `/`; write the name alone, its port and the rest belong in ssh_config")]
    Path,
    #[error("names a folder, not a host")]
    Folder,
}

/// Returns what is wrong with a name, if anything is.
fn error_kind(name: &str) -> Option<NameErrorKind> {
    let (user, host) = name.rsplit_once('@').unwrap_or(("user", name));
    let found = |set: &str| name.chars().find(|c| set.contains(*c));
    match () {
        () if host.is_empty() || user.is_empty() => Some(NameErrorKind::Empty),
        () if name.len() > MAX_NAME => Some(NameErrorKind::Long(name.len())),
        () if name.starts_with('-') || host.starts_with('-') => Some(NameErrorKind::Option),
        () if name.contains(char::is_whitespace) || escape(name.as_bytes()) != name => {
            Some(NameErrorKind::Invisible)
        }
        () if matches!(host, "." | "..") => Some(NameErrorKind::Folder),
        () if name.contains('/') => Some(NameErrorKind::Path),
        () => found("`'\"$;&<>|(){}\\")
            .map(NameErrorKind::Shell)
            .or_else(|| found("*?[],").map(NameErrorKind::Several)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_of_hosts_pass() {
        for name in
            ["serveur1", "User_VIP@srv-01.example.fr", "10.0.0.1", "2001:db8::1", "fe80::1%eth0", "élan"]
        {
            assert_eq!(HostName::parse(name).as_deref(), Ok(name));
        }
    }

    #[test]
    fn what_no_host_is_called_is_refused_with_the_reason() {
        let cases = [
            ("", "cannot be empty"),
            ("user@", "cannot be empty"),
            ("-oProxyCommand=x", "-oProxyCommand=x: begins with `-`"),
            ("user@-x", "begins with `-`"),
            ("a b", "holds a blank"),
            ("a\nb", "a\\nb: holds a blank or an invisible"),
            ("a\0b", "invisible character"),
            ("a\u{202e}b", "invisible character"),
            ("a;reboot", "holds `;`"),
            ("$(x)", "holds `$`"),
            ("a`b", "holds ```"),
            ("a\\b", "holds `\\`"),
            ("prod-*", "stands for several"),
            ("n[1", "holds `[`"),
            ("..", "names a folder"),
            ("ssh://host", "holds `/`"),
        ];
        for (name, said) in cases {
            let error = HostName::parse(name).unwrap_err().to_string();
            assert!(error.contains(said), "{name:?}: {error}");
        }
        assert!(HostName::parse(&"x".repeat(256)).unwrap_err().to_string().contains("has 256 bytes"));
    }

    proptest! {
        #[test]
        fn no_name_panics(name: String) {
            let _ = HostName::parse(&name);
        }
    }
}
