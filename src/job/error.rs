//! What can be wrong with a job: the file and the line first, then the cause, then the way out.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A job that cannot be done as it is written.
#[derive(Debug, Error)]
pub enum JobError {
    /// The job file itself cannot be read.
    #[error("{}: the job file cannot be read; name another one, or see the README for a first job", .file.display())]
    Unreadable {
        /// The job file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Something in it is wrong.
    #[error("{}{}: {message}", .file.display(), line.map(|l| format!(":{l}")).unwrap_or_default())]
    Wrong {
        /// The job file.
        file: PathBuf,
        /// The line, counted from 1, where one is to blame.
        line: Option<usize>,
        /// The cause and the way out.
        message: String,
    },
    /// A file that the job names cannot be read.
    #[error("{}:{line}: {key} {} cannot be read; correct the path or the rights", .file.display(), .named.display())]
    Named {
        /// The job file.
        file: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The key that names it.
        key: &'static str,
        /// The file it names.
        named: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A job file's text, for errors that point into it.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// Where it was read from.
    pub file: &'a Path,
    /// What it says.
    pub text: &'a str,
}

impl Source<'_> {
    /// The line of a place in the text, counted from 1.
    pub fn line(&self, place: &Range<usize>) -> usize {
        self.text.as_bytes().iter().take(place.start).filter(|b| **b == b'\n').count() + 1
    }

    /// An error that blames a place.
    pub fn wrong(&self, place: &Range<usize>, message: impl Into<String>) -> JobError {
        JobError::Wrong { file: self.file.to_owned(), line: Some(self.line(place)), message: message.into() }
    }

    /// An error that blames the whole.
    pub fn lacks(&self, message: impl Into<String>) -> JobError {
        JobError::Wrong { file: self.file.to_owned(), line: None, message: message.into() }
    }
}

impl From<(Source<'_>, toml::de::Error)> for JobError {
    /// What the TOML reader says, with its line.
    fn from((source, error): (Source<'_>, toml::de::Error)) -> Self {
        // Rust's name for a count is nobody else's.
        let message = error.message().replace("expected usize", "expected a whole number, like 8");
        match error.span() {
            Some(place) => source.wrong(&place, message),
            None => source.lacks(message),
        }
    }
}
