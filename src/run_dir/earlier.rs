//! An earlier run, found again and read: what it was begun with and how far each host came.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::folder::RunFolder;
use super::journal::{self, JournalEntry, RunStart};
use crate::escape::hex;
use crate::hostset::HostName;
use crate::outcome::{CollectedFile, HostReport, Outcome};

/// An earlier run.
#[derive(Debug)]
pub struct EarlierRun {
    /// Its folder.
    pub folder: RunFolder,
    /// What it was begun with.
    pub begin: RunStart,
    /// When it was taken up again so far.
    pub resumed: Vec<Timestamp>,
    /// The hosts whose script began, with the host's clock before it.
    started_at: HashMap<HostName, i64>,
    /// The last account of each host that ended.
    ended: HashMap<HostName, HostReport>,
}

/// What is left to do on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remaining {
    /// Nothing.
    Nothing(Box<HostReport>),
    /// Its script began: only the files are still to come.
    Collect {
        /// The host's clock before the script, in seconds since 1970.
        started_at: i64,
        /// What was known of it, if it ended.
        earlier: Option<Box<HostReport>>,
    },
    /// All of it.
    Visit,
}

/// Why an earlier run cannot be taken up.
#[derive(Debug, Error)]
pub enum EarlierError {
    /// No such run.
    #[error("{run}: no such run in {}; recolte runs lists them", .output.display())]
    Unknown {
        /// What was asked for.
        run: String,
        /// Where it was looked for.
        output: PathBuf,
    },
    /// Its journal cannot be read.
    #[error("{}: the journal cannot be read", .path.display())]
    Journal {
        /// The journal.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Its journal does not say how it began.
    #[error("{}: the journal does not say how the run began; start a new run", .path.display())]
    Empty {
        /// The journal.
        path: PathBuf,
    },
}

/// The folder of an earlier run: by its path, by its id in `output`, or the latest.
///
/// # Errors
/// There is none.
pub fn find(output: &Path, run: Option<&Path>) -> Result<PathBuf, EarlierError> {
    let wanted = run.unwrap_or(Path::new("latest"));
    let candidates = [wanted.to_owned(), output.join(wanted)];
    let found =
        candidates.iter().skip(usize::from(run.is_none())).find(|path| path.join("journal.jsonl").is_file());
    let unknown = || EarlierError::Unknown { run: wanted.display().to_string(), output: output.to_owned() };
    fs::canonicalize(found.ok_or_else(unknown)?).ok().ok_or_else(unknown)
}

impl EarlierRun {
    /// Reads the run in this folder.
    ///
    /// # Errors
    /// Its journal cannot be read, or says too little.
    pub fn read(path: &Path) -> Result<Self, EarlierError> {
        let journal = path.join("journal.jsonl");
        let entries = journal::read(&journal)
            .map_err(|source| EarlierError::Journal { path: journal.clone(), source })?;
        let begin = entries.iter().find_map(|entry| match entry {
            JournalEntry::Started(begin) => Some(begin.clone()),
            _ => None,
        });
        let begin = begin.ok_or(EarlierError::Empty { path: journal })?;
        let folder = RunFolder { path: path.to_owned(), id: begin.run.clone(), name: begin.name.clone() };
        let mut earlier =
            Self { folder, begin, resumed: Vec::new(), started_at: HashMap::new(), ended: HashMap::new() };
        entries.into_iter().for_each(|entry| earlier.take(entry));
        Ok(earlier)
    }

    fn take(&mut self, entry: JournalEntry) {
        match entry {
            JournalEntry::Started(_) => {}
            JournalEntry::Resumed { at } => self.resumed.push(at),
            // What ended before is void once the script begins again.
            JournalEntry::Executing { host, started_at } => {
                self.ended.remove(&host);
                self.started_at.insert(host, started_at);
            }
            JournalEntry::Ended(report) => {
                self.ended.insert(report.host.clone(), *report);
            }
        }
    }

    /// What is left to do on a host. A script that began is not run again unless `execute_again` says so.
    pub fn left(&self, host: &str, execute_again: bool) -> Remaining {
        let ended = self.ended.get(host).cloned().map(|mut report| {
            report.files.retain(|file| self.is_whole(file));
            Box::new(report)
        });
        let lost =
            |report: &HostReport| self.ended.get(host).is_some_and(|e| e.files.len() > report.files.len());
        match (ended, self.started_at.get(host)) {
            (Some(report), _) if report.outcome == Outcome::Succeeded && !lost(&report) => {
                Remaining::Nothing(report)
            }
            (Some(report), _) if report.script_refused() => Remaining::Visit,
            (ended, Some(started_at)) if !execute_again => {
                Remaining::Collect { started_at: *started_at, earlier: ended }
            }
            _ => Remaining::Visit,
        }
    }

    /// How many hosts ended.
    pub fn ended(&self) -> usize {
        self.ended.len()
    }

    /// Whether a collected file is still what it was: a power cut may have taken it.
    fn is_whole(&self, file: &CollectedFile) -> bool {
        hash(&self.folder.path.join(&file.path))
            .is_ok_and(|(bytes, sha256)| (bytes, sha256) == (file.bytes, file.sha256.clone()))
    }
}

/// A file's length and SHA-256.
fn hash(path: &Path) -> io::Result<(u64, String)> {
    let (mut file, mut hash, mut buffer, mut bytes) =
        (File::open(path)?, Sha256::new(), vec![0; 64 * 1024], 0);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((bytes, hex(&hash.finalize())));
        }
        hash.update(buffer.get(..read).unwrap_or_default());
        bytes += read as u64;
    }
}
