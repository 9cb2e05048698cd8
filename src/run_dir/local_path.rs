//! Local paths for the files of a host, safe against path traversal: a name that a host sends cannot lead out of its
//! folder, hide anything, or replace another file.
//!
//! Harmless names are kept. Bytes that a terminal or another operating system could misread are written as `%1B`; a
//! name that is taken already, or that is one of ours, gets the host's name and a number.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tempfile::{NamedTempFile, TempPath};

use super::folder::{MANIFEST, REPORT_TEXT, RunFolder, private_dir_builder};
use crate::disk;
use crate::job::Layout;
use crate::message::RunMessage;
use crate::outcome::CollectedFile;

/// The maximum length of a name on common file systems, in bytes.
const MAX_NAME_BYTES: usize = 255;

/// The names of our own files in the archive, beside the collected ones.
const OWN_NAMES: [&str; 2] = [MANIFEST, REPORT_TEXT];

/// The maximum number of names that are tried for one file.
const MAX_TRIES: usize = 100_000;

/// The paths below the run folder that reports of the run name, and that no other file may take. A file there that no
/// report names was left by an attempt that was killed, and is replaced. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct ReservedNames(Arc<Mutex<HashSet<String>>>);

impl ReservedNames {
    /// Reserves the paths of these files.
    pub fn from_files<'a>(files: impl IntoIterator<Item = &'a CollectedFile>) -> Self {
        Self(Arc::new(Mutex::new(files.into_iter().map(|file| file.path.clone()).collect())))
    }

    /// Reserves a path. Returns false if it is reserved already.
    fn reserve(&self, name: &str) -> bool {
        // Inserting is the only change, so a thread that panicked while it held the lock left the set consistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned())
    }
}

/// The folder that the files of one host are collected into.
#[derive(Debug, Clone)]
pub struct HostFolder {
    /// The run folder, to which the paths in reports are relative.
    run: PathBuf,
    folder: PathBuf,
    host: String,
    /// True if the archive has [`OWN_NAMES`] in the same folder (layout `flat`).
    shared: bool,
    reserved_names: ReservedNames,
}

impl HostFolder {
    /// Chooses the folder of a host's files. It is created with the first file.
    pub fn new(run: &RunFolder, host: &str, layout: Layout, reserved_names: &ReservedNames) -> Self {
        let collected = run.path.join(&run.name);
        let folder = match layout {
            Layout::Flat => collected,
            Layout::ByHost if OWN_NAMES.contains(&host) => collected.join(format!("{host}_")),
            Layout::ByHost => collected.join(host),
        };
        Self {
            run: run.path.clone(),
            folder,
            host: host.to_owned(),
            shared: layout == Layout::Flat,
            reserved_names: reserved_names.clone(),
        }
    }

    /// Creates a temporary file in the folder. It is removed when dropped, unless it was renamed.
    ///
    /// # Errors
    /// It cannot be created.
    pub fn create_temporary_file(&self) -> io::Result<NamedTempFile> {
        private_dir_builder().recursive(true).create(&self.folder)?;
        disk::create_temporary_file(&self.folder)
    }

    /// Renames a temporary file to a name made from its path on the host. Returns its path relative to the run
    /// folder.
    ///
    /// # Errors
    /// It cannot be renamed, or every name is reserved.
    pub fn rename_from_remote(&self, file: TempPath, remote: &[u8]) -> io::Result<String> {
        // Only the part behind the last slash counts, so no path that a host sends chooses the folder.
        let base = remote.rsplit(|b| *b == b'/').next().unwrap_or_default();
        let name = sanitize_name(base);
        for number in 0..MAX_TRIES {
            let candidate = candidate_name(&name, &self.host, number);
            if self.shared && OWN_NAMES.contains(&candidate.as_str()) {
                continue;
            }
            let path = self.folder.join(&candidate);
            let relative = path.strip_prefix(&self.run).unwrap_or(&path).to_string_lossy().into_owned();
            if self.reserved_names.reserve(&relative) {
                return file.persist(&path).map(|()| relative).map_err(|error| error.error);
            }
        }
        Err(io::Error::other(RunMessage::NameTakenTooOften { name }))
    }

    /// Removes a collected file, by its path relative to the run folder.
    pub async fn remove_file(&self, relative: &str) {
        // No report names it, so a file that stays does no harm.
        let _ignored = tokio::fs::remove_file(self.run.join(relative)).await;
    }
}

