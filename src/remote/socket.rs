//! Masters of ours that outlive a command, for the next one: where they listen, and whose turn it is with one.
//!
//! One visit at a time uses a kept master, so that whoever finds it dead may replace it, and whoever leaves a channel
//! open may end it. A socket's name stands for the host, the whole ssh_config and the key: where one of them changes,
//! another master is made. Limits: what a `Match exec` or a variable of the environment changes goes unnoticed for as
//! long as the master is kept.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::ssh_args::ControlSocket;
use crate::escape::hex;

/// How many digits of a digest are a socket's name.
const DIGITS: usize = 20;

/// What the file beside a socket is called that whoever uses the socket holds locked.
const LOCK: &str = "lock";

/// Masters that are kept.
#[derive(Debug, Clone)]
pub struct PersistentMasters {
    folder: PathBuf,
    time: Duration,
    /// What the sockets' names begin to be made from.
    seed: Sha256,
}

impl PersistentMasters {
    /// Masters that listen in this folder and live for `time` after their last use. `known` is all that decides how a
    /// host is reached, but for its name.
    pub fn new(folder: PathBuf, time: Duration, known: &[&[u8]]) -> Self {
        let mut seed = Sha256::new();
        for part in known {
            seed.update((part.len() as u64).to_be_bytes());
            seed.update(part);
        }
        Self { folder, time, seed }
    }

    /// Where they listen.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether their sockets have paths that a socket may have.
    pub fn fits(&self) -> bool {
        super::ssh_args::fits(&self.folder, DIGITS)
    }

    /// The socket of a host.
    pub(super) fn socket(&self, host: &str) -> ControlSocket {
        let digest = self.seed.clone().chain_update(host).finalize();
        let mut name = hex(&digest);
        name.truncate(DIGITS);
        ControlSocket { path: self.folder.join(name), persist: self.time }
    }

    /// Makes the folder, where it is not there, and removes what the dead left in it.
    ///
    /// # Errors
    /// It cannot be made, or somebody else may write into it.
    pub fn open(&self) -> io::Result<()> {
        match DirBuilder::new().mode(0o700).create(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made,
        }
        let meta = fs::symlink_metadata(&self.folder)?;
        let ours = meta.is_dir() && meta.uid() == nix::unistd::geteuid().as_raw();
        if !ours || meta.mode() & 0o077 != 0 {
            return Err(io::Error::other("it is no private folder of yours; move it away"));
        }
        self.sweep()
    }

    fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)?.flatten() {
            let socket = entry.path().with_extension("");
            if let Some(claim) = MasterLock::on(&socket)
                && UnixStream::connect(&socket).is_err()
            {
                claim.remove();
            }
        }
        Ok(())
    }
}

/// The right to use a kept master, as long as this lives.
pub(super) struct MasterLock {
    socket: PathBuf,
    lock: File,
}

impl MasterLock {
    /// Takes it, unless somebody has it.
    pub(super) fn on(socket: &Path) -> Option<Self> {
        let path = socket.with_extension(LOCK);
        let lock = File::options().create(true).truncate(false).write(true).open(&path).ok()?;
        lock.try_lock().ok()?;
        // Whoever swept in between has removed the file that we hold.
        let (held, named) = (lock.metadata().ok()?, fs::metadata(&path).ok()?);
        let same = (held.dev(), held.ino()) == (named.dev(), named.ino());
        same.then(|| Self { socket: socket.to_owned(), lock })
    }

    /// Takes a dead socket away, and leaves nothing.
    fn remove(self) {
        // What stays is in nobody's way.
        let _gone = fs::remove_file(&self.socket);
        let _gone = fs::remove_file(self.socket.with_extension(LOCK));
        drop(self.lock);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::UnixListener;

    fn keep(folder: &Path) -> PersistentMasters {
        PersistentMasters::new(folder.to_owned(), Duration::from_secs(600), &[b"Host *", b""])
    }

    #[test]
    fn a_name_stands_for_all_that_decides_how_a_host_is_reached() {
        let folder = Path::new("/run/k");
        let name = |known: &[&[u8]], host| {
            PersistentMasters::new(folder.to_owned(), Duration::ZERO, known)
                .socket(host)
                .path
                .display()
                .to_string()
        };
        let one = name(&[b"Host *", b""], "h1");
        assert_eq!(one, name(&[b"Host *", b""], "h1"));
        assert_eq!(one.len(), "/run/k/".len() + DIGITS);
        for other in [name(&[b"Host *", b""], "h2"), name(&[b"Host", b" *"], "h1"), name(&[b"", b""], "h1")] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn one_at_a_time_has_a_claim_and_what_was_swept_away_gives_none() {
        let parent = tempfile::tempdir().unwrap();
        let keep = keep(&parent.path().join("k"));
        keep.open().unwrap();
        let socket = keep.socket("h1").path;
        let claim = MasterLock::on(&socket).unwrap();
        assert!(MasterLock::on(&socket).is_none());
        drop(claim);
        let living = UnixListener::bind(&socket).unwrap();
        let dead = keep.socket("h2").path;
        drop((UnixListener::bind(&dead).unwrap(), MasterLock::on(&dead).unwrap()));
        keep.open().unwrap();
        assert!(socket.exists() && !dead.exists() && !dead.with_extension(LOCK).exists());
        drop(living);
        keep.open().unwrap();
        assert_eq!(fs::read_dir(keep.folder()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_others_may_enter_is_not_used() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("k");
        let keep = keep(&folder);
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o750)).unwrap();
        assert!(keep.open().unwrap_err().to_string().contains("private"));
        fs::remove_dir(&folder).unwrap();
        std::os::unix::fs::symlink(parent.path(), &folder).unwrap();
        assert!(keep.open().is_err());
    }
}
