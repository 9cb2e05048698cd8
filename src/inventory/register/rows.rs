//! From rows of cells, as they come, to the machines of those that are wanted.
//!
//! Knows no file format. The first row among [`HEADER_ROWS`] that holds every heading asked for is the header; what
//! is above it (titles, dates) is passed over. Of the rows, only the names are kept.

use std::collections::HashMap;

use super::{Register, RegisterError, RegisterHosts};
use crate::hostset::HostName;
use crate::hostset::excerpt;

/// How many rows from the top the header is looked for in.
const HEADER_ROWS: usize = 50;

/// The most rows of a register: all that a spreadsheet can have.
const MAX_ROWS: u64 = 1 << 20;

/// How many rows, values or columns a message lists.
const LISTED: usize = 30;

/// The row and the column of the first of some merged cells, and their last row.
pub(super) type Merges = HashMap<(u64, usize), u64>;

/// The rows of one sheet, being read.
pub(super) struct Rows<'a> {
    register: &'a Register,
    /// The file and its sheet, for messages.
    place: String,
    /// What the file's editor calls a row.
    unit: &'static str,
    /// Appended where a column is missing: the other sheets.
    pub(super) hint: String,
    /// Where cells are merged downwards; none where merged cells cannot be told from empty ones.
    pub(super) merges: Option<Merges>,
    /// The rows before the header.
    head: Vec<Vec<String>>,
    /// The machines' column, then those of the filters, once the header is found.
    columns: Vec<RegisterColumn>,
    read: u64,
    hosts: Vec<HostName>,
    nameless: Vec<u64>,
    notes: Vec<String>,
}

/// A column that decides.
struct RegisterColumn {
    heading: String,
    at: usize,
    /// The values wanted, as [`plain`] has them, and whether a row had them.
    values: Vec<(String, bool)>,
    /// The merged cell that covers the rows up to this one.
    merged: Option<(u64, String)>,
    /// Rows with nothing in it.
    empty: u64,
}

