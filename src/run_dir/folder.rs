//! The folder of one run: `<output>/<run-id>/`, private to its user, and the link `<output>/latest` to it.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::disk::{TEMPORARY_PREFIX, temporary_file};

/// The machine's account in the archive.
pub const MANIFEST: &str = "manifest.json";

/// The script as it was supplied, kept for a later go.
pub const SCRIPT: &str = "script";

/// The reader's account in the archive, and beside it.
pub const REPORT: &str = "report.txt";

/// One run's place on disk.
#[derive(Debug, Clone)]
pub struct RunFolder {
    /// Where it is.
    pub path: PathBuf,
    /// The run's id: the folder's name. Ids sort by time.
    pub id: String,
    /// The job's name: the folder of what is collected.
    pub name: String,
}

impl RunFolder {
    /// Makes the folder of a new run, and points `latest` at it.
    ///
    /// # Errors
    /// The output folder cannot be written.
    pub fn create(output: &Path, name: &str) -> io::Result<Self> {
        private().recursive(true).create(output)?;
        let stamp =
            Timestamp::now().to_zoned_datetime(TimeZone::system()).strftime("%Y%m%d-%H%M%S").to_string();
        let mut number = 1;
        let (id, path) = loop {
            let id = if number == 1 { format!("{stamp}-{name}") } else { format!("{stamp}-{name}-{number}") };
            let path = output.join(&id);
            match private().create(&path) {
                Ok(()) => break (id, path),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        };
        private().create(path.join(name))?;
        private().create(path.join("hosts"))?;
        point(&output.join("latest"), &id, name)?;
        Ok(Self { path, id, name: name.to_owned() })
    }

    /// The folder of what is collected.
    pub fn collected_dir(&self) -> PathBuf {
        self.path.join(&self.name)
    }

    /// The archive.
    pub fn archive(&self) -> PathBuf {
        self.path.join(format!("{}.tar.gz", self.name))
    }

    /// The journal.
    pub fn journal(&self) -> PathBuf {
        self.path.join("journal.jsonl")
    }

    /// The folder of what the script printed on a host, made if need be.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn streams(&self, host: &str) -> io::Result<PathBuf> {
        let path = self.path.join("hosts").join(host);
        private().recursive(true).create(&path)?;
        Ok(path)
    }

    /// Removes what a go that was broken off left half written.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn sweep(&self) -> io::Result<()> {
        let mut folders = vec![self.path.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    folders.push(entry.path());
                } else if entry.file_name().as_encoded_bytes().starts_with(TEMPORARY_PREFIX.as_bytes()) {
                    fs::remove_file(entry.path())?;
                }
            }
        }
        Ok(())
    }

    /// Writes a file of the run's own, whole or not at all.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, file: &str, bytes: &[u8]) -> io::Result<()> {
        write_whole(&self.path.join(file), bytes)
    }
}

/// Writes a file under another name first, so that nobody ever sees half of it.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = temporary_file(folder)?;
    io::Write::write_all(&mut file, bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// Folders that only their owner may enter.
pub(super) fn private() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

/// Makes `link` a symbolic link to `target`, in one step for those who look. What is no link is left alone.
///
/// Of the runs of one job in a folder there is one at a time: what one that was killed here left is the next one's.
fn point(link: &Path, target: &str, job: &str) -> io::Result<()> {
    let busy = fs::symlink_metadata(link).is_ok_and(|meta| !meta.is_symlink());
    if busy {
        return Err(io::Error::other(format!("{} is no link; move it away", link.display())));
    }
    let fresh = link.with_file_name(format!(".{job}.latest"));
    if fs::symlink_metadata(&fresh).is_ok() {
        fs::remove_file(&fresh)?;
    }
    std::os::unix::fs::symlink(target, &fresh)?;
    fs::rename(&fresh, link)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn two_runs_at_once_have_two_folders_and_latest_is_the_last() {
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join("a/b");
        let one = RunFolder::create(&output, "JGE").unwrap();
        let two = RunFolder::create(&output, "JGE").unwrap();
        assert_ne!(one.id, two.id);
        assert_eq!(fs::read_link(output.join("latest")).unwrap().to_str(), Some(two.id.as_str()));
        assert_eq!(fs::metadata(&two.path).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
