//! A local name for a file of a host: it cannot leave its folder, hide anything, or take another file's name.
//!
//! Names are kept where they are harmless. Bytes that a terminal or another system would trip over are written `%1B`;
//! a name met twice, or one of our own, is told apart by the host and a number.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tempfile::{NamedTempFile, TempPath};

use super::folder::{MANIFEST, REPORT, RunFolder, private};
use crate::disk::temporary_file;
use crate::job::Layout;
use crate::outcome::CollectedFile;

/// The longest name that common file systems take, in bytes.
const LONGEST: usize = 255;

/// How many names are tried for one file.
const TRIES: usize = 100_000;

/// The names below the run folder that an account of the run holds. Whatever else lies there is of a go that was broken
/// off, and is replaced. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct ReservedNames(Arc<Mutex<HashSet<String>>>);

impl ReservedNames {
    /// The names of these files.
    pub fn of<'a>(files: impl IntoIterator<Item = &'a CollectedFile>) -> Self {
        Self(Arc::new(Mutex::new(files.into_iter().map(|file| file.path.clone()).collect())))
    }

    /// Takes a name, if nobody has it.
    fn claim(&self, name: &str) -> bool {
        // A thread that panicked with the names in hand left them whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned())
    }
}

/// Where the files of one host go.
#[derive(Debug, Clone)]
pub struct HostFolder {
    /// The run folder: what reported paths are relative to.
    run: PathBuf,
    /// The folder that the files are put into.
    folder: PathBuf,
    /// The host, for names met twice.
    host: String,
    /// Whether names of our own live in the folder.
    shared: bool,
    /// The names that are taken.
    reserved_names: ReservedNames,
}

impl HostFolder {
    /// The place of a host's files. Its folder is made with its first file.
    pub fn new(run: &RunFolder, host: &str, layout: Layout, reserved_names: &ReservedNames) -> Self {
        let folder = match layout {
            Layout::Flat => run.collected_dir(),
            Layout::ByHost if [MANIFEST, REPORT].contains(&host) => {
                run.collected_dir().join(format!("{host}_"))
            }
            Layout::ByHost => run.collected_dir().join(host),
        };
        let shared = layout == Layout::Flat;
        Self {
            run: run.path.clone(),
            folder,
            host: host.to_owned(),
            shared,
            reserved_names: reserved_names.clone(),
        }
    }

    /// A file in the making, on the same file system, gone if it is not settled.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn begin(&self) -> io::Result<NamedTempFile> {
        private().recursive(true).create(&self.folder)?;
        temporary_file(&self.folder)
    }

    /// Gives a whole file its final name, made from its path on the host; returns it relative to the run folder.
    ///
    /// # Errors
    /// It cannot be renamed, or every name is taken.
    pub fn settle(&self, part: TempPath, remote: &[u8]) -> io::Result<String> {
        let base = remote.rsplit(|b| *b == b'/').next().unwrap_or_default();
        let name = local_name(base);
        for number in 0..TRIES {
            let candidate = candidate(&name, &self.host, number);
            if self.shared && [MANIFEST, REPORT].contains(&candidate.as_str()) {
                continue;
            }
            let path = self.folder.join(&candidate);
            let relative = self.relative(&path);
            if self.reserved_names.claim(&relative) {
                return part.persist(&path).map(|()| relative).map_err(|error| error.error);
            }
        }
        Err(io::Error::other(format!("{name}: a hundred thousand files bear this name")))
    }

    /// Takes back a file that was settled.
    pub async fn drop_again(&self, relative: &str) {
        // One file too many is no harm.
        let _gone_or_not = tokio::fs::remove_file(self.run.join(relative)).await;
    }

    fn relative(&self, path: &Path) -> String {
        path.strip_prefix(&self.run).unwrap_or(path).to_string_lossy().into_owned()
    }
}

