//! One run of a job at a time: a lock that the system releases when its holder dies, however that happens.
//!
//! Limits: it holds for runs that share an output folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use jiff::Timestamp;
use thiserror::Error;

use super::folder::private;
use crate::escape::escape_tail;

/// The lock, held as long as this lives.
#[derive(Debug)]
pub struct Lock(File);

/// Why the lock is not ours.
#[derive(Debug, Error)]
pub enum LockError {
    /// Somebody else has it.
    #[error("{job}: another run holds the lock: {holder}; wait for its end, or stop it")]
    Held {
        /// The job.
        job: String,
        /// Who, since when, in words.
        holder: String,
    },
    /// It cannot be taken.
    #[error("{folder}: the lock cannot be taken there; set output")]
    Io {
        /// The output folder.
        folder: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Lock {
    /// Takes the lock of the job `name` in an output folder.
    ///
    /// # Errors
    /// Another run holds it, or the folder cannot be written.
    pub fn take(output: &Path, name: &str) -> Result<Self, LockError> {
        let failed = |source| LockError::Io { folder: output.display().to_string(), source };
        private().recursive(true).create(output).map_err(failed)?;
        let path = output.join(format!(".{name}.lock"));
        let open =
            OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).open(path);
        let mut file = open.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {
                sign(&mut file).map_err(failed)?;
                Ok(Self(file))
            }
            Err(TryLockError::WouldBlock) => {
                let mut holder = Vec::new();
                // Who holds it may not have signed yet.
                let _partial = file.take(200).read_to_end(&mut holder);
                Err(LockError::Held { job: name.to_owned(), holder: escape_tail(&holder, 200) })
            }
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}

impl Drop for Lock {
    /// Nobody holds it any more; the empty file stays, since removing it would race with the next holder.
    fn drop(&mut self) {
        let _unsigned = self.0.set_len(0);
    }
}

/// Writes who holds the lock, for those who are refused.
fn sign(file: &mut File) -> io::Result<()> {
    let id = nix::unistd::Uid::current();
    let named = nix::unistd::User::from_uid(id).ok().flatten();
    let user = named.map_or_else(|| id.to_string(), |user| user.name);
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "process {} of {user}, since {:.0}", std::process::id(), Timestamp::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_holds_it_and_the_third_gets_it() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lock::take(dir.path(), "JGE").unwrap();
        let refused = Lock::take(dir.path(), "JGE").unwrap_err().to_string();
        assert!(refused.contains(&format!("process {} of", std::process::id())), "{refused}");
        Lock::take(dir.path(), "other").unwrap();
        drop(first);
        Lock::take(dir.path(), "JGE").unwrap();
    }
}
