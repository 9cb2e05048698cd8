//! The archive: one `tar.gz` of what came home, with the machine's and the reader's account in it.
//!
//! Written under a passing name and renamed, so that nobody ever sees half of it. It holds what the reports name and
//! nothing else, in their order, with the hosts' own times of change; owners and rights of this machine stay out.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};
use tempfile::NamedTempFile;

use crate::disk::passing;

/// A file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// One on disk.
    Disk {
        /// Where it is.
        from: PathBuf,
        /// Its path in the archive.
        path: String,
    },
    /// One of our own making.
    Made {
        /// Its path in the archive.
        path: String,
        /// What it says.
        bytes: Vec<u8>,
        /// When it was made, in seconds since 1970.
        modified: u64,
    },
}

/// Writes the archive at `to`; returns its length in bytes.
///
/// # Errors
/// A file cannot be read, or the archive cannot be written; nothing is left under its name then.
pub fn write(to: &Path, entries: &[Entry]) -> io::Result<u64> {
    let folder = to.parent().unwrap_or(Path::new("."));
    let file = write_to(BufWriter::new(passing(folder)?), entries)?;
    finish(file.into_inner().map_err(io::IntoInnerError::into_error)?, to)
}

/// Writes the archive's bytes to wherever they go, and gives that back.
///
/// # Errors
/// A file cannot be read, or `to` cannot be written.
pub fn write_to<W: Write>(to: W, entries: &[Entry]) -> io::Result<W> {
    let mut tar = Builder::new(GzEncoder::new(to, Compression::default()));
    for entry in entries {
        append(&mut tar, entry)?;
    }
    tar.into_inner()?.finish()
}

/// Puts a copy of a whole file elsewhere, in one step for those who look.
///
/// # Errors
/// It cannot be read or written.
pub fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut copy = passing(to.parent().unwrap_or(Path::new(".")))?;
    io::copy(&mut File::open(from)?, &mut copy)?;
    finish(copy, to).map(drop)
}

/// Puts a written file on disk and in its place.
fn finish(file: NamedTempFile, to: &Path) -> io::Result<u64> {
    file.as_file().sync_all()?;
    let bytes = file.as_file().metadata()?.len();
    file.persist(to)?;
    Ok(bytes)
}

fn append<W: Write>(tar: &mut Builder<W>, entry: &Entry) -> io::Result<()> {
    match entry {
        Entry::Disk { from, path } => {
            let file = File::open(from).map_err(|error| told(from, &error))?;
            let meta = file.metadata()?;
            let modified =
                meta.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
            // A file that shrank since would spoil the archive: the length is the header's.
            let exact = io::Read::take(file, meta.len());
            tar.append_data(&mut header(meta.len(), modified), path, exact)
        }
        Entry::Made { path, bytes, modified } => {
            tar.append_data(&mut header(bytes.len() as u64, *modified), path, bytes.as_slice())
        }
    }
}

fn header(bytes: u64, modified: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_size(bytes);
    header.set_mtime(modified);
    header
}

fn told(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn what_goes_in_comes_out() {
        let dir = tempfile::tempdir().unwrap();
        let from = dir.path().join("f");
        std::fs::write(&from, b"content").unwrap();
        let long = format!("JGE/h/{}", "x".repeat(255));
        let entries = [
            Entry::Disk { from, path: long.clone() },
            Entry::Made { path: "JGE/report.txt".to_owned(), bytes: b"fine".to_vec(), modified: 7 },
        ];
        let to = dir.path().join("JGE.tar.gz");
        assert_eq!(write(&to, &entries).unwrap(), std::fs::metadata(&to).unwrap().len());
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(File::open(&to).unwrap()));
        let mut seen = Vec::new();
        for entry in tar.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            seen.push((entry.path().unwrap().to_string_lossy().into_owned(), text));
        }
        assert_eq!(seen, [(long, "content".to_owned()), ("JGE/report.txt".to_owned(), "fine".to_owned())]);
    }

    #[test]
    fn a_file_that_is_gone_leaves_no_archive() {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("JGE.tar.gz");
        let gone = Entry::Disk { from: dir.path().join("gone"), path: "JGE/gone".to_owned() };
        assert!(write(&to, &[gone]).unwrap_err().to_string().contains("gone"));
        assert!(!to.exists());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
