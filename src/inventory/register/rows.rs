//! Selects the machines of a register from its rows of cells, one row at a time.
//!
//! The first row with at most [`HEADER_ROWS`] above it that holds every heading asked for is the header; rows above
//! it (titles, dates) are skipped. Limits: knows no file format, and keeps no more of a row than the name.

use std::collections::HashMap;

use super::cell::{NOT_COMPUTED, count_filled, is_formula_error, join_shortened, normalize};
use super::{Register, RegisterHosts};
use crate::escape::escape_head;
use crate::hostset::{HostName, check_spelling};
use crate::located::Located;
use crate::message::InventoryMessage;

/// The most rows before the header.
const HEADER_ROWS: usize = 50;

/// The most rows of a register: all that a spreadsheet can have.
const MAX_ROWS: u64 = 1 << 20;

/// The last row of merged cells, by the row and the column of the first cell.
pub(super) type Merges = HashMap<(u64, usize), u64>;

/// The rows of one sheet, being read.
#[derive(Default)]
pub(super) struct Rows {
    register: Register,
    /// The file and its sheet, for messages.
    place: String,
    /// The file editor's word for a row: `row` or `line`.
    unit: String,
    /// Text for an error about a missing column: the other sheets.
    pub(super) hint: String,
    /// The cells that are merged downwards; none if the format does not say which are merged.
    pub(super) merges: Option<Merges>,
    /// The first rows with their numbers, until the header is chosen among them.
    head: Vec<(u64, Vec<String>)>,
    /// The column of the machines, then those of the filters; empty until the header is found.
    columns: Vec<RegisterColumn>,
    /// The number of rows below the header that are not empty.
    read: u64,
    hosts: Vec<HostName>,
    /// The numbers of selected rows without a name.
    nameless: Vec<u64>,
    notes: Vec<String>,
}

/// A column that names the machines or is filtered by.
struct RegisterColumn {
    heading: String,
    at: usize,
    /// The accepted values, normalized, and whether a row had them.
    values: Vec<(String, bool)>,
    /// The last row and the text of the last merged cell.
    merged: Option<(u64, String)>,
    /// The number of rows with nothing in it.
    empty: u64,
}

impl Rows {
    pub(super) fn new(register: &Register, place: &str, unit: InventoryMessage) -> Self {
        let (register, place, unit) = (register.clone(), place.to_owned(), unit.to_string());
        Self { register, place, unit, ..Self::default() }
    }

    /// Checks whether the header was among the rows.
    pub(super) fn has_header(&self) -> bool {
        !self.columns.is_empty()
    }

    /// Returns the most cells that a row before the header has.
    pub(super) fn width(&self) -> usize {
        self.head.iter().map(|(_, cells)| cells.len()).max().unwrap_or(0)
    }

    /// Adds a note for people.
    pub(super) fn add_note(&mut self, place: &str, note: InventoryMessage) {
        self.notes.push(Located::new(place, note).to_string());
    }

    /// Adds the next row; `number` is the one that the file's editor shows.
    pub(super) fn add_row(&mut self, number: u64, cells: Vec<String>) -> Result<(), Located> {
        if number > MAX_ROWS {
            return Err(Located::new(&self.place, InventoryMessage::RegisterTooManyRows { max: MAX_ROWS }));
        }
        if self.has_header() {
            return self.add_machine(number, &cells);
        }
        if self.head.len() > HEADER_ROWS {
            let is_header = !self.find_columns(&cells)?.is_empty();
            return self.refuse(
                is_header.then_some(InventoryMessage::RegisterHeaderTooLow { number, max: HEADER_ROWS }),
            );
        }
        self.head.push((number, cells));
        if self.head.len() > HEADER_ROWS { self.choose_header() } else { Ok(()) }
    }

