//! A short private folder for control sockets, gone with the command that made it; and the lasting one of those that are
//! kept for the next command.
//!
//! A command that was killed cannot remove its own; the next one does, once the masters in it have ended. Limits: only
//! in the folder where the next one makes its own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::BoxError;
use crate::job::Ssh;
use crate::remote::{ControlSockets, PersistentMasters};
use crate::ssh_config;

/// How the folder's name begins.
const PREFIX: &str = "recolte-";

/// The file in it that its living owner holds locked.
const OWNER: &str = "owner";

/// How the name of the lasting folder begins; its user's number follows.
const KEPT: &str = "recolte-keep-";

/// The folder, as long as this lives.
pub struct ControlDirectory {
    folder: TempDir,
    _owner: File,
}

impl ControlDirectory {
    /// Makes it.
    ///
    /// # Errors
    /// No place is writable and has a path short enough for a socket; in words.
    pub fn make() -> Result<Self, String> {
        let mut refusals = Vec::new();
        for folder in places() {
            match Self::make_in(&folder) {
                Ok(made) if ControlSockets::fit_in(made.path()) => return Ok(made),
                Ok(_) => refusals.push(format!("{}: its path is too long", folder.display())),
                Err(error) => refusals.push(format!("{}: {error}", folder.display())),
            }
        }
        Err(no_place(&refusals.join("; ")))
    }

    fn make_in(parent: &Path) -> std::io::Result<Self> {
        sweep(parent);
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        let owner = File::create(folder.path().join(OWNER))?;
        owner.try_lock()?;
        Ok(Self { folder, _owner: owner })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The sockets of a command that reaches its hosts so.
    ///
    /// # Errors
    /// Those that are to be kept have no place, or the ssh_config cannot be read.
    pub fn sockets(&self, ssh: &Ssh) -> Result<ControlSockets, BoxError> {
        let keep = keep(ssh)?;
        if let Some(keep) = &keep {
            keep.open()
                .map_err(|error| format!("{}: {error}; or set XDG_RUNTIME_DIR", keep.folder().display()))?;
        }
        Ok(ControlSockets { folder: self.path().to_owned(), persistent: keep })
    }
}

/// The masters that are to be kept, if any. Makes nothing.
///
/// # Errors
/// They have no place, or the ssh_config cannot be read.
pub fn keep(ssh: &Ssh) -> Result<Option<PersistentMasters>, BoxError> {
    let Some(time) = ssh.keep else { return Ok(None) };
    let config = ssh_config::digest(ssh.config.as_deref())?;
    let path = |path: &Option<PathBuf>| {
        path.as_ref().map_or(Vec::new(), |p| p.as_os_str().as_encoded_bytes().to_vec())
    };
    let known: [&[u8]; 3] = [&config, &path(&ssh.config), &path(&ssh.identity)];
    let name = format!("{KEPT}{}", nix::unistd::geteuid());
    let mut all = places()
        .filter(|place| place.is_dir())
        .map(|place| PersistentMasters::new(place.join(&name), time, &known));
    let fits = all.find(PersistentMasters::fits);
    fits.map(Some).ok_or_else(|| no_place("for those that are kept").into())
}

/// Where sockets may go: `$XDG_RUNTIME_DIR`, else where passing files go.
fn places() -> impl Iterator<Item = PathBuf> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    runtime.into_iter().chain([std::env::temp_dir(), PathBuf::from("/tmp")])
}

fn no_place(why: &str) -> String {
    format!("no folder for control sockets: {why}; set XDG_RUNTIME_DIR or TMPDIR")
}

/// Removes the folders of the dead that hold no socket any more.
fn sweep(parent: &Path) {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    for folder in entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()))
    {
        // One that is being made, or another user's, does not open; one that lives is locked.
        let owner = folder.path().join(OWNER);
        if File::open(&owner).is_ok_and(|owner| owner.try_lock().is_ok()) && is_alone(&folder.path()) {
            let _another_sweeps = fs::remove_file(owner).and_then(|()| fs::remove_dir(folder.path()));
        }
    }
}

/// Whether nothing but its owner's file is in a folder.
fn is_alone(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|entries| entries.flatten().count() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_the_dead_goes_once_it_holds_no_socket_and_that_of_the_living_stays() {
        let parent = tempfile::tempdir().unwrap();
        let living = ControlDirectory::make_in(parent.path()).unwrap();
        let dead = parent.path().join("recolte-dead");
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join(OWNER), "").unwrap();
        fs::write(dead.join("0"), "").unwrap();
        sweep(parent.path());
        assert!(living.path().exists() && dead.exists());
        fs::remove_file(dead.join("0")).unwrap();
        sweep(parent.path());
        assert!(living.path().exists() && !dead.exists());
    }
}
