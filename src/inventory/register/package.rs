//! The archive that a spreadsheet is, looked at before calamine reads it.
//!
//! Bounds what it unpacks to, as it says itself, and catches a count of strings that calamine would believe and set
//! memory aside for.

use std::io::{Cursor, Read as _};

use zip::ZipArchive;
use zip::read::ZipFile;
use zip::result::ZipError;

/// The most bytes that a spreadsheet may unpack to.
const MAX_UNPACKED: u64 = 1 << 30;

/// The shortest string of XLSX, `<si/>`, in bytes.
const SHORTEST_STRING: u64 = 5;

/// Why a spreadsheet is not worth reading.
pub(super) enum Unfit {
    /// The archive itself is broken.
    Archive(ZipError),
    /// It is beyond [`MAX_UNPACKED`].
    Large,
    /// It says that it holds more strings than fit in it.
    Strings,
}

/// Checks the spreadsheet that is `content`.
pub(super) fn check(content: &[u8]) -> Result<(), Unfit> {
    let mut archive = ZipArchive::new(Cursor::new(content)).map_err(Unfit::Archive)?;
    let mut unpacked = 0_u64;
    for nth in 0..archive.len() {
        let part = archive.by_index(nth).map_err(Unfit::Archive)?;
        unpacked = unpacked.saturating_add(part.size());
        if part.name().map_err(Unfit::Archive)?.to_ascii_lowercase().ends_with("sharedstrings.xml") {
            check_strings(part)?;
        }
    }
    if unpacked > MAX_UNPACKED { Err(Unfit::Large) } else { Ok(()) }
}

fn check_strings(part: ZipFile<'_, Cursor<&[u8]>>) -> Result<(), Unfit> {
    let max = part.size() / SHORTEST_STRING;
    let mut head = Vec::new();
    part.take(4096).read_to_end(&mut head).map_err(|error| Unfit::Archive(error.into()))?;
    let head = String::from_utf8_lossy(&head);
    let count =
        head.split_once("uniqueCount=").and_then(|(_, rest)| rest.get(1..)?.split(['"', '\'']).next());
    match count.map(str::parse::<u64>) {
        Some(Ok(count)) if count > max => Err(Unfit::Strings),
        _ => Ok(()),
    }
}
