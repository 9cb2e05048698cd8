//! The checked name of a host: ssh takes it as one plain argument, and a folder can be named after it.
//!
//! Pure. Limits: whether the host exists is not known here; OpenSSH decides that.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::MAX_NAME_BYTES;
use crate::escape::{escape, escape_head};
use crate::located::Located;
use crate::message::InventoryMessage;

/// The checked name of one host: an alias of ssh_config, a host or `user@host`. Cheap to clone.
///
/// [`HostName::parse`] is the only way to make one, also from a file, so nothing checks it again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct HostName(Arc<str>);

impl HostName {
    /// Checks that ssh takes a name as one plain argument.
    ///
    /// # Errors
    /// OpenSSH 9.6 and later refuse the name (shell characters, a leading `-`), it is more than one word or stands
    /// for more than one host, or no folder of the archive can have it.
    pub fn parse(name: &str) -> Result<Self, Located> {
        match find_fault(name) {
            Some(kind) => Err(Located::new(escape_head(name), kind)),
            None => Ok(Self(Arc::from(name))),
        }
    }
}

impl Deref for HostName {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
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
    type Error = Located;
    fn try_from(name: String) -> Result<Self, Located> {
        Self::parse(&name)
    }
}

/// Makes a name for tests without the check: code that prints a name must not rely on it.
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

/// Finds what is wrong with a name, if anything is.
fn find_fault(name: &str) -> Option<InventoryMessage> {
    let (user, host) = name.rsplit_once('@').unwrap_or(("user", name));
    let found = |set: &str| name.chars().find(|c| set.contains(*c));
    match () {
        () if host.is_empty() || user.is_empty() => Some(InventoryMessage::NameEmpty),
        () if name.len() > MAX_NAME_BYTES => {
            Some(InventoryMessage::NameTooLong { bytes: name.len(), max: MAX_NAME_BYTES })
        }
        () if name.starts_with('-') || host.starts_with('-') => Some(InventoryMessage::NameIsOption),
        () if name.contains(char::is_whitespace) || escape(name.as_bytes()) != name => {
            Some(InventoryMessage::NameHasInvisible)
        }
        () if matches!(host, "." | "..") => Some(InventoryMessage::NameIsFolder),
        () if name.contains('/') => Some(InventoryMessage::NameHasSlash),
        () => found("`'\"$;&<>|(){}\\")
            .map(|found| InventoryMessage::NameHasShellCharacter { found })
            .or_else(|| found("*?[],").map(|found| InventoryMessage::NameIsPattern { found })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn good_names_are_accepted() {
        for name in
            ["serveur1", "User_VIP@srv-01.example.fr", "10.0.0.1", "2001:db8::1", "fe80::1%eth0", "élan"]
        {
            assert_eq!(HostName::parse(name).as_deref().ok(), Some(name));
        }
    }

    #[test]
    fn a_bad_name_is_refused_with_the_reason() {
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
