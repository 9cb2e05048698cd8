//! Control sockets: where the masters of a command listen, and the persistent masters that outlive a command.
//!
//! One visit at a time uses a persistent master, by a lock: whoever finds it dead may replace it, and whoever leaves
//! a channel open may end it. Its socket's name is a digest of the host, the whole ssh_config and the key: where one
//! of them changes, another master is made. Limits: what a `Match exec` or an environment variable changes goes
//! unnoticed for as long as the master lives.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::escape::hex;
use crate::message::VisitMessage;

/// The time that a master of one command outlives its last use when nobody is left to end it.
const CONTROL_PERSIST: Duration = Duration::from_secs(60);

/// The longest path of a Unix socket (`sun_path`), and how many bytes ssh appends to one while it makes it.
const PATH_MAX: usize = 107;
const SSH_SUFFIX: usize = 17;

/// The most digits of a host's number in a run: the name of its socket.
const NUMBER_DIGITS: usize = 6;

/// The number of digits of a digest that name a persistent master's socket.
const DIGEST_DIGITS: usize = 20;

/// The extension of the lock file beside a persistent master's socket.
const LOCK: &str = "lock";

/// The places of a command's control sockets.
#[derive(Debug, Clone)]
pub struct ControlSockets {
    /// The folder of those that end with the command.
    pub folder: PathBuf,
    /// Those that outlive the command, if there are any.
    pub persistent: Option<PersistentMasters>,
}

impl ControlSockets {
    /// Checks whether sockets in this folder have paths that a Unix socket may have.
    pub fn fit_in(folder: &Path) -> bool {
        path_fits(folder, NUMBER_DIGITS)
    }

    /// Returns the sockets that may lead to the `number`th host of a run; `user` is what its ssh_config names.
    pub fn for_host(&self, number: usize, host: &str, user: Option<PathBuf>) -> HostSockets {
        let own = ControlSocket { path: self.folder.join(number.to_string()), persist: CONTROL_PERSIST };
        HostSockets { user, own, persistent: self.persistent.as_ref().map(|masters| masters.socket(host)) }
    }
}

/// A control socket of ours.
#[derive(Debug, Clone)]
pub struct ControlSocket {
    /// The path.
    pub path: PathBuf,
    /// The time that its master outlives its last use when nobody ends it.
    pub persist: Duration,
}

/// The control sockets that may lead to a host.
#[derive(Debug, Clone)]
pub struct HostSockets {
    /// The user's own for this host, if ssh_config names one.
    pub user: Option<PathBuf>,
    /// Ours: its path is short, in a private folder, and nobody else uses it meanwhile.
    pub own: ControlSocket,
    /// Ours that outlives the command, to be used in place of `own` where it is free.
    pub persistent: Option<ControlSocket>,
}

/// Masters that outlive a command, for the next one.
#[derive(Debug, Clone)]
pub struct PersistentMasters {
    folder: PathBuf,
    time: Duration,
    /// The digest of all that decides how a host is reached, but for its name.
    digest: Sha256,
}

impl PersistentMasters {
    /// Describes masters that listen in this folder and live for `time` after their last use. `settings` are all that
    /// decides how a host is reached, but for its name.
    pub fn new(folder: PathBuf, time: Duration, settings: &[&[u8]]) -> Self {
        let mut digest = Sha256::new();
        for setting in settings {
            // With their lengths: what moves from one to the next changes the digest.
            digest.update((setting.len() as u64).to_be_bytes());
            digest.update(setting);
        }
        Self { folder, time, digest }
    }

    /// Returns the folder of the sockets.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Checks whether the sockets have paths that a Unix socket may have.
    pub fn fits(&self) -> bool {
        path_fits(&self.folder, DIGEST_DIGITS)
    }

    /// Returns the socket of a host.
    fn socket(&self, host: &str) -> ControlSocket {
        let mut name = hex(&self.digest.clone().chain_update(host).finalize());
        name.truncate(DIGEST_DIGITS);
        ControlSocket { path: self.folder.join(name), persist: self.time }
    }

