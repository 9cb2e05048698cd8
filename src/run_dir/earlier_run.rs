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
use crate::outcome::{CollectedFile, FileStates, HostReport, Outcome};

/// An earlier run.
#[derive(Debug)]
pub struct EarlierRun {
    /// Its folder.
    pub folder: RunFolder,
    /// The parameters that it was started with.
    pub parameters: RunParameters,
    /// When it was resumed so far.
    pub resumed: Vec<Timestamp>,
    /// The hosts whose script began, with the files that were there before it.
    before: HashMap<HostName, FileStates>,
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
        /// The files that were there before the script.
        before: FileStates,
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
        let (mut resumed, mut before, mut reports) = (Vec::new(), HashMap::new(), HashMap::new());
        // The files before an earlier attempt's script, while an attempt is about to run it once more.
        let mut replaced: HashMap<HostName, Option<FileStates>> = HashMap::new();
        for entry in entries {
            match entry {
                JournalEntry::Started(parameters) => first = first.or(Some(parameters)),
                JournalEntry::Resumed { at } => {
                    resumed.push(at);
                    replaced.clear();
                }
                // A report from before is void once the script begins again.
                JournalEntry::Executing { host, before: files } => {
                    reports.remove(&host);
                    replaced.insert(host.clone(), before.insert(host, files));
                }
                JournalEntry::Ended(report) => {
                    // The host answered that nothing ran: what an earlier attempt did still counts.
                    if let (Some(false), Some(earlier)) = (report.began, replaced.remove(&report.host)) {
                        before.remove(&report.host);
                        before.extend(earlier.map(|files| (report.host.clone(), files)));
                    }
                    reports.insert(report.host.clone(), *report);
                }
            }
        }
        let parameters = first.ok_or_else(|| Located::new(shown, RunMessage::JournalWithoutStart))?;
        let (id, name) = (parameters.run.clone(), parameters.name.clone());
        let folder = RunFolder { path: path.to_owned(), id, name };
        Ok(Self { folder, parameters, resumed, before, reports })
    }

    /// Returns the work that remains on a host; none if it succeeded and its files are intact. A script that began is
    /// never run again unless `execute_again` is set; one whose host answered that nothing ran did not begin.
    pub fn remaining_task(&self, host: &str, execute_again: bool) -> Option<Task> {
        let recorded = self.reports.get(host);
        let report = recorded.cloned().map(|mut report| {
            report.files.retain(|file| self.is_intact(file));
            Box::new(report)
        });
        match (report, self.before.get(host)) {
            // A report that lost a file differs from the recorded one.
            (Some(report), _) if report.outcome == Outcome::Succeeded && recorded == Some(&*report) => None,
            (earlier, Some(before)) if !execute_again => {
                Some(Task::Collect { before: before.clone(), earlier })
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the task that a journal with these lines leaves on a host.
    fn task_after(lines: &[&str]) -> Option<Task> {
        let folder = tempfile::tempdir().unwrap();
        let started = JournalEntry::Started(RunParameters {
            run: "r".to_owned(),
            name: "JGE".to_owned(),
            job_file: "/j".into(),
            config: None,
            no_mail: false,
            hosts: vec!["h".into()],
            run_secret: "s".to_owned(),
            started: Timestamp::UNIX_EPOCH,
        });
        let started = serde_json::to_string(&started).unwrap();
        fs::write(folder.path().join(JOURNAL), format!("{started}\n{}\n", lines.join("\n"))).unwrap();
        EarlierRun::read(folder.path()).unwrap().remaining_task("h", false)
    }

    const EXECUTING: &str =
        r#"{"event":"executing","host":"h","before":{"/tmp/a":{"content":"1","rest":"2"}}}"#;
    const RESUMED: &str = r#"{"event":"resumed","at":"2026-01-01T00:00:00Z"}"#;

    fn ended(began: Option<bool>) -> String {
        let mut report = HostReport::new("h");
        report.outcome = Outcome::Failed;
        report.began = began;
        serde_json::to_string(&JournalEntry::Ended(Box::new(report))).unwrap()
    }

    #[test]
    fn a_script_that_may_have_begun_is_never_run_again() {
        let (nothing_ran, began) = (ended(Some(false)), ended(Some(true)));
        let whole = |lines: &[&str]| matches!(task_after(lines), Some(Task::Whole));
        assert!(whole(&[]));
        assert!(whole(&[&nothing_ran]));
        assert!(whole(&[EXECUTING, &nothing_ran]), "the host answered that nothing ran");
        assert!(!whole(&[EXECUTING]));
        assert!(!whole(&[EXECUTING, &began]));
        assert!(!whole(&[EXECUTING, &ended(None)]));
        assert!(!whole(&[r#"{"event":"executing","host":"h","since":1700000000}"#]), "of an earlier version");
        // A second attempt was asked for, and did not come to it.
        assert!(!whole(&[EXECUTING, &began, RESUMED, &nothing_ran]));
        assert!(!whole(&[EXECUTING, &began, RESUMED, EXECUTING, &nothing_ran]));
        assert!(!whole(&[EXECUTING, RESUMED, &nothing_ran]));
    }
}
