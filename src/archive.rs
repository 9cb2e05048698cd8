//! The archive: one `tar.gz` of what came home, with the machine's and the reader's account in it.
//!
//! Written under a passing name and renamed, so that nobody ever sees half of it. It holds what the reports name and
//! nothing else, with the hosts' own times of change; owners and rights of this machine stay out. `packer` makes it
//! while the files are still coming.

mod packer;

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};
use tempfile::TempPath;

pub use packer::Packer;

use crate::disk::temporary_file;

/// A file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArchiveEntry {
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

/// Writes the archive's bytes to wherever they go, and gives that back.
///
/// # Errors
/// A file cannot be read, or `to` cannot be written.
pub fn write_to<W: Write>(to: W, entries: Vec<ArchiveEntry>) -> io::Result<W> {
    tar(GzEncoder::new(to, Compression::default()), entries)?.finish()
}

/// Puts a copy of a whole file elsewhere, in one step for those who look.
///
/// # Errors
/// It cannot be read or written.
pub fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut copy = temporary_file(to.parent().unwrap_or(Path::new(".")))?;
    io::copy(&mut File::open(from)?, &mut copy)?;
    let (file, temporary_file) = copy.into_parts();
    place(&file, temporary_file, to).map(drop)
}

/// Puts a written file on disk and in its place; returns its length in bytes.
fn place(file: &File, temporary_file: TempPath, to: &Path) -> io::Result<u64> {
    file.sync_all()?;
    let bytes = file.metadata()?.len();
    temporary_file.persist(to)?;
    Ok(bytes)
}

/// Writes a tar of all the entries to come, and gives back where it went.
fn tar<W: Write>(to: W, entries: impl IntoIterator<Item = ArchiveEntry>) -> io::Result<W> {
    let mut tar = Builder::new(to);
    for entry in entries {
        append(&mut tar, &entry)?;
    }
    tar.into_inner()
}

fn append<W: Write>(tar: &mut Builder<W>, entry: &ArchiveEntry) -> io::Result<()> {
    match entry {
        ArchiveEntry::Disk { from, path } => {
            let file = File::open(from).map_err(|error| told(from, &error))?;
            let meta = file.metadata()?;
            let modified =
                meta.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
            // A file that shrank since would spoil the archive: the length is the header's.
            let exact = io::Read::take(file, meta.len());
            tar.append_data(&mut header(meta.len(), modified), path, exact)
        }
        ArchiveEntry::Made { path, bytes, modified } => {
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

    /// What an archive of exactly one gzip stream holds, in its order.
    pub fn unpack(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
        let mut gz = flate2::bufread::GzDecoder::new(bytes);
        let mut tar = tar::Archive::new(&mut gz);
        let read = tar.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            (entry.path().unwrap().to_string_lossy().into_owned(), content)
        });
        let found = read.collect();
        io::copy(&mut gz, &mut io::sink()).unwrap();
        assert!(gz.into_inner().is_empty(), "something follows the stream");
        found
    }

    #[test]
    fn what_goes_in_comes_out() {
        let dir = tempfile::tempdir().unwrap();
        let from = dir.path().join("f");
        std::fs::write(&from, b"content").unwrap();
        let long = format!("JGE/h/{}", "x".repeat(255));
        let entries = vec![
            ArchiveEntry::Disk { from, path: long.clone() },
            ArchiveEntry::Made { path: "JGE/report.txt".to_owned(), bytes: b"fine".to_vec(), modified: 7 },
        ];
        let seen = unpack(&write_to(Vec::new(), entries).unwrap());
        assert_eq!(seen, [(long, b"content".to_vec()), ("JGE/report.txt".to_owned(), b"fine".to_vec())]);
    }
}