/// A file's own name, fit for any terminal and file system, at most [`LONGEST`] bytes.
fn local_name(base: &[u8]) -> String {
    let mut name = String::new();
    for chunk in base.utf8_chunks() {
        for c in chunk.valid().chars() {
            let shown = crate::escape::escape(c.encode_utf8(&mut [0; 4]).as_bytes());
            if shown.chars().eq([c]) {
                name.push(c);
            } else {
                percent(&mut name, c.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        percent(&mut name, chunk.invalid());
    }
    if matches!(name.as_str(), "" | "." | "..") {
        name = format!("_{name}");
    }
    shorten(name, LONGEST)
}

fn percent(name: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(name, "%{byte:02X}");
    }
}

/// The `number`th name to try: the name itself, then with the host, then with the host and a number.
fn candidate(name: &str, host: &str, number: usize) -> String {
    let tag = match number {
        0 => return name.to_owned(),
        1 => format!(".{host}"),
        n => format!(".{host}.{n}"),
    };
    let (stem, end) = match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot <= 16 => name.split_at(dot),
        _ => (name, ""),
    };
    let remaining = LONGEST.saturating_sub(tag.len() + end.len());
    format!("{}{tag}{end}", shorten(stem.to_owned(), remaining))
}

/// At most `max` bytes of a text, cut between characters.
fn shorten(mut text: String, max: usize) -> String {
    let cut = text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= max).last();
    text.truncate(cut.unwrap_or(0));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place(dir: &Path, reserved_names: &ReservedNames, host: &str, layout: Layout) -> HostFolder {
        let run = RunFolder { path: dir.to_owned(), id: "r".to_owned(), name: "JGE".to_owned() };
        HostFolder::new(&run, host, layout, reserved_names)
    }

    fn put(place: &HostFolder, remote: &[u8]) -> String {
        place.settle(place.begin().unwrap().into_temp_path(), remote).unwrap()
    }

    #[test]
    fn a_name_met_twice_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let reserved_names = ReservedNames::default();
        let place = |host, layout| place(dir.path(), &reserved_names, host, layout);
        let (one, two) = (place("h1", Layout::Flat), place("h2", Layout::Flat));
        assert_eq!(put(&one, b"/tmp/fichier_log.txt"), "JGE/fichier_log.txt");
        assert_eq!(put(&two, b"/tmp/fichier_log.txt"), "JGE/fichier_log.h2.txt");
        assert_eq!(put(&two, b"/var/fichier_log.txt"), "JGE/fichier_log.h2.2.txt");
        assert_eq!(put(&two, b"/var/report.txt"), "JGE/report.h2.txt");
        assert_eq!(put(&place("h3", Layout::ByHost), b"/tmp/report.txt"), "JGE/h3/report.txt");
        assert_eq!(put(&place("report.txt", Layout::ByHost), b"/tmp/x"), "JGE/report.txt_/x");
    }

    #[test]
    fn what_no_account_holds_is_replaced_by_its_successor() {
        let dir = tempfile::tempdir().unwrap();
        let before = place(dir.path(), &ReservedNames::default(), "h1", Layout::ByHost);
        let kept = put(&before, b"/tmp/kept.txt");
        put(&before, b"/tmp/orphan.txt");
        let file = CollectedFile { remote: String::new(), path: kept, bytes: 0, sha256: String::new() };
        let after = place(dir.path(), &ReservedNames::of([&file]), "h1", Layout::ByHost);
        assert_eq!(put(&after, b"/tmp/orphan.txt"), "JGE/h1/orphan.txt");
        assert_eq!(put(&after, b"/tmp/kept.txt"), "JGE/h1/kept.h1.txt");
    }

    #[test]
    fn odd_names_become_harmless_ones() {
        for (remote, local) in [
            (&b"/tmp/.."[..], "_.."),
            (b"/tmp/", "_"),
            (b"/tmp/a\nb\x1b[2J", "a%0Ab%1B[2J"),
            (b"/tmp/caf\xe9", "caf%E9"),
            ("/tmp/résumé".as_bytes(), "résumé"),
        ] {
            assert_eq!(local_name(remote.rsplit(|b| *b == b'/').next().unwrap()), local);
        }
        assert_eq!(local_name(&[b'x'; 255]).len(), 255);
        assert_eq!(candidate(&"x".repeat(255), "h", 2).len(), 255);
    }

    proptest! {
        #[test]
        fn no_name_leaves_the_folder(bytes in prop::collection::vec(1u8.., 0..300), number in 0usize..4) {
            let base: Vec<u8> = bytes.into_iter().filter(|b| *b != b'/').collect();
            let name = candidate(&local_name(&base), "h", number);
            prop_assert!(!name.is_empty() && name.len() <= 255 && name != "." && name != "..");
            prop_assert!(!name.contains('/') && !name.contains('\0') && !name.chars().any(char::is_control));
        }
    }
}
