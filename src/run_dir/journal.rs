//! The journal: what must be known after a power cut, one line of JSON for each entry, synced before anybody acts
//! on it.
//!
//! One thread writes it, and syncs once for all lines that wait (group commit). A line that was torn by a power
//! cut, or by a full disk, is cut off before the next one is appended. Limits: a complete line that is not valid is
//! ignored.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use crate::hostset::HostName;
use crate::message::RunMessage;
use crate::outcome::{FileStates, HostReport};

/// One line.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum JournalEntry {
    /// The run began.
    Started(RunParameters),
    /// The run was resumed.
    Resumed {
        /// The time.
        at: Timestamp,
    },
    /// The script is about to begin on a host: from here on it must be assumed to have run.
    Executing {
        /// The host.
        host: HostName,
        /// The files that the globs matched before it. An entry of an earlier version has none: its script counts as
        /// begun too.
        #[serde(default)]
        before: FileStates,
    },
    /// A host ended.
    Ended(Box<HostReport>),
}

/// The parameters that a run was started with, for those that resume it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunParameters {
    /// The run's id.
    pub run: String,
    /// The job's name.
    pub name: String,
    /// The job file, absolute.
    pub job_file: PathBuf,
    /// The ssh_config of the command line, absolute.
    pub config: Option<PathBuf>,
    /// True if `--no-mail` was given.
    pub no_mail: bool,
    /// The hosts, in their order.
    pub hosts: Vec<HostName>,
    /// The secret that the names of staged scripts are derived from, so that a later attempt finds them and nobody
    /// else can guess them.
    #[serde(rename = "secret")]
    pub run_secret: String,
    /// When the run began.
    pub started: Timestamp,
}

/// An open journal. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Journal(mpsc::UnboundedSender<WriteRequest>);

/// A line to write, and the sender that reports when it is on disk.
#[derive(Debug)]
struct WriteRequest {
    line: Vec<u8>,
    written: oneshot::Sender<io::Result<()>>,
}

impl Journal {
    /// Opens a journal to append to it, and starts its thread.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let length = complete_lines(&bytes).len() as u64;
        file.set_len(length)?;
        let (sender, receiver) = mpsc::unbounded_channel();
        std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || write_lines(&mut file, length, receiver))?;
        Ok(Self(sender))
    }

    /// Appends an entry and waits until it is on disk.
    ///
    /// # Errors
    /// It cannot be written; the entries before it stay.
    pub async fn write(&self, entry: &JournalEntry) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        let (written, answer) = oneshot::channel();
        // A thread that is gone drops the request and with it the sender of the answer.
        drop(self.0.send(WriteRequest { line, written }));
        answer.await.unwrap_or_else(|_| Err(io::Error::other(RunMessage::JournalClosed)))
    }
}

/// Reads all entries of a journal.
///
/// # Errors
/// It cannot be read.
pub fn read_entries(path: &Path) -> io::Result<Vec<JournalEntry>> {
    let bytes = fs::read(path)?;
    let lines = complete_lines(&bytes).split(|byte| *byte == b'\n');
    Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

/// Returns the complete lines of a journal. A last line without its end was torn: nobody acted on it, since `write`
/// had not returned yet.
fn complete_lines(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    bytes.get(..end).unwrap_or_default()
}

/// Writes the requested lines until every sender is dropped. `length` is the length of the file in bytes.
fn write_lines(file: &mut File, mut length: u64, mut requests: mpsc::UnboundedReceiver<WriteRequest>) {
    let mut batch = Vec::new();
    // All lines that came while the last ones were synced are synced together: a sync takes as long for one line as
    // for many, and a fleet would wait for one after the other.
    while requests.blocking_recv_many(&mut batch, usize::MAX) > 0 {
        let bytes: Vec<u8> = batch.iter().flat_map(|request| request.line.iter().copied()).collect();
        let result = file.write_all(&bytes).and_then(|()| file.sync_data());
        match &result {
            Ok(()) => length += bytes.len() as u64,
            // A part of the lines may have been written, and the next line must not be appended to it.
            Err(_) => drop(file.set_len(length)),
        }
        for request in batch.drain(..) {
            let answer = result.as_ref().map_err(|error| io::Error::new(error.kind(), error.to_string()));
            drop(request.written.send(answer.map(drop)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended_entry(host: &str) -> JournalEntry {
        JournalEntry::Ended(Box::new(HostReport::new(host)))
    }

    fn ended_hosts(path: &Path) -> Vec<String> {
        let host = |entry| match entry {
            JournalEntry::Ended(report) => report.host.to_string(),
            other => format!("{other:?}"),
        };
        read_entries(path).unwrap().into_iter().map(host).collect()
    }

    #[tokio::test]
    async fn a_torn_line_is_cut_off_and_the_next_one_is_complete() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.jsonl");
        Journal::open(&path).unwrap().write(&ended_entry("a")).await.unwrap();
        let complete = fs::read(&path).unwrap();
        for torn in 0..complete.len() {
            let mut bytes = complete.clone();
            bytes.extend(&complete[..torn]);
            fs::write(&path, &bytes).unwrap();
            assert_eq!(ended_hosts(&path), ["a"]);
            Journal::open(&path).unwrap().write(&ended_entry("b")).await.unwrap();
            assert_eq!(ended_hosts(&path), ["a", "b"], "torn after {torn} bytes");
        }
    }

    #[tokio::test]
    async fn many_writers_lose_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.jsonl");
        let journal = Journal::open(&path).unwrap();
        let names: Vec<String> = (0..100).map(|n| format!("h{n}")).collect();
        let entries: Vec<JournalEntry> = names.iter().map(|name| ended_entry(name)).collect();
        futures_util::future::try_join_all(entries.iter().map(|entry| journal.write(entry))).await.unwrap();
        assert_eq!(ended_hosts(&path), names);
    }
}