    /// Makes the folder, where it does not exist, and removes the sockets of dead masters from it.
    ///
    /// # Errors
    /// It cannot be made, or somebody else may write into it.
    pub fn open(&self) -> io::Result<()> {
        match DirBuilder::new().mode(0o700).create(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made,
        }
        // Not followed: a link here would let another user choose the folder.
        let meta = fs::symlink_metadata(&self.folder)?;
        let ours = meta.is_dir() && meta.uid() == nix::unistd::geteuid().as_raw();
        if !ours || meta.mode() & 0o077 != 0 {
            return Err(io::Error::other(VisitMessage::FolderNotPrivate.to_string()));
        }
        self.remove_dead()
    }

    fn remove_dead(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)?.flatten() {
            // A socket and its lock file both lead to the socket.
            let socket = entry.path().with_extension("");
            if let Some(lock) = MasterLock::try_acquire(&socket)
                && UnixStream::connect(&socket).is_err()
            {
                lock.remove_socket();
            }
        }
        Ok(())
    }
}

/// The lock of a persistent master: held as long as this lives, and by the kernel given up if the process dies.
pub(super) struct MasterLock {
    socket: PathBuf,
    file: File,
}

impl MasterLock {
    /// Takes the lock, unless somebody else holds it.
    pub(super) fn try_acquire(socket: &Path) -> Option<Self> {
        let path = socket.with_extension(LOCK);
        let file = File::options().create(true).truncate(false).write(true).open(&path).ok()?;
        file.try_lock().ok()?;
        // Another command may have removed the file between our open and our lock, and a third made a new one: a lock
        // on a file that no longer has the name protects nothing.
        let (locked, named) = (file.metadata().ok()?, fs::metadata(&path).ok()?);
        let is_named = (locked.dev(), locked.ino()) == (named.dev(), named.ino());
        is_named.then(|| Self { socket: socket.to_owned(), file })
    }

    /// Removes the socket of a dead master, and the lock file.
    fn remove_socket(self) {
        // What cannot be removed disturbs nobody.
        let _removed = fs::remove_file(&self.socket);
        let _removed = fs::remove_file(self.socket.with_extension(LOCK));
        drop(self.file);
    }
}

/// Checks whether sockets with names of so many bytes have paths in this folder that a Unix socket may have.
fn path_fits(folder: &Path, name: usize) -> bool {
    folder.as_os_str().len() + 1 + name + SSH_SUFFIX <= PATH_MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::UnixListener;

    fn persistent(folder: &Path) -> PersistentMasters {
        PersistentMasters::new(folder.to_owned(), Duration::from_secs(600), &[b"Host *", b""])
    }

    #[test]
    fn a_socket_name_depends_on_all_that_decides_how_a_host_is_reached() {
        let folder = Path::new("/run/k");
        let name = |settings: &[&[u8]], host| {
            PersistentMasters::new(folder.to_owned(), Duration::ZERO, settings)
                .socket(host)
                .path
                .display()
                .to_string()
        };
        let first = name(&[b"Host *", b""], "h1");
        assert_eq!(first, name(&[b"Host *", b""], "h1"));
        assert_eq!(first.len(), "/run/k/".len() + DIGEST_DIGITS);
        for other in [name(&[b"Host *", b""], "h2"), name(&[b"Host", b" *"], "h1"), name(&[b"", b""], "h1")] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn one_command_at_a_time_has_the_lock_and_dead_sockets_are_removed() {
        let parent = tempfile::tempdir().unwrap();
        let masters = persistent(&parent.path().join("k"));
        masters.open().unwrap();
        let socket = masters.socket("h1").path;
        let lock = MasterLock::try_acquire(&socket).unwrap();
        assert!(MasterLock::try_acquire(&socket).is_none());
        drop(lock);
        let living = UnixListener::bind(&socket).unwrap();
        let dead = masters.socket("h2").path;
        drop((UnixListener::bind(&dead).unwrap(), MasterLock::try_acquire(&dead).unwrap()));
        masters.open().unwrap();
        assert!(socket.exists() && !dead.exists() && !dead.with_extension(LOCK).exists());
        drop(living);
        masters.open().unwrap();
        assert_eq!(fs::read_dir(masters.folder()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_others_may_enter_is_not_used() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("k");
        let masters = persistent(&folder);
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o750)).unwrap();
        assert!(masters.open().unwrap_err().to_string().contains("private"));
        fs::remove_dir(&folder).unwrap();
        std::os::unix::fs::symlink(parent.path(), &folder).unwrap();
        assert!(masters.open().is_err());
    }
}
