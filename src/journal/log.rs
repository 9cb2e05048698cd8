//! The journal: one line of JSON for each host as it ends, on disk before anybody is told.
//!
//! Limits: it blocks, so it is written from a thread of its own.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use serde::Serialize;

/// An open journal.
#[derive(Debug)]
pub struct Log(File);

impl Log {
    /// Opens a journal to append to it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn open(path: &Path) -> io::Result<Self> {
        OpenOptions::new().create(true).append(true).open(path).map(Self)
    }

    /// Appends a line and waits until it is on disk.
    ///
    /// # Errors
    /// It cannot be written; what was there stays.
    pub fn append(&mut self, entry: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        self.0.write_all(&line)?;
        self.0.sync_data()
    }
}