impl<'a> Rows<'a> {
    pub(super) fn new(register: &'a Register, place: String, unit: &'static str) -> Self {
        Self {
            register,
            place,
            unit,
            hint: String::new(),
            merges: None,
            head: Vec::new(),
            columns: Vec::new(),
            read: 0,
            hosts: Vec::new(),
            nameless: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Whether the header was among the rows.
    pub(super) fn headed(&self) -> bool {
        !self.columns.is_empty()
    }

    /// The most cells that one of the rows before the header has.
    pub(super) fn width(&self) -> usize {
        self.head.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// Something the reader of a run should know.
    pub(super) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// Takes the next row; `number` is the one that the file's editor shows.
    pub(super) fn row(&mut self, number: u64, cells: Vec<String>) -> Result<(), RegisterError> {
        if number > MAX_ROWS {
            let what = format!("more than {MAX_ROWS} rows");
            return Err(RegisterError::TooLarge { place: self.place.clone(), what });
        }
        if self.headed() {
            return self.machine(number, &cells);
        }
        self.columns = self.header(&cells)?;
        if !self.headed() {
            self.head.push(cells);
        }
        if self.head.len() > HEADER_ROWS { Err(self.missing()) } else { Ok(()) }
    }

    /// What was read, once there are no more rows.
    pub(super) fn end(mut self) -> Result<RegisterHosts, RegisterError> {
        if !self.headed() {
            return Err(self.missing());
        }
        if self.hosts.is_empty() {
            let wanted = self.wanted();
            return Err(RegisterError::NoRow { place: self.place, rows: self.read, wanted });
        }
        self.note_what_was_left_out();
        Ok(RegisterHosts { hosts: self.hosts, notes: self.notes })
    }

    /// The columns that decide, where `cells` is the header; none where it is not.
    fn header(&self, cells: &[String]) -> Result<Vec<RegisterColumn>, RegisterError> {
        let cells: Vec<String> = cells.iter().map(|cell| plain(cell)).collect();
        let host = (&self.register.host, &Vec::new());
        let filters = self.register.filters.iter().map(|(heading, values)| (heading, values));
        let mut columns = Vec::new();
        for (heading, values) in std::iter::once(host).chain(filters) {
            let wanted = plain(heading);
            let mut places = cells.iter().enumerate().filter(|(_, cell)| **cell == wanted);
            let Some((at, _)) = places.next() else { return Ok(Vec::new()) };
            if places.next().is_some() {
                return Err(RegisterError::TwoColumns { place: self.place.clone(), column: heading.clone() });
            }
            let values = values.iter().map(|value| (plain(value), false)).collect();
            columns.push(RegisterColumn { heading: heading.clone(), at, values, merged: None, empty: 0 });
        }
        Ok(columns)
    }

    /// The heading that no row has, next to those of the row that looks most like a header.
    fn missing(&self) -> RegisterError {
        let filters = self.register.filters.iter().map(|(heading, _)| heading);
        let wanted: Vec<&String> = std::iter::once(&self.register.host).chain(filters).collect();
        let has = |row: &[String], heading: &str| row.iter().any(|cell| plain(cell) == plain(heading));
        let likeness = |row: &&Vec<String>| {
            let found = wanted.iter().filter(|heading| has(row, heading)).count();
            (found, row.iter().filter(|cell| !cell.trim().is_empty()).count())
        };
        // The first of the best: max_by_key takes the last.
        let best = self.head.iter().rev().max_by_key(likeness).map_or(&[][..], Vec::as_slice);
        let absent = wanted.iter().copied().find(|heading| !has(best, heading));
        let column = absent.unwrap_or(&self.register.host);
        let columns = list(best.iter().filter(|cell| !cell.trim().is_empty()));
        RegisterError::NoColumn {
            place: self.place.clone(),
            column: excerpt(column),
            columns: if columns.is_empty() { "no filled row at all".to_owned() } else { columns },
            hint: self.hint.clone(),
        }
    }

    /// A row below the header.
    fn machine(&mut self, number: u64, cells: &[String]) -> Result<(), RegisterError> {
        if cells.iter().all(|cell| cell.trim().is_empty()) {
            return Ok(());
        }
        self.read += 1;
        let place = || format!("{}, {} {number}", self.place, self.unit);
        let mut wanted = true;
        let mut host = String::new();
        for (nth, column) in self.columns.iter_mut().enumerate() {
            let text = column.text(number, cells, self.merges.as_ref());
            if is_formula_error(&text) {
                return Err(RegisterError::Formula { place: place(), column: column.heading.clone(), text });
            }
            match nth {
                0 => host = text,
                _ => wanted &= column.wants(&text),
            }
        }
        match (wanted, host.is_empty()) {
            (false, _) => {}
            (true, true) => self.nameless.push(number),
            (true, false) => {
                let host = HostName::parse(&host).map_err(|source| RegisterError::Name {
                    place: place(),
                    column: self.register.host.clone(),
                    source,
                })?;
                self.hosts.push(host);
            }
        }
        Ok(())
    }

    fn note_what_was_left_out(&mut self) {
        let place = &self.place;
        if !self.nameless.is_empty() {
            let (unit, host, rows) = (self.unit, &self.register.host, list(self.nameless.iter()));
            self.notes.push(format!("{place}: left out {unit} {rows}: nothing in column `{host}`"));
        }
        for column in self.columns.iter().skip(1) {
            let unseen =
                list(column.values.iter().filter(|(_, seen)| !seen).map(|(value, _)| format!("`{value}`")));
            if !unseen.is_empty() {
                self.notes.push(format!("{place}: no row has {unseen} in column `{}`", column.heading));
            }
            let wants_empty = column.values.iter().any(|(value, _)| value.is_empty());
            if self.merges.is_none() && column.empty > 0 && !wants_empty {
                let (empty, heading) = (column.empty, &column.heading);
                self.notes.push(format!(
                    "{place}: left out {empty} rows with nothing in column `{heading}`; if its cells are merged, save \
                     the register as .xlsx, as merged cells cannot be told from empty ones here"
                ));
            }
        }
    }

    /// What the filters ask for, in words.
    fn wanted(&self) -> String {
        let values = |values: &[String]| list(values.iter().map(|value| format!("`{value}`")));
        let filters = &self.register.filters;
        let filters: Vec<String> =
            filters.iter().map(|(name, set)| format!("`{name}` is {}", values(set))).collect();
        if filters.is_empty() { String::new() } else { format!(" where {}", filters.join(" and ")) }
    }
}

impl RegisterColumn {
    /// Its text in a row: trimmed, and that of the merged cell which covers it.
    fn text(&mut self, row: u64, cells: &[String], merges: Option<&Merges>) -> String {
        let own = cells.get(self.at).map_or("", |cell| cell.trim());
        if let Some(last) = merges.and_then(|merges| merges.get(&(row, self.at))) {
            self.merged = Some((*last, own.to_owned()));
        }
        match &self.merged {
            Some((last, text)) if own.is_empty() && row <= *last => text.clone(),
            _ => own.to_owned(),
        }
    }

    fn wants(&mut self, text: &str) -> bool {
        let text = plain(text);
        self.empty += u64::from(text.is_empty());
        let value = self.values.iter_mut().find(|(value, _)| *value == text);
        value.map(|(_, seen)| *seen = true).is_some()
    }
}

/// A cell as cells compare: blanks trimmed and joined, lower case, a French boolean as the file has it.
pub(super) fn plain(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    match text.as_str() {
        "vrai" => "true".to_owned(),
        "faux" => "false".to_owned(),
        _ => text,
    }
}

/// Whether a cell shows a formula's error: `#N/A`, `#REF!`, `#NOM?`, `Err:502`.
fn is_formula_error(text: &str) -> bool {
    let ends = ["!", "?", "/A", "/D"].iter().any(|end| text.ends_with(end));
    text.starts_with('#') && ends || text.strip_prefix("Err:").is_some_and(|code| code.parse::<u16>().is_ok())
}

/// The first few of `items`, fit for a terminal.
pub(super) fn list<T: ToString>(items: impl Iterator<Item = T>) -> String {
    let mut shown: Vec<String> =
        items.take(LISTED + 1).map(|item| excerpt(item.to_string().trim())).collect();
    if shown.len() > LISTED {
        shown.truncate(LISTED);
        shown.push("…".to_owned());
    }
    shown.join(", ")
}
