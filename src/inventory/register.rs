//! The register of machines: a spreadsheet or a CSV file, one machine a row, and the rows that are wanted.
//!
//! What a file is, its content says, not its name. A file has at most [`MAX_BYTES`] and is read within
//! [`TIME_LIMIT`]. Every row of the sheet counts, those that a filter of the office hides as well.

mod csv;
mod package;
mod rows;
mod sheet;

use std::error::Error;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use crate::escape::escape;
use crate::hostset::{HostName, NameError};

/// The largest register, in bytes on disk.
pub const MAX_BYTES: u64 = 64 << 20;

/// The most time that reading one may take; far beyond what any honest file needs.
pub const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Which machines of which file are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register {
    /// An XLSX, ODS or CSV file.
    pub file: PathBuf,
    /// The sheet of a spreadsheet; the first where left out.
    pub sheet: Option<String>,
    /// The heading of the column that names the machines.
    pub host: String,
    /// Columns by their headings, and the values of which a wanted row has one. Cells and headings compare trimmed
    /// and without regard to case; the value `""` stands for an empty cell.
    pub filters: Vec<(String, Vec<String>)>,
}

/// The machines of a register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterHosts {
    /// Their names, valid, in the order of the rows; one that is on several rows is here as often.
    pub hosts: Vec<HostName>,
    /// What the reader of a run should know: rows left out, values that no row has.
    pub notes: Vec<String>,
}

/// Why a register gives no machines. `place` is the file, with its sheet and row where they are known.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The operating system refused.
    #[error("{place}: cannot be read")]
    Read {
        /// Where.
        place: String,
        /// The cause.
        source: std::io::Error,
    },
    /// The name is not that of a file.
    #[error("{place}: is not a regular file; name the spreadsheet or the CSV file itself")]
    NoFile {
        /// Where.
        place: String,
    },
    /// It is beyond a limit of ours.
    #[error("{place}: is too large ({what}); keep the machines in a file of their own")]
    TooLarge {
        /// Where.
        place: String,
        /// What of it.
        what: String,
    },
    /// The content is of no kind that is read here.
    #[error("{place}: {what}; save it as .xlsx, .ods or .csv")]
    Foreign {
        /// Where.
        place: String,
        /// What of it.
        what: &'static str,
    },
    /// The content is of a kind read here, but broken.
    #[error("{place}: is damaged, or no spreadsheet; open it in LibreOffice or Excel and save it again")]
    Damaged {
        /// Where.
        place: String,
        /// The cause.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The reader gave up without a word.
    #[error("{place}: is damaged ({what}); open it in LibreOffice or Excel and save it again")]
    Broken {
        /// Where.
        place: String,
        /// What of it.
        what: &'static str,
    },
    /// A quoted cell of a CSV file runs to its end.
    #[error("{place}: a quoted cell is never closed; write a quote inside a cell twice")]
    OpenQuote {
        /// Where.
        place: String,
    },
    /// The sheet is not in the file.
    #[error("{place}: has no sheet `{sheet}`; it has {sheets}")]
    NoSheet {
        /// Where.
        place: String,
        /// The sheet asked for.
        sheet: String,
        /// The sheets there are.
        sheets: String,
    },
    /// The heading is not in the sheet.
    #[error("{place}: has no column `{column}`; it has {columns}{hint}")]
    NoColumn {
        /// Where.
        place: String,
        /// The heading.
        column: String,
        /// The headings there are.
        columns: String,
        /// The other sheets, where none was asked for.
        hint: String,
    },
    /// The heading is there twice.
    #[error("{place}: two columns are called `{column}`; rename one")]
    TwoColumns {
        /// Where.
        place: String,
        /// The heading.
        column: String,
    },
    /// A `where` without values.
    #[error("{place}: no value is wanted of column `{column}`; list some, or leave the column out")]
    NoValue {
        /// Where.
        place: String,
        /// The heading.
        column: String,
    },
    /// A cell that decides holds a formula's error.
    #[error("{place}: the formula in column `{column}` gives {text}; mend it, or write the value")]
    Formula {
        /// Where.
        place: String,
        /// The heading.
        column: String,
        /// What the cell shows.
        text: String,
    },
    /// A wanted row names what is no host.
    #[error("{place}: column `{column}` names no host")]
    Name {
        /// Where.
        place: String,
        /// The heading.
        column: String,
        /// The cause.
        source: NameError,
    },
    /// Nothing is left.
    #[error("{place}: none of its {rows} rows names a machine{wanted}")]
    NoRow {
        /// Where.
        place: String,
        /// How many rows there are below the header.
        rows: u64,
        /// What the filters ask for.
        wanted: String,
    },
}