    /// Chooses the header among the first rows, if it has not been chosen, and adds the machines below it.
    pub(super) fn choose_header(&mut self) -> Result<(), Located> {
        if self.has_header() {
            return Ok(());
        }
        let mut headers = Vec::new();
        for (at, (number, cells)) in self.head.iter().enumerate() {
            let (columns, filled) = (self.find_columns(cells)?, count_filled(cells));
            headers.extend((!columns.is_empty()).then_some((filled, at, *number, columns)));
        }
        // A heading that stands alone above a row with all of them is a title.
        if let [(1, ..), (2.., ..), ..] = headers[..] {
            headers.remove(0);
        }
        let mut headers = headers.into_iter();
        let Some((filled, at, number, columns)) = headers.next() else { return Ok(()) };
        let places = |columns: &[RegisterColumn]| columns.iter().map(|column| column.at).collect::<Vec<_>>();
        let again = headers.find(|(more, _, _, others)| *more > filled || places(others) == places(&columns));
        self.columns = columns;
        self.refuse(again.map(|(_, _, again, _)| InventoryMessage::RegisterHeaderTwice { number, again }))?;
        let rows = std::mem::take(&mut self.head);
        rows.iter().skip(at + 1).try_for_each(|(number, cells)| self.add_machine(*number, cells))
    }

    fn refuse(&self, fault: Option<InventoryMessage>) -> Result<(), Located> {
        fault.map_or(Ok(()), |kind| Err(Located::new(&self.place, kind)))
    }

    /// Returns the machines, once there are no more rows.
    pub(super) fn finish(mut self) -> Result<RegisterHosts, Located> {
        self.choose_header()?;
        if !self.has_header() {
            return Err(self.missing_column());
        }
        if self.hosts.is_empty() {
            return Err(Located::new(&self.place, self.no_host()));
        }
        self.note_left_out();
        Ok(RegisterHosts { hosts: self.hosts, notes: self.notes })
    }

    /// Finds the columns of the machines and of the filters; none where `cells` is not the header.
    fn find_columns(&self, cells: &[String]) -> Result<Vec<RegisterColumn>, Located> {
        let cells: Vec<String> = cells.iter().map(|cell| normalize(cell)).collect();
        let host = (&self.register.host, &Vec::new());
        let mut columns = Vec::new();
        for (heading, values) in std::iter::once(host).chain(&self.register.filters) {
            let searched = normalize(heading);
            let mut places = cells.iter().enumerate().filter(|(_, cell)| **cell == searched);
            let Some((at, _)) = places.next() else { return Ok(Vec::new()) };
            let heading = heading.clone();
            if places.next().is_some() {
                let kind = InventoryMessage::RegisterColumnTwice { column: heading };
                return Err(Located::new(&self.place, kind));
            }
            let values = values.iter().map(|value| (normalize(value), false)).collect();
            columns.push(RegisterColumn { heading, at, values, merged: None, empty: 0 });
        }
        Ok(columns)
    }

    /// Explains which heading is missing, with those of the row that looks most like a header.
    fn missing_column(&self) -> Located {
        let filters = self.register.filters.keys();
        let headings: Vec<&String> = std::iter::once(&self.register.host).chain(filters).collect();
        let has =
            |row: &[String], heading: &str| row.iter().any(|cell| normalize(cell) == normalize(heading));
        let likeness = |row: &&Vec<String>| {
            let found = headings.iter().filter(|heading| has(row, heading)).count();
            (found, count_filled(row))
        };
        let head: Vec<&Vec<String>> = self.head.iter().map(|(_, cells)| cells).collect();
        // Reversed, since max_by_key takes the last of equal rows, and the first is meant.
        let best = head.iter().copied().rev().max_by_key(likeness).map_or(&[][..], Vec::as_slice);
        let absent = headings.iter().copied().find(|heading| !has(best, heading));
        let column = escape_head(absent.unwrap_or(&self.register.host));
        let columns = join_shortened(best.iter().filter(|cell| !cell.trim().is_empty()));
        let hint = self.hint.clone();
        let kind = if headings.iter().all(|heading| head.iter().any(|row| has(row, heading))) {
            InventoryMessage::RegisterHeaderInSeveralRows
        } else if columns.is_empty() {
            InventoryMessage::RegisterLacksColumns { column, hint }
        } else {
            InventoryMessage::RegisterLacksColumn { column, columns, hint }
        };
        Located::new(&self.place, kind)
    }

