//! Parses XLSX and ODS, through calamine.
//!
//! XLSX is read cell by cell, so a register of 100,000 rows is never in memory as a whole. Limits: ODS is read whole,
//! and its merged cells look like empty ones, since calamine does not keep them. A formula counts by the value
//! that the office stored; nothing is computed here.

use std::io::Cursor;

use calamine::{Data, DataRef, Ods, Reader, SheetVisible, Xlsx};

use super::package::check_package;
use super::rows::{Merges, Rows, join_shortened, normalize};
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
    while let Some(cell) = cells.next_cell().map_err(damaged)? {
        let (at, column) = cell.get_position();
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
            *slot = format_cell(cell.get_value());
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
    let damaged =
        |error: calamine::OdsError| Located::with_source(place, InventoryMessage::RegisterDamaged, error);
    check_package(&content, place)?;
    let mut book: Ods<Content> = Ods::new(Cursor::new(content)).map_err(damaged)?;
    let (sheet, mut rows) = find_sheet(&book, register, place)?;
    let range = book.worksheet_range(&sheet).map_err(damaged)?;
    let first = range.start().map_or(0, |(row, _)| u64::from(row));
    for (number, row) in (first + 1..).zip(range.rows()) {
        rows.add_row(number, row.iter().map(Data::to_string).collect())?;
    }
    rows.finish()
}

/// Formats the value of a cell. Shared strings are by far the most frequent, so they are not copied twice.
fn format_cell(value: &DataRef<'_>) -> String {
    match value {
        DataRef::SharedString(text) => (*text).to_owned(),
        other => Data::from(other.clone()).to_string(),
    }
}

/// Finds the sheet to read, and makes the rows to fill from it.
fn find_sheet<R>(book: &R, register: &Register, place: &str) -> Result<(String, Rows), Located>
where
    R: Reader<Content>,
{
    let mut shown = book.sheets_metadata().iter().filter(|sheet| sheet.visible == SheetVisible::Visible);
    let names = book.sheet_names();
    let found = match &register.sheet {
        Some(named) => names.iter().find(|name| normalize(name) == normalize(named)),
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
        let others = join_shortened(names.iter().filter(|other| *other != name));
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
