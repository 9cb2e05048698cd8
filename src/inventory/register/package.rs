//! Checks the ZIP archive of a spreadsheet before calamine reads it.
//!
//! Bounds its unpacked size, and refuses a count of strings that is too high: calamine would reserve memory for it.
//! Limits: both are checked as the archive states them.

use std::io::{self, Cursor, Read as _};

use zip::ZipArchive;
use zip::read::ZipFile;
use zip::result::ZipError;

use crate::located::Located;
use crate::message::InventoryMessage;

/// The most bytes that a spreadsheet may unpack to.
const MAX_UNPACKED: u64 = 1 << 30;

/// Parts that only archives of other kinds have, and what these are.
const OTHER_FORMATS: [(&str, &str); 4] = [
    ("xl/workbook.bin", "a binary workbook (.xlsb)"),
    ("word/document.xml", "a text document"),
    ("ppt/presentation.xml", "a presentation"),
    ("Index/Document.iwa", "a document of Numbers or Pages"),
];

/// The shortest string of XLSX, `<si/>`, in bytes.
const SHORTEST_STRING: u64 = 5;

/// Checks a spreadsheet before it is parsed.
///
/// # Errors
/// The archive is broken, unpacks to more than [`MAX_UNPACKED`], is of another kind, or gives a wrong count
/// of strings.
pub(super) fn check_package(content: &[u8], place: &str) -> Result<(), Located> {
    let damaged = |error: ZipError| Located::with_source(place, InventoryMessage::RegisterDamaged, error);
    let mut archive = ZipArchive::new(Cursor::new(content)).map_err(damaged)?;
    let mut unpacked = 0_u64;
    for nth in 0..archive.len() {
        let part = archive.by_index(nth).map_err(damaged)?;
        unpacked = unpacked.saturating_add(part.size());
        let name = part.name().map_err(damaged)?;
        if let Some((_, what)) = OTHER_FORMATS.iter().find(|(part, _)| name == *part) {
            let what = (*what).to_owned();
            return Err(Located::new(place, InventoryMessage::RegisterOtherFormat { what }));
        }
        let is_strings = name.to_ascii_lowercase().ends_with("sharedstrings.xml");
        if is_strings && !counts_possible_strings(part).map_err(|error| damaged(error.into()))? {
            return Err(Located::new(place, InventoryMessage::RegisterStringsMiscounted));
        }
    }
    if unpacked > MAX_UNPACKED {
        let max_gib = MAX_UNPACKED >> 30;
        return Err(Located::new(place, InventoryMessage::RegisterUnpacksTooLarge { max_gib }));
    }
    Ok(())
}

/// Checks whether as many strings as the part announces fit in it.
fn counts_possible_strings(part: ZipFile<'_, Cursor<&[u8]>>) -> io::Result<bool> {
    let max = part.size() / SHORTEST_STRING;
    let mut head = Vec::new();
    part.take(4096).read_to_end(&mut head)?;
    let head = String::from_utf8_lossy(&head);
    let count =
        head.split_once("uniqueCount=").and_then(|(_, rest)| rest.get(1..)?.split(['"', '\'']).next());
    Ok(count.and_then(|count| count.parse::<u64>().ok()).is_none_or(|count| count <= max))
}