/// The machines of the rows that `register` wants.
pub fn hosts(register: &Register) -> Result<RegisterHosts, RegisterError> {
    let place = escape(register.file.as_os_str().as_encoded_bytes());
    if let Some((column, _)) = register.filters.iter().find(|(_, values)| values.is_empty()) {
        return Err(RegisterError::NoValue { place, column: column.clone() });
    }
    let content = load(&register.file, &place)?;
    let (task, at) = (register.clone(), place.clone());
    guarded(&place, move || read(&task, &at, content))
}

fn read(register: &Register, place: &str, content: Vec<u8>) -> Result<RegisterHosts, RegisterError> {
    let foreign = |what| Err(RegisterError::Foreign { place: place.to_owned(), what });
    let kind = kind(&register.file, &content);
    if matches!(kind, Kind::Ods | Kind::Xlsx) {
        package::check(&content).map_err(|unfit| unfit.at(place))?;
    }
    match kind {
        Kind::Ods => sheet::ods(register, place, content),
        Kind::Xlsx => sheet::xlsx(register, place, content),
        Kind::Text => csv::read(register, place, &content),
        Kind::Old => foreign("is an old .xls, or protected by a password"),
        Kind::Binary => foreign("is neither a spreadsheet nor text"),
        Kind::Misnamed => foreign("is called a spreadsheet but is none"),
        Kind::Empty => foreign("is empty"),
    }
}

impl package::Unfit {
    fn at(self, place: &str) -> RegisterError {
        let place = place.to_owned();
        match self {
            Self::Archive(source) => RegisterError::Damaged { place, source: source.into() },
            Self::Large => {
                RegisterError::TooLarge { place, what: "more than 1 GiB once unpacked".to_owned() }
            }
            Self::Strings => RegisterError::Broken { place, what: "it counts more strings than it holds" },
        }
    }
}

/// What a file is, by its first bytes.
enum Kind {
    Xlsx,
    Ods,
    Text,
    Old,
    Binary,
    Misnamed,
    Empty,
}

fn kind(file: &Path, content: &[u8]) -> Kind {
    let has = |at: usize, mark: &[u8]| content.get(at..).is_some_and(|rest| rest.starts_with(mark));
    let called = |ends: &[&str]| {
        let extension = file.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        extension.is_some_and(|extension| ends.contains(&extension.as_str()))
    };
    let wide = has(0, b"\xff\xfe") || has(0, b"\xfe\xff");
    match () {
        () if content.is_empty() => Kind::Empty,
        // OpenDocument wants its type first in the archive, uncompressed.
        () if has(0, b"PK") && (has(30, b"mimetypeapplication/vnd.oasis") || called(&["ods"])) => Kind::Ods,
        () if has(0, b"PK\x03\x04") => Kind::Xlsx,
        () if has(0, b"\xd0\xcf\x11\xe0") => Kind::Old,
        () if called(&["xlsx", "xlsm", "xls", "ods"]) => Kind::Misnamed,
        () if !wide && content.contains(&0) => Kind::Binary,
        () => Kind::Text,
    }
}

fn load(file: &Path, place: &str) -> Result<Vec<u8>, RegisterError> {
    let cannot = |source| RegisterError::Read { place: place.to_owned(), source };
    // Asked before it is opened: opening a pipe would wait for its writer.
    if !std::fs::metadata(file).map_err(cannot)?.is_file() {
        return Err(RegisterError::NoFile { place: place.to_owned() });
    }
    let mut content = Vec::new();
    let opened = std::fs::File::open(file).map_err(cannot)?;
    opened.take(MAX_BYTES + 1).read_to_end(&mut content).map_err(cannot)?;
    if content.len() as u64 > MAX_BYTES {
        let what = format!("more than {} MiB", MAX_BYTES >> 20);
        return Err(RegisterError::TooLarge { place: place.to_owned(), what });
    }
    Ok(content)
}

/// Runs `work` on a thread of its own, so that whatever a damaged file does to its reader ends as an error here:
/// calamine is known to run forever on an ODS whose table never ends.
fn guarded(
    place: &str,
    work: impl FnOnce() -> Result<RegisterHosts, RegisterError> + Send + 'static,
) -> Result<RegisterHosts, RegisterError> {
    let (sender, receiver) = mpsc::channel();
    let thread = std::thread::Builder::new().name("register".to_owned());
    // Nobody listens any more only once the time is up.
    let spawned = thread.spawn(move || drop(sender.send(work())));
    spawned.map_err(|source| RegisterError::Read { place: place.to_owned(), source })?;
    receiver.recv_timeout(TIME_LIMIT).unwrap_or_else(|error| {
        let what = match error {
            RecvTimeoutError::Timeout => "reading it does not end",
            RecvTimeoutError::Disconnected => "reading it broke off",
        };
        Err(RegisterError::Broken { place: place.to_owned(), what })
    })
}

#[cfg(test)]
mod tests;