    /// Adds a row below the header.
    fn add_machine(&mut self, number: u64, cells: &[String]) -> Result<(), Located> {
        if cells.iter().all(|cell| cell.trim().is_empty()) {
            return Ok(());
        }
        self.read += 1;
        let fail = |kind| {
            let (place, unit) = (self.place.clone(), self.unit.clone());
            Located::new(InventoryMessage::AtRow { place, unit, number }.to_string(), kind)
        };
        let mut selected = true;
        let mut host = String::new();
        for (nth, column) in self.columns.iter_mut().enumerate() {
            let text = column.text(number, cells, self.merges.as_ref());
            if text == NOT_COMPUTED {
                let column = column.heading.clone();
                return Err(fail(InventoryMessage::RegisterFormulaNotComputed { column }));
            }
            if is_formula_error(&text) {
                let column = column.heading.clone();
                return Err(fail(InventoryMessage::RegisterFormulaError { column, text }));
            }
            match nth {
                0 => host = text,
                _ => selected &= column.accepts(&text),
            }
        }
        match (selected, host.is_empty()) {
            (false, _) => {}
            (true, true) => self.nameless.push(number),
            (true, false) => {
                if host.contains('-') && host.parse::<jiff::civil::Date>().is_ok() {
                    let column = self.register.host.clone();
                    return Err(fail(InventoryMessage::RegisterCellIsDate { column, date: host }));
                }
                let name = check_spelling(&host).and_then(|()| HostName::parse(&host));
                let host = name.map_err(|error| {
                    let column = self.register.host.clone();
                    Located {
                        source: Some(error.into()),
                        ..fail(InventoryMessage::RegisterCellNamesNoHost { column })
                    }
                })?;
                self.hosts.push(host);
            }
        }
        Ok(())
    }

    /// Adds a note for each kind of row or value that has no effect.
    fn note_left_out(&mut self) {
        let mut kinds = Vec::new();
        if !self.nameless.is_empty() {
            let (unit, column) = (self.unit.clone(), self.register.host.clone());
            let rows = join_shortened(self.nameless.iter());
            kinds.push(InventoryMessage::RegisterRowsUnnamed { unit, rows, column });
        }
        for column in self.columns.iter().skip(1) {
            let unseen =
                column.values.iter().filter(|(_, seen)| !seen).map(|(value, _)| format!("`{value}`"));
            let (values, heading) = (join_shortened(unseen), &column.heading);
            if !values.is_empty() {
                kinds.push(InventoryMessage::RegisterValuesUnseen { values, column: heading.clone() });
            }
            let accepts_empty = column.values.iter().any(|(value, _)| value.is_empty());
            if self.merges.is_none() && column.empty > 0 && !accepts_empty {
                kinds.push(InventoryMessage::RegisterCellsEmpty {
                    rows: column.empty,
                    column: heading.clone(),
                });
            }
        }
        let place = self.place.clone();
        kinds.into_iter().for_each(|kind| self.add_note(&place, kind));
    }

    /// Explains that no row is selected.
    fn no_host(&self) -> InventoryMessage {
        let rows = self.read;
        let filters = self.register.filters.iter().map(|(column, values)| {
            let values = join_shortened(values.iter().map(|value| format!("`{value}`")));
            InventoryMessage::RegisterFilter { column: column.clone(), values }.to_string()
        });
        let filters: Vec<String> = filters.collect();
        if filters.is_empty() {
            return InventoryMessage::RegisterHasNoHost { rows };
        }
        let filters = filters.join(&InventoryMessage::RegisterFilterAnd.to_string());
        InventoryMessage::RegisterHasNoHostWhere { rows, filters }
    }
}

impl RegisterColumn {
    /// Returns the trimmed text of its cell in a row, or that of the merged cell that covers it.
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

    /// Checks whether a row with this text is selected, and counts it.
    fn accepts(&mut self, text: &str) -> bool {
        let text = normalize(text);
        self.empty += u64::from(text.is_empty());
        let value = self.values.iter_mut().find(|(value, _)| *value == text);
        value.map(|(_, seen)| *seen = true).is_some()
    }
}
