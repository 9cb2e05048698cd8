//! XLSX and ODS, through calamine.
//!
//! XLSX is read cell by cell: a register of 100,000 rows never stands in memory. ODS is read whole, and there merged
//! cells cannot be told from empty ones, as calamine keeps no word of them. Formulas count by the value that the
//! office stored; nothing is computed here.

use std::io::Cursor;

use calamine::{Data, DataRef, Ods, Reader, SheetVisible, Xlsx};

use super::rows::{Merges, Rows, list, plain};
use super::{Register, RegisterError, RegisterHosts};

/// The columns of a spreadsheet, in any office.
const MAX_COLUMNS: usize = 16_384;

type Content = Cursor<Vec<u8>>;

/// The machines of an XLSX file.
pub(super) fn xlsx(
    register: &Register,
    place: &str,
    content: Vec<u8>,
) -> Result<RegisterHosts, RegisterError> {
    let damaged = |source: calamine::XlsxError| RegisterError::Damaged {
        place: place.to_owned(),
        source: source.into(),
    };
    let mut book: Xlsx<Content> = Xlsx::new(Cursor::new(content)).map_err(damaged)?;
    let (sheet, mut rows) = open(&book, register, place)?;
    rows.merges = Some(merges(&mut book, &sheet).map_err(damaged)?);
    let mut cells = book.worksheet_cells_reader(&sheet).map_err(damaged)?;
    let (mut number, mut row) = (0, Vec::new());
    while let Some(cell) = cells.next_cell().map_err(damaged)? {
        let (at, column) = cell.get_position();
        if u64::from(at) != number {
            rows.row(number + 1, std::mem::take(&mut row))?;
            number = u64::from(at);
        }
        let column = column as usize;
        if column >= MAX_COLUMNS {
            return Err(RegisterError::Broken {
                place: place.to_owned(),
                what: "a cell lies beyond the last column",
            });
        }
        row.resize(row.len().max(column + 1), String::new());
        if let Some(slot) = row.get_mut(column) {
            *slot = text(cell.get_value());
        }
    }
    rows.row(number + 1, row)?;
    rows.end()
}

/// The machines of an ODS file.
pub(super) fn ods(
    register: &Register,
    place: &str,
    content: Vec<u8>,
) -> Result<RegisterHosts, RegisterError> {
    let damaged = |source: calamine::OdsError| RegisterError::Damaged {
        place: place.to_owned(),
        source: source.into(),
    };
    let mut book: Ods<Content> = Ods::new(Cursor::new(content)).map_err(damaged)?;
    let (sheet, mut rows) = open(&book, register, place)?;
    let range = book.worksheet_range(&sheet).map_err(damaged)?;
    let first = range.start().map_or(0, |(row, _)| u64::from(row));
    for (number, row) in (first + 1..).zip(range.rows()) {
        rows.row(number, row.iter().map(Data::to_string).collect())?;
    }
    rows.end()
}

/// What a cell shows; most are shared strings, and 100,000 rows have a million of them.
fn text(value: &DataRef<'_>) -> String {
    match value {
        DataRef::SharedString(text) => (*text).to_owned(),
        other => Data::from(other.clone()).to_string(),
    }
}

/// The name of the sheet to read, as the file has it, and the rows to fill from it.
fn open<'a, R>(book: &R, register: &'a Register, place: &str) -> Result<(String, Rows<'a>), RegisterError>
where
    R: Reader<Content>,
{
    let shown = book.sheets_metadata().iter().filter(|sheet| sheet.visible == SheetVisible::Visible);
    let names = book.sheet_names();
    let found = match &register.sheet {
        Some(wanted) => names.iter().find(|name| plain(name) == plain(wanted)),
        None => shown.map(|sheet| &sheet.name).next(),
    };
    let sheet = found.cloned().ok_or_else(|| RegisterError::NoSheet {
        place: place.to_owned(),
        sheet: register.sheet.clone().unwrap_or_default(),
        sheets: list(names.iter()),
    })?;
    let mut rows = Rows::new(register, format!("{place}, sheet {}", list([&sheet].into_iter())), "row");
    if register.sheet.is_none() && names.len() > 1 {
        let others = list(names.iter().filter(|name| **name != sheet));
        rows.hint = format!("; name another sheet with `sheet`: {others}");
        rows.note(format!(
            "{place}: read its first sheet, {}; not read: {others}",
            list([&sheet].into_iter())
        ));
    }
    Ok((sheet, rows))
}

/// The cells merged downwards, rows counted from 1.
fn merges(book: &mut Xlsx<Content>, sheet: &str) -> Result<Merges, calamine::XlsxError> {
    let regions = book.merge_cells_by_sheet_name(sheet)?;
    let downwards = regions.iter().filter(|region| region.end.0 > region.start.0);
    Ok(downwards
        .map(|region| ((u64::from(region.start.0) + 1, region.start.1 as usize), u64::from(region.end.0) + 1))
        .collect())
}
