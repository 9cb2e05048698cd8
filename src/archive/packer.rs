//! The archive in the making: a file goes in as soon as its host has ended, so that little is left to do after the last.
//!
//! A thread of its own reads and packs, others compress: one gzip stream, cut into blocks that are compressed side by
//! side. Nobody waits for them before the end, and memory holds a few blocks for each thread. An error is told at the
//! end. Limits: what is packed stays packed.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use gzp::ZWriter as _;
use gzp::deflate::Gzip;
use gzp::par::compress::ParCompressBuilder;
use tempfile::TempPath;

use super::{ArchiveEntry, place, tar, temporary_file};

/// The most threads that compress: more would wait for the one that reads.
const MOST_THREADS: usize = 16;

/// After so many bytes they are put on disk, so that little is left for the end.
const SYNC: usize = 32 * 1024 * 1024;

/// An archive in the making. Dropped, it leaves nothing.
pub struct Packer {
    feed: mpsc::Sender<ArchiveEntry>,
    temporary_file: TempPath,
    thread: JoinHandle<io::Result<File>>,
}

impl Packer {
    /// Begins an archive that will lie in `folder`, compressed by so many threads.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn begin(folder: &Path, threads: usize) -> io::Result<Self> {
        let (file, temporary_file) = temporary_file(folder)?.into_parts();
        let (feed, entries) = mpsc::channel();
        let thread =
            thread::Builder::new().name("packer".to_owned()).spawn(move || pack(file, threads, entries))?;
        Ok(Self { feed, temporary_file, thread })
    }

    /// Puts a file into it. Does not wait.
    pub fn add(&self, entry: ArchiveEntry) {
        // A packer that stopped says why at the end.
        drop(self.feed.send(entry));
    }

    /// Waits until all is packed and on disk, and gives the archive its name; returns its length in bytes. Blocks.
    ///
    /// # Errors
    /// A file could not be read, or the archive not be written; nothing is left under its name then.
    pub fn finish(self, to: &Path) -> io::Result<u64> {
        drop(self.feed);
        let packed = self.thread.join();
        let file = packed.unwrap_or_else(|_| Err(io::Error::other("a fault of recolte itself")))?;
        place(&file, self.temporary_file, to)
    }
}

/// Packs all that comes.
fn pack(file: File, threads: usize, entries: impl IntoIterator<Item = ArchiveEntry>) -> io::Result<File> {
    let threads = threads.clamp(1, MOST_THREADS);
    let disk = Disk { file, unsynced: 0, error: None };
    let builder = ParCompressBuilder::<Gzip>::new().num_threads(threads).map_err(io::Error::other)?;
    let mut gz = builder.from_writer(disk);
    // Finished in any case: it is not made to be dropped before.
    let packed = tar(&mut gz, entries).map(drop);
    let disk = gz.finish().map_err(io::Error::other)?;
    packed?;
    match disk.error {
        Some(error) => Err(error),
        None => Ok(disk.file),
    }
}

/// The file that is written. It takes everything and keeps its first error: the compressor could not be finished after
/// one.
struct Disk {
    file: File,
    unsynced: usize,
    error: Option<io::Error>,
}

impl Disk {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.unsynced += bytes.len();
        if self.unsynced >= SYNC {
            self.unsynced = 0;
            self.file.sync_data()?;
        }
        Ok(())
    }
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.error.is_none() {
            self.error = self.put(bytes).err();
            if self.error.is_some() {
                // The hosts that are still visited need the room.
                let _full_or_not = self.file.set_len(0);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::unpack;
    use super::*;
    use proptest::prelude::*;

    fn made(path: &str, bytes: &[u8]) -> ArchiveEntry {
        ArchiveEntry::Made { path: path.to_owned(), bytes: bytes.to_vec(), modified: 7 }
    }

    /// An archive of these files.
    fn packed(files: &[(String, Vec<u8>)], threads: usize) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let packer = Packer::begin(dir.path(), threads).unwrap();
        files.iter().for_each(|(path, bytes)| packer.add(made(path, bytes)));
        let to = dir.path().join("JGE.tar.gz");
        let length = packer.finish(&to).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "only the archive is left");
        let bytes = std::fs::read(to).unwrap();
        assert_eq!(bytes.len() as u64, length);
        bytes
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]
        #[test]
        fn what_goes_in_comes_out_of_one_stream(
            seed: u64, lengths in prop::collection::vec(0usize..400_000, 0..6), threads in 0usize..4,
        ) {
            let mut next = seed | 1;
            let files: Vec<(String, Vec<u8>)> = lengths.iter().enumerate().map(|(number, length)| {
                let bytes = std::iter::repeat_with(|| {
                    next ^= next << 13;
                    next ^= next >> 7;
                    next ^= next << 17;
                    // Some of it can be compressed, as text can.
                    (next & 0x0f) as u8 | b'0'
                });
                (format!("JGE/h{number}/f.txt"), bytes.take(*length).collect())
            }).collect();
            prop_assert!(unpack(&packed(&files, threads)) == files);
        }
    }

    #[test]
    fn the_systems_own_tar_and_gzip_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let content = vec![b'x'; 1_000_000];
        let archive = dir.path().join("a.tar.gz");
        std::fs::write(&archive, packed(&[("JGE/h/f.txt".to_owned(), content.clone())], 2)).unwrap();
        let run = |program: &str, flags: &str| {
            let done = std::process::Command::new(program).arg(flags).arg(&archive).output().unwrap();
            assert!(done.status.success() && done.stderr.is_empty(), "{program}: {done:?}");
            done.stdout
        };
        run("gzip", "-t");
        assert!(run("tar", "-xzOf") == content);
    }

    #[test]
    fn a_file_that_is_gone_leaves_no_archive() {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("JGE.tar.gz");
        let packer = Packer::begin(dir.path(), 2).unwrap();
        packer.add(ArchiveEntry::Disk { from: dir.path().join("gone"), path: "JGE/gone".to_owned() });
        packer.add(made("JGE/f", b"fine"));
        assert!(packer.finish(&to).unwrap_err().to_string().contains("gone"));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_full_disk_is_told_at_the_end() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let files = (0..4).map(|number| made(&format!("JGE/{number}"), &[0; 300_000]));
        assert_eq!(pack(full, 2, files).unwrap_err().kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn one_that_is_dropped_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let packer = Packer::begin(dir.path(), 2).unwrap();
        packer.add(made("JGE/f", b"fine"));
        drop(packer);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
