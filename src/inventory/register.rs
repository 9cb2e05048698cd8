//! Reads the register of machines, a spreadsheet or a CSV file with one machine a row, and selects its rows.
//!
//! The content of a file decides what it is, not its name. Limits: a file has at most [`MAX_BYTES`] and is read
//! within [`TIME_LIMIT`]. Every row of the sheet counts, also one that a filter of the office hides.

mod cell;
mod csv;
mod package;
mod rows;
mod sheet;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use serde::Deserialize;

use crate::disk;
use crate::escape::escape_path;
use crate::hostset::HostName;
use crate::located::Located;
use crate::message::InventoryMessage;

/// The largest register, in bytes on disk.
const MAX_BYTES: u64 = 64 << 20;

/// The type of an OpenDocument spreadsheet.
const ODS_TYPE: &[u8] = b"application/vnd.oasis.opendocument.spreadsheet";

/// The most time that reading a register may take; far more than any valid file needs.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// A register, and the rows to select of it: `targets.register`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// An XLSX, ODS or CSV file.
    pub file: PathBuf,
    /// The sheet of a spreadsheet; the first where left out.
    pub sheet: Option<String>,
    /// The heading of the column that names the machines.
    pub host: String,
    /// Headings of columns, and the values of which a selected row has one. Cells and headings compare trimmed and
    /// without regard to case; the value `""` stands for an empty cell.
    #[serde(default, rename = "where")]
    pub filters: BTreeMap<String, Vec<String>>,
}

/// The machines of a register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterHosts {
    /// The names, in the order of the rows; one that is on several rows is here as often.
    pub hosts: Vec<HostName>,
    /// Notes for people: rows that were left out, values that no row has.
    pub notes: Vec<String>,
}

/// Reads the machines of the selected rows.
///
/// # Errors
/// The file cannot be read or is damaged, it lacks a column, or no row is selected.
pub fn read_register(register: &Register) -> Result<RegisterHosts, Located> {
    let place = escape_path(&register.file);
    if let Some((column, _)) = register.filters.iter().find(|(_, values)| values.is_empty()) {
        return Err(Located::new(place, InventoryMessage::RegisterFilterEmpty { column: column.clone() }));
    }
    let content = disk::read_bounded(&register.file, MAX_BYTES).map_err(|error| match error.kind() {
        ErrorKind::IsADirectory => Located::new(&place, InventoryMessage::RegisterNotRegular),
        ErrorKind::FileTooLarge => {
            Located::new(&place, InventoryMessage::RegisterTooLarge { max_mib: MAX_BYTES >> 20 })
        }
        _ => Located::with_source(&place, InventoryMessage::FileUnreadable, error),
    })?;
    let (task, at) = (register.clone(), place.clone());
    run_guarded(&place, move || parse_content(&task, &at, content))
}

/// Parses a register in the format that its first bytes show.
fn parse_content(register: &Register, place: &str, content: Vec<u8>) -> Result<RegisterHosts, Located> {
    let has = |at: usize, magic: &[u8]| content.get(at..).is_some_and(|rest| rest.starts_with(magic));
    let called = |extensions: &[&str]| {
        let extension = register.file.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        extension.is_some_and(|extension| extensions.contains(&extension.as_str()))
    };
    let refuse = |kind| Err(Located::new(place, kind));
    let other = |what: &str| InventoryMessage::RegisterOtherFormat { what: what.to_owned() };
    let utf16 = has(0, b"\xff\xfe") || has(0, b"\xfe\xff");
    match () {
        () if content.is_empty() => refuse(InventoryMessage::RegisterEmpty),
        // OpenDocument puts its type first in the archive, uncompressed.
        () if has(0, b"PK") && has(30, b"mimetypeapplication/") && !has(38, ODS_TYPE) => {
            refuse(other("a document, but no spreadsheet"))
        }
        () if has(0, b"PK") && (has(38, ODS_TYPE) || called(&["ods"])) => {
            sheet::parse_ods(register, place, content)
        }
        () if has(0, b"PK\x03\x04") => sheet::parse_xlsx(register, place, content),
        () if has(0, b"\xd0\xcf\x11\xe0") => refuse(InventoryMessage::RegisterOldFormat),
        () if content.trim_ascii_start().starts_with(b"<") || has(0, b"\xef\xbb\xbf<") => {
            refuse(other("XML or HTML, as .fods is"))
        }
        () if called(&["xlsx", "xlsm", "xls", "ods"]) => refuse(InventoryMessage::RegisterMisnamed),
        // Only UTF-16 text holds NUL bytes.
        () if !utf16 && content.contains(&0) => refuse(InventoryMessage::RegisterBinary),
        () => csv::parse_csv(register, place, &content),
    }
}

/// Runs the reading on a thread of its own, within [`TIME_LIMIT`]. A damaged file may make its reader panic or run
/// forever (calamine does on an ODS whose table never ends); both become an error.
fn run_guarded(
    place: &str,
    read: impl FnOnce() -> Result<RegisterHosts, Located> + Send + 'static,
) -> Result<RegisterHosts, Located> {
    let (sender, receiver) = mpsc::channel();
    let thread = std::thread::Builder::new().name("register".to_owned());
    // Sending fails only after the time limit, when nobody receives any more.
    let spawned = thread.spawn(move || drop(sender.send(read())));
    spawned.map_err(|error| Located::with_source(place, InventoryMessage::FileUnreadable, error))?;
    receiver.recv_timeout(TIME_LIMIT).unwrap_or_else(|error| {
        let kind = match error {
            RecvTimeoutError::Timeout => InventoryMessage::RegisterReadingEndless,
            RecvTimeoutError::Disconnected => InventoryMessage::RegisterReadingBroken,
        };
        Err(Located::new(place, kind))
    })
}

#[cfg(test)]
mod tests;
