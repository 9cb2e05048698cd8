//! The folder of one run: `<output>/<run-id>/`, private to its user, and the link `<output>/latest` to it.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use jiff::ZonedDateTime;

use crate::archive::ArchiveEntry;
use crate::disk::{TEMPORARY_PREFIX, write_atomically};
use crate::message::RunMessage;
use crate::outcome::HostReport;

/// The name of the report for machines, in the archive.
pub const MANIFEST: &str = "manifest.json";

/// The name of the report for people, in the run folder and in the archive.
pub const REPORT_TEXT: &str = "report.txt";

/// The name of the report for machines, in the run folder.
pub const REPORT_JSON: &str = "report.json";

/// The name of the report for browsers, in the run folder.
pub const REPORT_HTML: &str = "report.html";

/// The name of the copy of the supplied script, for a later attempt.
pub const SCRIPT: &str = "script";

/// The name of the journal.
pub const JOURNAL: &str = "journal.jsonl";

/// The folder of one run.
#[derive(Debug, Clone)]
pub struct RunFolder {
    /// Its path.
    pub path: PathBuf,
    /// The run's id: the folder's name. Ids sort by time.
    pub id: String,
    /// The job's name: the name of the folder of the collected files.
    pub name: String,
}

impl RunFolder {
    /// Creates the folder of a new run, and makes `latest` a link to it.
    ///
    /// # Errors
    /// The output folder cannot be written.
    pub fn create(output: &Path, name: &str) -> io::Result<Self> {
        private_dir_builder().recursive(true).create(output)?;
        let stamp = ZonedDateTime::now().strftime("%Y%m%d-%H%M%S");
        let mut number = 1;
        let (id, path) = loop {
            let id = if number == 1 { format!("{stamp}-{name}") } else { format!("{stamp}-{name}-{number}") };
            let path = output.join(&id);
            // Runs of two jobs may begin in the same second: whoever creates the folder has it.
            match private_dir_builder().create(&path) {
                Ok(()) => break (id, path),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        };
        private_dir_builder().create(path.join(name))?;
        private_dir_builder().create(path.join("hosts"))?;
        replace_link(&output.join("latest"), &id, name)?;
        Ok(Self { path, id, name: name.to_owned() })
    }

    /// Returns the path of the archive.
    pub fn archive_path(&self) -> PathBuf {
        self.path.join(format!("{}.tar.gz", self.name))
    }

    /// Creates the folder of what the script prints on a host, if need be, and returns its path.
    ///
    /// # Errors
    /// It cannot be created.
    pub fn create_output_dir(&self, host: &str) -> io::Result<PathBuf> {
        let path = self.path.join("hosts").join(host);
        private_dir_builder().recursive(true).create(&path)?;
        Ok(path)
    }

    /// Removes the temporary files of an attempt that was killed.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn remove_temporary_files(&self) -> io::Result<()> {
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

    /// Returns the archive entries of the files that were collected from a host.
    pub fn archive_entries(&self, host: &HostReport) -> impl Iterator<Item = ArchiveEntry> {
        let entry = |path: &String| ArchiveEntry::Disk { from: self.path.join(path), path: path.clone() };
        host.files.iter().map(move |file| entry(&file.path))
    }

    /// Writes a file in the run folder, atomically.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, file: &str, bytes: &[u8]) -> io::Result<()> {
        write_atomically(&self.path.join(file), bytes)
    }
}

/// Returns a builder of folders that only their owner may enter.
pub(super) fn private_dir_builder() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

/// Makes `link` a symbolic link to `target`, atomically. Refuses to replace anything that is not a link.
fn replace_link(link: &Path, target: &str, job: &str) -> io::Result<()> {
    if fs::symlink_metadata(link).is_ok_and(|meta| !meta.is_symlink()) {
        return Err(io::Error::other(RunMessage::NotALink { path: link.display().to_string() }));
    }
    // A link cannot be overwritten, but another one can be renamed over it: `latest` exists at every moment. The
    // other link is named after the job, whose lock we hold, so one that exists was left by a run that was killed
    // here.
    let temporary = link.with_file_name(format!(".{job}.latest"));
    if fs::symlink_metadata(&temporary).is_ok() {
        fs::remove_file(&temporary)?;
    }
    std::os::unix::fs::symlink(target, &temporary)?;
    fs::rename(&temporary, link)
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
