//! A lock that admits one run of a job at a time. The operating system releases it when its holder dies, in any way.
//!
//! Limits: it excludes only runs that share an output folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use jiff::Timestamp;

use super::folder::private_dir_builder;
use crate::escape::escape_tail;
use crate::located::Located;
use crate::message::RunMessage;

/// The lock of a job, held until it is dropped.
#[derive(Debug)]
pub struct Lock(File);

impl Lock {
    /// Takes the lock of a job in an output folder.
    ///
    /// # Errors
    /// Another run holds it: [`RunMessage::LockHeld`]. Or the folder or the lock file cannot be used.
    pub fn take(output: &Path, job: &str) -> Result<Self, Located> {
        let failed =
            |error| Located::with_source(output.display().to_string(), RunMessage::LockUnavailable, error);
        private_dir_builder().recursive(true).create(output).map_err(failed)?;
        let path = output.join(format!(".{job}.lock"));
        let open =
            OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).open(path);
        let mut file = open.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {
                write_holder(&mut file).map_err(failed)?;
                Ok(Self(file))
            }
            Err(TryLockError::WouldBlock) => {
                let mut holder = Vec::new();
                // The holder may not have written its name yet.
                let _partial = file.take(200).read_to_end(&mut holder);
                let holder = escape_tail(&holder, 200);
                Err(Located::new(job, RunMessage::LockHeld { holder }))
            }
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}

impl Drop for Lock {
    /// Empties the file. It is never removed: a run that has just opened it would lock a file that no longer has a
    /// name, while the next run creates and locks another one.
    fn drop(&mut self) {
        let _ignored = self.0.set_len(0);
    }
}

/// Writes who holds the lock, for those who are refused.
fn write_holder(file: &mut File) -> io::Result<()> {
    let id = nix::unistd::Uid::current();
    let user =
        nix::unistd::User::from_uid(id).ok().flatten().map_or_else(|| id.to_string(), |user| user.name);
    let since = format!("{:.0}", Timestamp::now());
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "{}", RunMessage::LockHolder { process: std::process::id(), user, since })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_run_learns_who_holds_the_lock_and_the_third_gets_it() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lock::take(dir.path(), "JGE").unwrap();
        let refused = Lock::take(dir.path(), "JGE").unwrap_err().to_string();
        assert!(refused.contains(&format!("process {} of", std::process::id())), "{refused}");
        Lock::take(dir.path(), "other").unwrap();
        drop(first);
        Lock::take(dir.path(), "JGE").unwrap();
    }
}
