//! Finds an earlier run and reads its journal: its parameters, the hosts whose script began, the reports.
//!
//! Decides what `resume` still has to do on a host: it never runs a script again that began, unless asked to. Limits:
//! a run whose journal lost its first line cannot be resumed.

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
    /// The hosts whose script began, with the host's clock before it, in seconds since 1970.
    started_at: HashMap<HostName, i64>,
    /// The last report of each host that ended.
    pub reports: HashMap<HostName, HostReport>,
}

/// The work that remains on a host.
#[derive(Debug)]
pub enum Task {
    /// The whole visit.
    Whole,
    /// The script began in an earlier attempt: only its files are collected.
    Collect {
        /// The host's clock before the script, in seconds since 1970.
        started_at: i64,
        /// The host's report, if it ended.
        earlier: Option<Box<HostReport>>,
    },
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
        let mut first: Option<RunParameters> = None;
        let (mut resumed, mut started_at, mut reports) = (Vec::new(), HashMap::new(), HashMap::new());
        for entry in entries {
            match entry {
                JournalEntry::Started(parameters) => first = first.or(Some(parameters)),
                JournalEntry::Resumed { at } => resumed.push(at),
                // The script is about to begin: the report of an attempt before no longer holds.
                JournalEntry::Executing { host, started_at: clock } => {
                    reports.remove(&host);
                    started_at.insert(host, clock);
                }
                JournalEntry::Ended(report) => {
                    reports.insert(report.host.clone(), *report);
                }
            }
        }
        let parameters = first.ok_or_else(|| Located::new(shown, RunMessage::JournalWithoutStart))?;
        let (id, name) = (parameters.run.clone(), parameters.name.clone());
        let folder = RunFolder { path: path.to_owned(), id, name };
        Ok(Self { folder, parameters, resumed, started_at, reports })
    }

    /// Returns the work that remains on a host; none if it succeeded and its files are intact. A script that began is
    /// never run again unless `execute_again` is set; one that sudo or su refused did not begin.
    pub fn remaining_task(&self, host: &str, execute_again: bool) -> Option<Task> {
        let recorded = self.reports.get(host);
        let report = recorded.cloned().map(|mut report| {
            report.files.retain(|file| self.is_intact(file));
            Box::new(report)
        });
        match (report, self.started_at.get(host)) {
            // A report that lost a file differs from the recorded one.
            (Some(report), _) if report.outcome == Outcome::Succeeded && recorded == Some(&*report) => None,
            (Some(report), _) if report.script_refused() => Some(Task::Whole),
            (earlier, Some(&started_at)) if !execute_again => Some(Task::Collect { started_at, earlier }),
            _ => Some(Task::Whole),
        }
    }

    /// Checks whether a collected file still has its content. Its folder is not synced after the rename, so a power
    /// cut may have removed a file whose report is in the journal.
    fn is_intact(&self, file: &CollectedFile) -> bool {
        hash_file(&self.folder.path.join(&file.path)).is_ok_and(|sha256| sha256 == file.sha256)
    }
}

/// Returns the SHA-256 of a file in hexadecimal.
fn hash_file(path: &Path) -> io::Result<String> {
    let (mut file, mut hash, mut buffer) = (File::open(path)?, Sha256::new(), vec![0; 64 * 1024]);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(hex(&hash.finalize()));
        }
        hash.update(buffer.get(..read).unwrap_or_default());
    }
}
