//! Parses XLSX and ODS, through calamine.
//!
//! XLSX is read cell by cell, so a register of 100,000 rows is never in memory as a whole. Limits: ODS is read whole,
//! and its merged cells look like empty ones, since calamine does not keep them. A formula counts by the value
//! that the office stored; nothing is computed here.

use std::io::Cursor;

use calamine::{Data, DataRef, ExcelDateTime, Ods, OdsError, Reader, SheetType, SheetVisible, Xlsx};

use super::cell::{NOT_COMPUTED, join_shortened, normalize};
use super::package::check_package;
use super::rows::{Merges, Rows};
use super::{Register, RegisterHosts};
use crate::located::Located;
use crate::message::InventoryMessage;

/// The most columns of a spreadsheet, in any office.
const MAX_COLUMNS: usize = 16_384;

type Content = Cursor<Vec<u8>>;

/// Parses the machines of an XLSX file.
pub(super) fn parse_xlsx(
    register: &Register,
    place: &str,
    content: Vec<u8>,
) -> Result<RegisterHosts, Located> {
    let damaged =
        |error: calamine::XlsxError| Located::with_source(place, InventoryMessage::RegisterDamaged, error);
    check_package(&content, place)?;
    let mut book: Xlsx<Content> = Xlsx::new(Cursor::new(content)).map_err(damaged)?;
    let (sheet, mut rows) = find_sheet(&book, register, place)?;
    rows.merges = Some(read_merges(&mut book, &sheet).map_err(damaged)?);
    let mut cells = book.worksheet_cells_reader(&sheet).map_err(damaged)?;
    let (mut number, mut row) = (0, Vec::new());
    while let Some(cell) = cells.next_cell_with_formula_metadata().map_err(damaged)? {
        let (at, column) = cell.pos;
        if u64::from(at) != number {
            rows.add_row(number + 1, std::mem::take(&mut row))?;
            number = u64::from(at);
        }
        let column = column as usize;
        if column >= MAX_COLUMNS {
            // Refused before the row is made as wide as the cell's number says.
            return Err(Located::new(place, InventoryMessage::RegisterColumnBeyondLast));
        }
        row.resize(row.len().max(column + 1), String::new());
        if let Some(slot) = row.get_mut(column) {
            *slot = format_cell(&cell.value, cell.formula.is_some());
        }
    }
    rows.add_row(number + 1, row)?;
    rows.finish()
}

/// Parses the machines of an ODS file.
pub(super) fn parse_ods(
    register: &Register,
    place: &str,
    content: Vec<u8>,
) -> Result<RegisterHosts, Located> {
    let damaged = |error: OdsError| match error {
        OdsError::Password => {
            let what = "protected by a password".to_owned();
            Located::new(place, InventoryMessage::RegisterOtherFormat { what })
        }
        error => Located::with_source(place, InventoryMessage::RegisterDamaged, error),
    };
    check_package(&content, place)?;
    let mut book: Ods<Content> = Ods::new(Cursor::new(content)).map_err(damaged)?;
    let (sheet, mut rows) = find_sheet(&book, register, place)?;
    let range = book.worksheet_range(&sheet).map_err(damaged)?;
    let (first, left) = range.start().unwrap_or_default();
    let formulas = book.worksheet_formula(&sheet).map_err(damaged)?;
    for (number, row) in (first..).zip(range.rows()) {
        let cells = (left..).zip(row).map(|(column, cell)| {
            let formula = formulas.get_value((number, column)).is_some_and(|formula| !formula.is_empty());
            if formula && *cell == Data::Empty { NOT_COMPUTED.to_owned() } else { cell.to_string() }
        });
        rows.add_row(u64::from(number) + 1, cells.collect())?;
    }
    rows.finish()
}

/// Formats the value of a cell. Shared strings are by far the most frequent, so they are not copied twice.
fn format_cell(value: &DataRef<'_>, is_formula: bool) -> String {
    match value {
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Empty if is_formula => NOT_COMPUTED.to_owned(),
        DataRef::DateTime(date) if date.is_datetime() && date.as_f64() >= 1.0 => format_date(date),
        other => Data::from(other.clone()).to_string(),
    }
}

/// Formats a date as ODS stores it.
fn format_date(date: &ExcelDateTime) -> String {
    let (year, month, day, hour, minute, second, _) = date.to_ymd_hms_milli();
    let time = format!("T{hour:02}:{minute:02}:{second:02}");
    format!("{year:04}-{month:02}-{day:02}{}", if time == "T00:00:00" { "" } else { &time })
}

/// Finds the sheet to read, and makes the rows to fill from it.
fn find_sheet<R>(book: &R, register: &Register, place: &str) -> Result<(String, Rows), Located>
where
    R: Reader<Content>,
{
    let sheets: Vec<_> =
        book.sheets_metadata().iter().filter(|sheet| sheet.typ == SheetType::WorkSheet).collect();
    let mut shown = sheets.iter().filter(|sheet| sheet.visible == SheetVisible::Visible);
    let names: Vec<&String> = sheets.iter().map(|sheet| &sheet.name).collect();
    let found = match &register.sheet {
        Some(named) => names.iter().copied().find(|name| normalize(name) == normalize(named)),
        None => shown.next().map(|sheet| &sheet.name),
    };
    let Some(name) = found else {
        let (sheet, sheets) = (register.sheet.clone().unwrap_or_default(), join_shortened(names.iter()));
        return Err(Located::new(place, InventoryMessage::RegisterLacksSheet { sheet, sheets }));
    };
    let sheet = join_shortened([name].into_iter());
    let in_sheet = InventoryMessage::RegisterSheet { file: place.to_owned(), sheet: sheet.clone() };
    let mut rows = Rows::new(register, &in_sheet.to_string(), InventoryMessage::Row);
    if register.sheet.is_none() && names.len() > 1 {
        let others = join_shortened(names.iter().filter(|other| **other != name));
        rows.hint = InventoryMessage::RegisterOtherSheets { sheets: others.clone() }.to_string();
        rows.add_note(place, InventoryMessage::RegisterSheetChosen { sheet, others });
    }
    Ok((name.clone(), rows))
}

/// Reads the cells that are merged downwards; rows count from 1.
fn read_merges(book: &mut Xlsx<Content>, sheet: &str) -> Result<Merges, calamine::XlsxError> {
    let regions = book.merge_cells_by_sheet_name(sheet)?;
    let downwards = regions.iter().filter(|region| region.end.0 > region.start.0);
    Ok(downwards
        .map(|region| ((u64::from(region.start.0) + 1, region.start.1 as usize), u64::from(region.end.0) + 1))
        .collect())
}
