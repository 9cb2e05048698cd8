//! A short private folder for control sockets, gone with the command that made it.
//!
//! A command that was killed cannot remove its own; the next one does, once the masters in it have ended. Limits: only
//! in the folder where the next one makes its own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::remote;

/// How the folder's name begins.
const PREFIX: &str = "recolte-";

/// The file in it that its living owner holds locked.
const OWNER: &str = "owner";

/// The folder, as long as this lives.
pub struct Sockets {
    folder: TempDir,
    _owner: File,
}

impl Sockets {
    /// Makes it in `$XDG_RUNTIME_DIR`, else where passing files go.
    ///
    /// # Errors
    /// No place is writable and has a path short enough for a socket; in words.
    pub fn make() -> Result<Self, String> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let candidates = runtime.into_iter().chain([std::env::temp_dir(), PathBuf::from("/tmp")]);
        let mut refusals = Vec::new();
        for folder in candidates {
            match Self::make_in(&folder) {
                Ok(made) if remote::fits(made.path()) => return Ok(made),
                Ok(_) => refusals.push(format!("{}: its path is too long", folder.display())),
                Err(error) => refusals.push(format!("{}: {error}", folder.display())),
            }
        }
        Err(format!("no folder for control sockets: {}; set XDG_RUNTIME_DIR or TMPDIR", refusals.join("; ")))
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
        let living = Sockets::make_in(parent.path()).unwrap();
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
