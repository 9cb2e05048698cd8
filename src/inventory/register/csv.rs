//! Parses CSV as French offices write it: separated by `;`, `,` or tab, in UTF-8, UTF-16 or Windows-1252.
//!
//! The separator is the one with which the header is found. Limits: text that is no Unicode is taken for
//! Windows-1252, where every byte is a character.

use encoding_rs::{UTF_8, WINDOWS_1252};

use super::rows::Rows;
use super::{Register, RegisterHosts};
use crate::located::Located;
use crate::message::{InventoryMessage, Message};

/// A last row that is appended to the text: a quoted cell that is never closed contains it. No text holds a NUL.
const END: &str = "\n\0end\0";

/// Parses the machines of a CSV file.
pub(super) fn parse_csv(register: &Register, place: &str, content: &[u8]) -> Result<RegisterHosts, Located> {
    if let Some(sheet) = &register.sheet {
        return Err(Located::new(place, InventoryMessage::RegisterLacksSheets { sheet: sheet.clone() }));
    }
    let mut text = decode(content);
    if text.contains('\0') {
        return Err(Located::new(place, InventoryMessage::RegisterBinary));
    }
    text.push_str(END);
    let attempt = |separator| try_separator(register, place, &text, separator);
    let others = [b',', b'\t'].into_iter().map(attempt);
    others.fold(attempt(b';'), |best, next| if next.0 > best.0 { next } else { best }).1
}

/// Parses the text with one separator. The rank says how well it fits: whether the headings are found, then the
/// number of columns.
fn try_separator(
    register: &Register,
    place: &str,
    text: &str,
    separator: u8,
) -> ((bool, usize), Result<RegisterHosts, Located>) {
    let mut rows = Rows::new(register, place, InventoryMessage::Line);
    let read = add_records(&mut rows, text, separator, place).and_then(|()| rows.choose_header());
    let has_column_twice = |error: &Located| {
        matches!(*error.kind, Message::Inventory(InventoryMessage::RegisterColumnTwice { .. }))
    };
    let fits = rows.has_header() || read.as_ref().is_err_and(has_column_twice);
    ((fits, rows.width()), read.and_then(|()| rows.finish()))
}

/// Decodes a text by its byte order mark, or else as UTF-8 if it is valid.
fn decode(content: &[u8]) -> String {
    let encoding = if std::str::from_utf8(content).is_ok() { UTF_8 } else { WINDOWS_1252 };
    encoding.decode(content).0.into_owned()
}

fn add_records(rows: &mut Rows, text: &str, separator: u8, place: &str) -> Result<(), Located> {
    let mut reader = csv::ReaderBuilder::new();
    reader.delimiter(separator).has_headers(false).flexible(true);
    let mut reader = reader.from_reader(text.as_bytes());
    let mut record = csv::StringRecord::new();
    let mut line = 1;
    loop {
        let more = reader
            .read_record(&mut record)
            .map_err(|error| Located::with_source(place, InventoryMessage::RegisterDamaged, error))?;
        if !more {
            let place = InventoryMessage::AtLine { file: place.to_owned(), line }.to_string();
            return Err(Located::new(place, InventoryMessage::RegisterQuoteOpen));
        }
        line = line_of(&record, text);
        if record.get(0) == Some(END.trim_start()) {
            return Ok(());
        }
        rows.add_row(line, record.iter().map(str::to_owned).collect())?;
    }
}

/// Returns the line that a record begins on. The reader gives the first of the blank lines before it instead.
fn line_of(record: &csv::StringRecord, text: &str) -> u64 {
    let Some(position) = record.position() else { return 1 };
    let rest = usize::try_from(position.byte()).ok().and_then(|byte| text.get(byte..)).unwrap_or_default();
    let blank = rest.bytes().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    position.line() + blank.filter(|byte| *byte == b'\n').map(|_| 1).sum::<u64>()
}