/// Returns a file name that is safe on any terminal and file system, of at most [`MAX_NAME_BYTES`] bytes.
fn sanitize_name(base: &[u8]) -> String {
    let mut name = String::new();
    for chunk in base.utf8_chunks() {
        for c in chunk.valid().chars() {
            let shown = crate::escape::escape(c.encode_utf8(&mut [0; 4]).as_bytes());
            if shown.chars().eq([c]) {
                name.push(c);
            } else {
                percent_encode(&mut name, c.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        percent_encode(&mut name, chunk.invalid());
    }
    if matches!(name.as_str(), "" | "." | "..") {
        name = format!("_{name}");
    }
    truncate_to(name, MAX_NAME_BYTES)
}

fn percent_encode(name: &mut String, bytes: &[u8]) {
    name.extend(bytes.iter().map(|byte| format!("%{byte:02X}")));
}

/// Returns the `number`th name to try: the name itself, then with the host, then with the host and a number.
fn candidate_name(name: &str, host: &str, number: usize) -> String {
    let tag = match number {
        0 => return name.to_owned(),
        1 => format!(".{host}"),
        n => format!(".{host}.{n}"),
    };
    let (stem, end) = match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot <= 16 => name.split_at(dot),
        _ => (name, ""),
    };
    let remaining = MAX_NAME_BYTES.saturating_sub(tag.len() + end.len());
    format!("{}{tag}{end}", truncate_to(stem.to_owned(), remaining))
}

/// Cuts a text to at most `max` bytes, between characters.
fn truncate_to(mut text: String, max: usize) -> String {
    let cut = text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= max).last();
    text.truncate(cut.unwrap_or(0));
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use proptest::prelude::*;

    fn host_folder(dir: &Path, reserved_names: &ReservedNames, host: &str, layout: Layout) -> HostFolder {
        let run = RunFolder { path: dir.to_owned(), id: "r".to_owned(), name: "JGE".to_owned() };
        HostFolder::new(&run, host, layout, reserved_names)
    }

    fn put(folder: &HostFolder, remote: &[u8]) -> String {
        folder.rename_from_remote(folder.create_temporary_file().unwrap().into_temp_path(), remote).unwrap()
    }

    #[test]
    fn a_name_that_is_taken_gets_the_host_and_a_number() {
        let dir = tempfile::tempdir().unwrap();
        let reserved_names = ReservedNames::default();
        let folder = |host, layout| host_folder(dir.path(), &reserved_names, host, layout);
        let (one, two) = (folder("h1", Layout::Flat), folder("h2", Layout::Flat));
        assert_eq!(put(&one, b"/tmp/fichier_log.txt"), "JGE/fichier_log.txt");
        assert_eq!(put(&two, b"/tmp/fichier_log.txt"), "JGE/fichier_log.h2.txt");
        assert_eq!(put(&two, b"/var/fichier_log.txt"), "JGE/fichier_log.h2.2.txt");
        assert_eq!(put(&two, b"/var/report.txt"), "JGE/report.h2.txt");
        assert_eq!(put(&folder("h3", Layout::ByHost), b"/tmp/report.txt"), "JGE/h3/report.txt");
        assert_eq!(put(&folder("report.txt", Layout::ByHost), b"/tmp/x"), "JGE/report.txt_/x");
    }

    #[test]
    fn a_file_that_no_report_names_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let before = host_folder(dir.path(), &ReservedNames::default(), "h1", Layout::ByHost);
        let kept = put(&before, b"/tmp/kept.txt");
        put(&before, b"/tmp/orphan.txt");
        let file = CollectedFile { remote: String::new(), path: kept, bytes: 0, sha256: String::new() };
        let after = host_folder(dir.path(), &ReservedNames::from_files([&file]), "h1", Layout::ByHost);
        assert_eq!(put(&after, b"/tmp/orphan.txt"), "JGE/h1/orphan.txt");
        assert_eq!(put(&after, b"/tmp/kept.txt"), "JGE/h1/kept.h1.txt");
    }

    #[test]
    fn odd_names_become_harmless() {
        for (remote, local) in [
            (&b"/tmp/.."[..], "_.."),
            (b"/tmp/", "_"),
            (b"/tmp/a\nb\x1b[2J", "a%0Ab%1B[2J"),
            (b"/tmp/caf\xe9", "caf%E9"),
            ("/tmp/résumé".as_bytes(), "résumé"),
        ] {
            assert_eq!(sanitize_name(remote.rsplit(|b| *b == b'/').next().unwrap()), local);
        }
        assert_eq!(sanitize_name(&[b'x'; 255]).len(), 255);
        assert_eq!(candidate_name(&"x".repeat(255), "h", 2).len(), 255);
    }

    proptest! {
        #[test]
        fn no_name_leaves_the_folder(bytes in prop::collection::vec(1u8.., 0..300), number in 0usize..4) {
            let base: Vec<u8> = bytes.into_iter().filter(|b| *b != b'/').collect();
            let name = candidate_name(&sanitize_name(&base), "h", number);
            prop_assert!(!name.is_empty() && name.len() <= 255 && name != "." && name != "..");
            prop_assert!(!name.contains('/') && !name.contains('\0') && !name.chars().any(char::is_control));
        }
    }
}
