//! The text of a job file: what its paths are relative to, and errors that name the file and the line.
//!
//! Limits: a line is known only of what the text holds, not of a value that is left out or typed on the command line.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::hostset::split_list;
use crate::located::Located;
use crate::message::JobMessage;

/// The text of a job file.
pub(super) struct JobSource<'a> {
    pub(super) file: &'a Path,
    pub(super) text: &'a str,
    /// The folder that relative paths start from.
    pub(super) folder: PathBuf,
}

impl JobSource<'_> {
    /// Makes an error about the value of a key, like `ssh.config`; `script.args.0` is the first item of a list.
    pub(super) fn error_at(&self, key: &str, kind: JobMessage) -> Located {
        self.error_in(&self.find(key), kind)
    }

    /// Fails where something is wrong with the value of a key.
    pub(super) fn check(&self, key: &str, fault: Option<JobMessage>) -> Result<(), Located> {
        fault.map_or(Ok(()), |kind| Err(self.error_at(key, kind)))
    }

    /// Makes an error of what the TOML parser says.
    pub(super) fn toml_error(&self, error: &toml::de::Error) -> Located {
        // `usize` is a word of Rust, not of job files.
        let number = JobMessage::NumberExpected.to_string();
        let refused = JobMessage::Refused { error: error.message().replace("expected usize", &number) };
        let list = error.span().filter(|_| error.message().ends_with("expected a sequence"));
        let kind = list.and_then(|range| self.find_list_fault(&range)).unwrap_or(refused);
        match error.span() {
            Some(range) => self.error_in(&range, kind),
            None => Located::new(self.file.display().to_string(), kind),
        }
    }

    /// Finds a string where a list is needed; the message has the list that it most likely means.
    fn find_list_fault(&self, range: &Range<usize>) -> Option<JobMessage> {
        let (before, value) = (self.text.get(..range.start)?, self.text.get(range.clone())?);
        let table: toml::Table = format!("value = {value}").parse().ok()?;
        let text = table.get("value")?.as_str()?;
        let key = before.trim_end().strip_suffix('=')?.trim_end();
        let key = key.rsplit(|c: char| c.is_whitespace() || "{,.".contains(c)).next()?.to_owned();
        let listed = text.replace(';', ",");
        let items: Vec<&str> = match &*key {
            "hosts" | "exclude" => split_list(&listed).collect(),
            "args" | "files" => text.split_whitespace().collect(),
            _ => listed.split(',').map(str::trim).filter(|item| !item.is_empty()).collect(),
        };
        Some(JobMessage::ListExpected { key, listed: format!("{items:?}") })
    }

    /// Makes an error about a range of the text.
    fn error_in(&self, range: &Range<usize>, kind: JobMessage) -> Located {
        let line = 1 + self.text.bytes().take(range.start).filter(|byte| *byte == b'\n').count();
        Located::new(format!("{}:{line}", self.file.display()), kind)
    }

    /// Finds the range of a key's value in the text, or that of the nearest table around it.
    fn find(&self, key: &str) -> Range<usize> {
        let Ok(table) = DeTable::parse(self.text) else { return 0..0 };
        let root = Spanned::new(table.span(), DeValue::Table(table.into_inner()));
        let value = key.split('.').fold(&root, |outer, part| {
            // The key of a table, or else the number of an item.
            let value = outer.get_ref();
            value.get(part).or_else(|| value.get(part.parse::<usize>().ok()?)).unwrap_or(outer)
        });
        value.span()
    }

    /// Resolves a path of the job file: `~` is the home folder, a relative path starts at the job file's folder.
    pub(super) fn resolve_path(&self, path: &Path) -> PathBuf {
        match (path.strip_prefix("~"), home()) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => absolute(&self.folder.join(path)),
        }
    }

    /// Resolves the path of a regular file that must be readable.
    pub(super) fn resolve_readable(&self, key: &str, path: &Path) -> Result<PathBuf, Located> {
        let path = self.resolve_path(path);
        match fs::File::open(&path).and_then(|file| file.metadata()) {
            Ok(meta) if meta.is_file() => Ok(path),
            Ok(_) => Err(self.unreadable(key, &path, not_regular())),
            Err(error) => Err(self.unreadable(key, &path, error)),
        }
    }

    /// Makes an error about a file that the job names.
    pub(super) fn unreadable(&self, key: &str, path: &Path, error: io::Error) -> Located {
        let kind = JobMessage::FileUnreadable { key: key.to_owned(), file: path.display().to_string() };
        Located { source: Some(error.into()), ..self.error_at(key, kind) }
    }
}

pub(super) fn not_regular() -> io::Error {
    io::Error::other(JobMessage::FileNotRegular.to_string())
}

/// Makes a path absolute and removes its `..`, but for one that follows a link; links are kept as they are.
pub(super) fn absolute(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    whole.components().fold(PathBuf::new(), |mut clean, part| {
        match part {
            // After a link, `..` is the parent of the link's target, which only the system knows.
            Component::ParentDir if !clean.is_symlink() => drop(clean.pop()),
            other => clean.push(other),
        }
        clean
    })
}

/// Returns the user's home folder.
pub(super) fn home() -> Option<PathBuf> {
    std::env::home_dir().filter(|home| !home.as_os_str().is_empty())
}
