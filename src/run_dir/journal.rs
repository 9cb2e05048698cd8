//! The journal: what must be known after a power cut, a line of JSON each, on disk before anybody acts on it.
//!
//! Written by one thread, which syncs once for all lines that wait. A line that was torn by a power cut, or by a full
//! disk, is cut off before the next is appended. Limits: a line that cannot be read back is passed over.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use crate::hostset::HostName;
use crate::outcome::HostReport;

/// One line.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum JournalEntry {
    /// The run began.
    Started(RunStart),
    /// The run was taken up again.
    Resumed {
        /// When.
        at: Timestamp,
    },
    /// The script is about to begin on a host: from here on it must be taken to have run.
    Executing {
        /// The host.
        host: HostName,
        /// The host's clock before it, in seconds since 1970.
        #[serde(rename = "since")]
        started_at: i64,
    },
    /// A host ended.
    Ended(Box<HostReport>),
}

/// What a run was begun with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStart {
    /// The run's id.
    pub run: String,
    /// The job's name.
    pub name: String,
    /// The job file, absolute.
    pub job_file: PathBuf,
    /// The ssh_config of the command line, absolute.
    pub config: Option<PathBuf>,
    /// Whether the mail was left out.
    pub no_mail: bool,
    /// The hosts, in their order.
    pub hosts: Vec<HostName>,
    /// What the staged copies' names are made from, so that they can be found again. Nobody else can read it.
    #[serde(rename = "secret")]
    pub run_secret: String,
    /// When.
    pub started: Timestamp,
}

/// An open journal. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Journal(mpsc::UnboundedSender<Request>);

/// A line to write, and who waits for it.
#[derive(Debug)]
struct Request {
    line: Vec<u8>,
    done: oneshot::Sender<io::Result<()>>,
}

impl Journal {
    /// Opens a journal to append to it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        let good = whole_lines(&mut file)?;
        file.set_len(good)?;
        let (sender, receiver) = mpsc::unbounded_channel();
        std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || keep(&mut file, good, receiver))?;
        Ok(Self(sender))
    }

    /// Appends a line and waits until it is on disk.
    ///
    /// # Errors
    /// It cannot be written; what was there stays.
    pub async fn write(&self, entry: &JournalEntry) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        let (done, written) = oneshot::channel();
        let gone = || io::Error::other("the journal was closed");
        self.0.send(Request { line, done }).ok().ok_or_else(gone)?;
        written.await.unwrap_or_else(|_| Err(gone()))
    }
}

/// What a journal holds.
///
/// # Errors
/// It cannot be read.
pub fn read(path: &Path) -> io::Result<Vec<JournalEntry>> {
    let (mut reader, mut line, mut entries) = (BufReader::new(File::open(path)?), Vec::new(), Vec::new());
    while reader.read_until(b'\n', &mut line)? > 0 {
        // A line without its end was torn: nobody acted on it.
        if line.ends_with(b"\n") {
            entries.extend(serde_json::from_slice(&line).ok());
        }
        line.clear();
    }
    Ok(entries)
}

/// Writes what is asked for until nobody can ask any more.
fn keep(file: &mut File, mut good: u64, mut requests: mpsc::UnboundedReceiver<Request>) {
    while let Some(first) = requests.blocking_recv() {
        let mut batch = vec![first];
        while let Ok(next) = requests.try_recv() {
            batch.push(next);
        }
        let bytes: Vec<u8> = batch.iter().flat_map(|request| request.line.iter().copied()).collect();
        let written = file.write_all(&bytes).and_then(|()| file.sync_data());
        match &written {
            Ok(()) => good += bytes.len() as u64,
            // The part of a line that was written must not stand before the next one.
            Err(_) => drop(file.set_len(good)),
        }
        for request in batch {
            let answer = written.as_ref().map_err(|error| io::Error::new(error.kind(), error.to_string()));
            drop(request.done.send(answer.map(drop)));
        }
    }
}

/// How many bytes of a file are whole lines.
fn whole_lines(file: &mut File) -> io::Result<u64> {
    file.rewind()?;
    let (mut reader, mut line, mut good) = (BufReader::new(file), Vec::new(), 0);
    while reader.read_until(b'\n', &mut line)? > 0 {
        if line.ends_with(b"\n") {
            good += line.len() as u64;
        }
        line.clear();
    }
    Ok(good)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(host: &str) -> JournalEntry {
        JournalEntry::Ended(Box::new(HostReport::new(host)))
    }

    fn hosts(path: &Path) -> Vec<String> {
        let host = |entry| match entry {
            JournalEntry::Ended(report) => report.host.to_string(),
            other => format!("{other:?}"),
        };
        read(path).unwrap().into_iter().map(host).collect()
    }

    #[tokio::test]
    async fn a_torn_line_is_cut_off_and_the_next_one_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.jsonl");
        Journal::open(&path).unwrap().write(&ended("a")).await.unwrap();
        let whole = std::fs::read(&path).unwrap();
        for torn in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes.extend(&whole[..torn]);
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(hosts(&path), ["a"]);
            Journal::open(&path).unwrap().write(&ended("b")).await.unwrap();
            assert_eq!(hosts(&path), ["a", "b"], "torn after {torn} bytes");
        }
    }

    #[tokio::test]
    async fn many_writers_lose_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.jsonl");
        let journal = Journal::open(&path).unwrap();
        let names: Vec<String> = (0..100).map(|n| format!("h{n}")).collect();
        let entries: Vec<JournalEntry> = names.iter().map(|name| ended(name)).collect();
        futures_util::future::try_join_all(entries.iter().map(|entry| journal.write(entry))).await.unwrap();
        assert_eq!(hosts(&path), names);
    }
}
