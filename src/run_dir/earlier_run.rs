//! Finds an earlier run and reads its journal: its parameters and how far each host came.
//!
//! Decides what `resume` still has to do on a host: a script that began is never run again by itself. Limits: a run
//! whose journal lost its first line cannot be resumed.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::folder::{JOURNAL, RunFolder};
use super::journal::{self, JournalEntry, RunParameters};
use crate::escape::hex;
use crate::hostset::HostName;
use crate::located::Located;
use crate::message::RunMessage;
use crate::outcome::{CollectedFile, HostReport, Outcome};

/// An earlier run.
#[derive(Debug)]
pub struct EarlierRun {
    /// Its folder.
    pub folder: RunFolder,
    /// The parameters that it was started with.
    pub parameters: RunParameters,
    /// When it was resumed so far.
    pub resumed: Vec<Timestamp>,
    /// The hosts whose script began, with the host's clock before it.
    started_at: HashMap<HostName, i64>,
    /// The last report of each host that ended.
    reports: HashMap<HostName, HostReport>,
}

/// Tells what is left to do on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemainingWork {
    /// The host succeeded, with this report.
    Nothing(Box<HostReport>),
    /// The script began: only its files are collected.
    Collect {
        /// The host's clock before the script, in seconds since 1970.
        started_at: i64,
        /// The host's report, if it ended.
        earlier: Option<Box<HostReport>>,
    },
    /// The whole visit.
    Visit,
}

/// Finds the folder of an earlier run: by its path, by its id in `output`, or the latest.
///
/// # Errors
/// There is no such run.
pub fn find_run(output: &Path, run: Option<&Path>) -> Result<PathBuf, Located> {
    let name = run.unwrap_or(Path::new("latest"));
    let candidates = [run.map(Path::to_owned), Some(output.join(name))];
    let mut folders = candidates.into_iter().flatten().filter_map(|path| fs::canonicalize(path).ok());
    folders.find(|path| path.join(JOURNAL).is_file()).ok_or_else(|| {
        let output = output.display().to_string();
        Located::new(name.display().to_string(), RunMessage::NoSuchRun { output })
    })
}

/// Lists the folders of the earlier runs in an output folder, the oldest first. Without that folder there are none.
///
/// # Errors
/// The output folder cannot be read.
pub fn list_runs(output: &Path) -> io::Result<Vec<PathBuf>> {
    let mut folders: Vec<PathBuf> = match fs::read_dir(output) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    folders.retain(|path| !path.is_symlink() && path.join(JOURNAL).is_file());
    folders.sort();
    Ok(folders)
}

impl EarlierRun {
    /// Reads the run in a folder.
    ///
    /// # Errors
    /// Its journal cannot be read, or lacks the parameters of the run.
    pub fn read(path: &Path) -> Result<Self, Located> {
        let journal = path.join(JOURNAL);
        let shown = journal.display().to_string();
        let entries = journal::read_entries(&journal)
            .map_err(|error| Located::with_source(&shown, RunMessage::JournalUnreadable, error))?;
        let parameters = entries.iter().find_map(|entry| match entry {
            JournalEntry::Started(parameters) => Some(parameters.clone()),
            _ => None,
        });
        let parameters = parameters.ok_or_else(|| Located::new(shown, RunMessage::JournalWithoutStart))?;
        let (id, name) = (parameters.run.clone(), parameters.name.clone());
        let folder = RunFolder { path: path.to_owned(), id, name };
        let (resumed, started_at, reports) = (Vec::new(), HashMap::new(), HashMap::new());
        let mut run = Self { folder, parameters, resumed, started_at, reports };
        entries.into_iter().for_each(|entry| run.apply_entry(entry));
        Ok(run)
    }

    fn apply_entry(&mut self, entry: JournalEntry) {
        match entry {
            JournalEntry::Started(_) => {}
            JournalEntry::Resumed { at } => self.resumed.push(at),
            // A report from before is void once the script begins again.
            JournalEntry::Executing { host, started_at } => {
                self.reports.remove(&host);
                self.started_at.insert(host, started_at);
            }
            JournalEntry::Ended(report) => {
                self.reports.insert(report.host.clone(), *report);
            }
        }
    }

    /// Returns what is left to do on a host. A script that began is not run again unless `execute_again` is set.
    pub fn remaining_work(&self, host: &str, execute_again: bool) -> RemainingWork {
        let recorded = self.reports.get(host);
        let report = recorded.cloned().map(|mut report| {
            report.files.retain(|file| self.is_intact(file));
            Box::new(report)
        });
        let lost_files = |report: &HostReport| recorded.is_some_and(|r| r.files.len() > report.files.len());
        match (report, self.started_at.get(host)) {
            (Some(report), _) if report.outcome == Outcome::Succeeded && !lost_files(&report) => {
                RemainingWork::Nothing(report)
            }
            (Some(report), _) if report.script_refused() => RemainingWork::Visit,
            (earlier, Some(started_at)) if !execute_again => {
                RemainingWork::Collect { started_at: *started_at, earlier }
            }
            _ => RemainingWork::Visit,
        }
    }

    /// Returns how many hosts ended.
    pub fn count_ended(&self) -> usize {
        self.reports.len()
    }

    /// Checks whether a collected file still has its length and hash. Its folder is not synced after the rename, so
    /// a power cut may have taken a file whose report is in the journal.
    fn is_intact(&self, file: &CollectedFile) -> bool {
        hash_file(&self.folder.path.join(&file.path))
            .is_ok_and(|(bytes, sha256)| bytes == file.bytes && sha256 == file.sha256)
    }
}

/// Returns a file's length in bytes and its SHA-256 in hexadecimal.
fn hash_file(path: &Path) -> io::Result<(u64, String)> {
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
