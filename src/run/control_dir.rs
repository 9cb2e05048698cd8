//! The control directory: a short private folder for the control sockets of one command, removed when it ends; and
//! the lasting folder of persistent masters.
//!
//! A command that was killed cannot remove its directory: the next command does, once the masters in it have ended.
//! Limits: only in the folder where that command creates its own.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::job::Ssh;
use crate::message::RunMessage;
use crate::remote::{ControlSockets, PersistentMasters};
use crate::ssh_config;

/// Starts the name of every control directory.
const PREFIX: &str = "recolte-";

/// The name of the file in it that its owner holds locked as long as it lives.
const OWNER_FILE: &str = "owner";

/// Starts the name of the lasting folder; the user's number follows.
const PERSISTENT_PREFIX: &str = "recolte-keep-";

/// A control directory, removed when dropped.
pub struct ControlDirectory {
    /// Its folder.
    pub folder: TempDir,
    _owner: File,
}

impl ControlDirectory {
    /// Creates a control directory in the first folder that is writable and has a path short enough for a socket.
    ///
    /// # Errors
    /// There is no such folder.
    pub fn create() -> io::Result<Self> {
        let mut reasons = Vec::new();
        for parent in parent_folders() {
            match Self::create_in(&parent) {
                Ok(created) if ControlSockets::fit_in(created.folder.path()) => return Ok(created),
                Ok(_) => reasons.push(format!("{}: {}", parent.display(), RunMessage::SocketPathTooLong)),
                Err(error) => reasons.push(format!("{}: {error}", parent.display())),
            }
        }
        Err(io::Error::other(RunMessage::NoControlDirectory { reason: reasons.join("; ") }))
    }

    fn create_in(parent: &Path) -> io::Result<Self> {
        remove_stale_directories(parent);
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        let owner = File::create(folder.path().join(OWNER_FILE))?;
        owner.try_lock()?;
        Ok(Self { folder, _owner: owner })
    }

    /// Returns the control sockets of a command, and creates the folder of persistent masters if the job wants them.
    ///
    /// # Errors
    /// That folder cannot be used, or the ssh_config cannot be read.
    pub fn sockets(&self, ssh: &Ssh) -> io::Result<ControlSockets> {
        let keep = persistent_masters(ssh)?;
        if let Some(masters) = &keep {
            masters.open().map_err(|error| {
                let (folder, error) = (masters.folder().display().to_string(), error.to_string());
                io::Error::other(RunMessage::PersistentFolderUnusable { folder, error })
            })?;
        }
        Ok(ControlSockets { folder: self.folder.path().to_owned(), persistent: keep })
    }
}

/// Chooses the folder of the persistent masters that the job wants, if any. Creates nothing.
///
/// # Errors
/// No folder has a path short enough for their sockets, or the ssh_config cannot be read.
pub fn persistent_masters(ssh: &Ssh) -> io::Result<Option<PersistentMasters>> {
    let Some(time) = ssh.keep else { return Ok(None) };
    let config = ssh_config::digest(ssh.config.as_deref()).map_err(io::Error::other)?;
    let path_bytes = |path: &Option<PathBuf>| {
        path.as_ref().map_or(Vec::new(), |path| path.as_os_str().as_encoded_bytes().to_vec())
    };
    let known: [&[u8]; 3] = [&config, &path_bytes(&ssh.config), &path_bytes(&ssh.identity)];
    let name = format!("{PERSISTENT_PREFIX}{}", nix::unistd::geteuid());
    let mut masters = parent_folders()
        .filter(|folder| folder.is_dir())
        .map(|folder| PersistentMasters::new(folder.join(&name), time, &known));
    masters.find(PersistentMasters::fits).map(Some).ok_or_else(|| {
        let reason = RunMessage::ForPersistentMasters.to_string();
        io::Error::other(RunMessage::NoControlDirectory { reason })
    })
}

/// Lists the folders that may hold sockets: `$XDG_RUNTIME_DIR`, then the folders for temporary files.
fn parent_folders() -> impl Iterator<Item = PathBuf> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    runtime.into_iter().chain([std::env::temp_dir(), PathBuf::from("/tmp")])
}

/// Removes the control directories of commands that were killed and whose masters have ended.
fn remove_stale_directories(parent: &Path) {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    for folder in entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()))
    {
        // The owner file shows whether the owner lives. It does not open if the directory is just being created, or
        // is another user's; it is locked if its owner lives. A socket beside it belongs to a master that still
        // runs and closes it itself.
        let owner = folder.path().join(OWNER_FILE);
        if File::open(&owner).is_ok_and(|owner| owner.try_lock().is_ok()) && is_alone(&folder.path()) {
            // Another command may remove the same directory now, so a failure is none.
            let _ignored = fs::remove_file(owner).and_then(|()| fs::remove_dir(folder.path()));
        }
    }
}

/// Checks whether a folder holds nothing but the owner file.
fn is_alone(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|entries| entries.flatten().count() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_of_a_killed_command_is_removed_once_it_holds_no_socket() {
        let parent = tempfile::tempdir().unwrap();
        let living = ControlDirectory::create_in(parent.path()).unwrap();
        let dead = parent.path().join("recolte-dead");
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join(OWNER_FILE), "").unwrap();
        fs::write(dead.join("0"), "").unwrap();
        remove_stale_directories(parent.path());
        assert!(living.folder.path().exists() && dead.exists());
        fs::remove_file(dead.join("0")).unwrap();
        remove_stale_directories(parent.path());
        assert!(living.folder.path().exists() && !dead.exists());
    }
}
