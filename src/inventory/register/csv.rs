//! CSV as French offices write it: `;`, `,` or tab, in UTF-8, UTF-16 or Windows-1252.
//!
//! The separator is the one with which the header is found. What is no Unicode is taken for Windows-1252, which has
//! a meaning for every byte.

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

use super::rows::Rows;
use super::{Register, RegisterError, RegisterHosts};

const SEPARATORS: [u8; 3] = [b';', b',', b'\t'];

/// A last row of ours: a quoted cell that is never closed swallows it. No text holds a NUL.
const END: &str = "\n\0end\0";

/// The machines of a CSV file.
pub(super) fn read(register: &Register, place: &str, content: &[u8]) -> Result<RegisterHosts, RegisterError> {
    if let Some(sheet) = &register.sheet {
        let (place, sheet, sheets) = (place.to_owned(), sheet.clone(), "none, being a CSV file".to_owned());
        return Err(RegisterError::NoSheet { place, sheet, sheets });
    }
    let mut text = decode(content);
    if text.contains('\0') {
        return Err(RegisterError::Foreign {
            place: place.to_owned(),
            what: "is neither a spreadsheet nor text",
        });
    }
    text.push_str(END);
    let attempts = SEPARATORS.into_iter().map(|separator| attempt(register, place, &text, separator));
    let best = attempts.reduce(|best, next| if next.0 > best.0 { next } else { best });
    best.map_or_else(|| Rows::new(register, place.to_owned(), "line").end(), |(_, result)| result)
}

/// What one separator makes of the text; the better it fits, the higher it ranks: whether the headings are there, and
/// how many columns are.
fn attempt(
    register: &Register,
    place: &str,
    text: &str,
    separator: u8,
) -> ((bool, usize), Result<RegisterHosts, RegisterError>) {
    let mut rows = Rows::new(register, place.to_owned(), "line");
    let read = fill(&mut rows, text, separator, place);
    let fits = rows.headed() || matches!(read, Err(RegisterError::TwoColumns { .. }));
    ((fits, rows.width()), read.and_then(|()| rows.end()))
}

fn decode(content: &[u8]) -> String {
    let valid = std::str::from_utf8(content).is_ok();
    let (encoding, mark) =
        Encoding::for_bom(content).unwrap_or((if valid { UTF_8 } else { WINDOWS_1252 }, 0));
    let content = content.get(mark..).unwrap_or_default();
    encoding.decode_without_bom_handling(content).0.into_owned()
}

fn fill(rows: &mut Rows<'_>, text: &str, separator: u8, place: &str) -> Result<(), RegisterError> {
    let mut reader = csv::ReaderBuilder::new();
    reader.delimiter(separator).has_headers(false).flexible(true);
    let mut reader = reader.from_reader(text.as_bytes());
    let mut record = csv::StringRecord::new();
    let mut line = 1;
    loop {
        let more = reader
            .read_record(&mut record)
            .map_err(|source| RegisterError::Damaged { place: place.to_owned(), source: source.into() })?;
        if !more {
            return Err(RegisterError::OpenQuote { place: format!("{place}, line {line}") });
        }
        line = line_of(&record, text);
        if record.get(0) == Some(END.trim_start()) {
            return Ok(());
        }
        rows.row(line, record.iter().map(str::to_owned).collect())?;
    }
}

/// The line that a record begins on; the reader counts from the blank lines before it.
fn line_of(record: &csv::StringRecord, text: &str) -> u64 {
    let Some(position) = record.position() else { return 1 };
    let rest = usize::try_from(position.byte()).ok().and_then(|byte| text.get(byte..)).unwrap_or_default();
    let blank = rest.bytes().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    position.line() + blank.filter(|byte| *byte == b'\n').map(|_| 1).sum::<u64>()
}
