//! Packs the archive in the background: a file is added as soon as its host has ended, so that little is left to do
//! after the last host.
//!
//! One thread reads the files and writes the tar, others compress its blocks into one gzip stream. Nobody waits for
//! them before the end, and memory holds a few blocks for each thread. Errors are reported at the end. Limits: a
//! file that was added cannot be taken out again.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use gzp::ZWriter as _;
use gzp::deflate::Gzip;
use gzp::par::compress::ParCompressBuilder;
use tempfile::{NamedTempFile, TempPath};

use super::{ArchiveEntry, write_tar};
use crate::disk::{create_temporary_file, sync_and_rename};
use crate::message::RunMessage;

/// The maximum number of threads that compress: more would wait for the one that reads.
const MAX_THREADS: usize = 16;

/// The number of bytes after which they are synced to disk, so that little is left to sync at the end.
const SYNC_INTERVAL: usize = 32 * 1024 * 1024;

/// An archive that is being written. Dropping it removes the archive.
pub struct Packer {
    entries: mpsc::Sender<ArchiveEntry>,
    temporary_path: TempPath,
    thread: JoinHandle<io::Result<File>>,
}

impl Packer {
    /// Starts an archive in a temporary file in `folder`, compressed by so many threads.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn start(folder: &Path, threads: usize) -> io::Result<Self> {
        let (file, temporary_path) = create_temporary_file(folder)?.into_parts();
        let (entries, receiver) = mpsc::channel();
        let pack = move || write_compressed(file, threads, receiver);
        let thread = thread::Builder::new().name("packer".to_owned()).spawn(pack)?;
        Ok(Self { entries, temporary_path, thread })
    }

    /// Adds a file. Does not wait until it is packed.
    pub fn add(&self, entry: ArchiveEntry) {
        // A thread that failed returns its error to `finish`.
        drop(self.entries.send(entry));
    }

    /// Waits until all files are packed and synced, then gives the archive its name. Returns its length in bytes.
    /// Blocks.
    ///
    /// # Errors
    /// A file could not be read, or the archive could not be written; no archive is left then.
    pub fn finish(self, path: &Path) -> io::Result<u64> {
        drop(self.entries);
        let packed = self.thread.join();
        let file = packed.unwrap_or_else(|_| Err(io::Error::other(RunMessage::PackerPanicked)))?;
        sync_and_rename(NamedTempFile::from_parts(file, self.temporary_path), path)
    }
}

/// Writes all entries to the file, compressed, until their sender is dropped.
fn write_compressed(
    file: File,
    threads: usize,
    entries: impl IntoIterator<Item = ArchiveEntry>,
) -> io::Result<File> {
    let threads = threads.clamp(1, MAX_THREADS);
    let writer = ArchiveWriter { file, unsynced: 0, error: None };
    let builder = ParCompressBuilder::<Gzip>::new().num_threads(threads).map_err(io::Error::other)?;
    let mut gz = builder.from_writer(writer);
    // The compressor must be finished even after an error: it is not made to be dropped before.
    let packed = write_tar(&mut gz, entries).map(drop);
    let writer = gz.finish().map_err(io::Error::other)?;
    packed?;
    writer.error.map_or(Ok(writer.file), Err)
}

/// Writes the compressed bytes to the file. It never fails: it keeps its first error and discards all later bytes,
/// because the compressor's threads could not be finished after a failed write.
struct ArchiveWriter {
    file: File,
    unsynced: usize,
    error: Option<io::Error>,
}

impl ArchiveWriter {
    fn write_and_sync(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.unsynced += bytes.len();
        if self.unsynced >= SYNC_INTERVAL {
            self.unsynced = 0;
            self.file.sync_data()?;
        }
        Ok(())
    }
}

impl Write for ArchiveWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.error.is_none() {
            self.error = self.write_and_sync(bytes).err();
            if self.error.is_some() {
                // The disk is probably full: the hosts that are still visited need the space.
                let _ignored = self.file.set_len(0);
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

    fn generated(path: &str, bytes: &[u8]) -> ArchiveEntry {
        ArchiveEntry::Generated { path: path.to_owned(), bytes: bytes.to_vec(), modified: 7 }
    }

    /// Returns an archive of these files.
    fn packed(files: &[(String, Vec<u8>)], threads: usize) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let packer = Packer::start(dir.path(), threads).unwrap();
        files.iter().for_each(|(path, bytes)| packer.add(generated(path, bytes)));
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
    fn tar_and_gzip_of_the_system_read_it() {
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
        let packer = Packer::start(dir.path(), 2).unwrap();
        packer.add(ArchiveEntry::Disk { from: dir.path().join("gone"), path: "JGE/gone".to_owned() });
        packer.add(generated("JGE/f", b"fine"));
        assert!(packer.finish(&to).unwrap_err().to_string().contains("gone"));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_full_disk_is_reported_at_the_end() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let files = (0..4).map(|number| generated(&format!("JGE/{number}"), &[0; 300_000]));
        assert_eq!(write_compressed(full, 2, files).unwrap_err().kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn a_packer_that_is_dropped_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let packer = Packer::start(dir.path(), 2).unwrap();
        packer.add(generated("JGE/f", b"fine"));
        drop(packer);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
