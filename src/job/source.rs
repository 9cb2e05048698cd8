//! The text of a job file, and errors that name the file and the line.
//!
//! Limits: a line is known only of what the text holds, not of a value that is left out or typed on the command line.

use std::ops::Range;
use std::path::Path;

use crate::located::Located;
use crate::message::JobMessage;

/// The text of a job file.
#[derive(Debug, Clone, Copy)]
pub(super) struct JobSource<'a> {
    pub(super) file: &'a Path,
    pub(super) text: &'a str,
}

impl JobSource<'_> {
    /// Makes an error about a range of the text.
    pub(super) fn error_at(&self, range: &Range<usize>, kind: JobMessage) -> Located {
        let line = 1 + self.text.bytes().take(range.start).filter(|byte| *byte == b'\n').count();
        Located::new(format!("{}:{line}", self.file.display()), kind)
    }

    /// Makes an error of what the TOML parser says.
    pub(super) fn toml_error(&self, error: &toml::de::Error) -> Located {
        // `usize` is a word of Rust, not of job files.
        let number = JobMessage::NumberExpected.to_string();
        let kind = JobMessage::Refused { error: error.message().replace("expected usize", &number) };
        match error.span() {
            Some(range) => self.error_at(&range, kind),
            None => Located::new(self.file.display().to_string(), kind),
        }
    }
}
