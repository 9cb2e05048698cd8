//! The archive: one `tar.gz` of the collected files, with `report.txt` and `manifest.json` in it.
//!
//! It holds exactly the files that the reports name, with the modification times that they have on the hosts;
//! owners and permissions of this machine stay out. `packer` writes it while files are still being collected.

mod packer;

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

pub use packer::Packer;

/// A file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArchiveEntry {
    /// A file on disk.
    Disk {
        /// Its path on disk.
        from: PathBuf,
        /// Its path in the archive.
        path: String,
    },
    /// A file that exists only in the archive.
    Generated {
        /// Its path in the archive.
        path: String,
        /// Its content.
        bytes: Vec<u8>,
        /// Its modification time, in seconds since 1970.
        modified: u64,
    },
}

/// Writes a whole archive to `writer` and returns the writer.
///
/// # Errors
/// A file cannot be read, or `writer` fails.
pub fn write_archive<W: Write>(writer: W, entries: Vec<ArchiveEntry>) -> io::Result<W> {
    write_tar(GzEncoder::new(writer, Compression::default()), entries)?.finish()
}

/// Writes a tar of all entries, as the iterator yields them, and returns the writer.
fn write_tar<W: Write>(writer: W, entries: impl IntoIterator<Item = ArchiveEntry>) -> io::Result<W> {
    let mut tar = Builder::new(writer);
    for entry in entries {
        append_entry(&mut tar, &entry)?;
    }
    tar.into_inner()
}

fn append_entry<W: Write>(tar: &mut Builder<W>, entry: &ArchiveEntry) -> io::Result<()> {
    match entry {
        ArchiveEntry::Disk { from, path } => {
            let named =
                |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", from.display()));
            let file = File::open(from).map_err(named)?;
            let meta = file.metadata()?;
            let modified =
                meta.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
            // The header is written first, so a file that grows meanwhile must not write more than its header says.
            let content = io::Read::take(file, meta.len());
            tar.append_data(&mut header(meta.len(), modified), path, content)
        }
        ArchiveEntry::Generated { path, bytes, modified } => {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    /// Returns the files of an archive that is exactly one gzip stream, in order.
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
            ArchiveEntry::Generated {
                path: "JGE/report.txt".to_owned(),
                bytes: b"fine".to_vec(),
                modified: 7,
            },
        ];
        let seen = unpack(&write_archive(Vec::new(), entries).unwrap());
        assert_eq!(seen, [(long, b"content".to_vec()), ("JGE/report.txt".to_owned(), b"fine".to_vec())]);
    }
}
