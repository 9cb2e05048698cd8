//! The text of a register's cells: compared, counted, shown.
//!
//! Pure. Limits: what a cell means is not known here.

use icu_normalizer::ComposingNormalizerBorrowed;

use crate::escape::escape_head;

/// Stands for the value of a formula that no office has computed; no text of a file holds it.
pub(super) const NOT_COMPUTED: &str = "\0";

/// The most cells that a message lists.
const MAX_LISTED: usize = 30;

/// Counts the cells that hold something.
pub(super) fn count_filled(cells: &[String]) -> usize {
    cells.iter().filter(|cell| !cell.trim().is_empty()).count()
}

/// Normalizes a cell for comparison: accents composed, as macOS does not write them, blanks trimmed and joined, lower
/// case, French booleans as the file stores them.
pub(super) fn normalize(text: &str) -> String {
    let text = ComposingNormalizerBorrowed::new_nfc().normalize(text);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    match text.as_str() {
        "vrai" => "true".to_owned(),
        "faux" => "false".to_owned(),
        _ => text,
    }
}

/// Checks whether a cell shows a formula's error: `#N/A`, `#REF!`, `#NOM?`, `Err:502`.
pub(super) fn is_formula_error(text: &str) -> bool {
    let ends = ["!", "?", "/A", "/D"].iter().any(|end| text.ends_with(end));
    text.starts_with('#') && ends || text.strip_prefix("Err:").is_some_and(|code| code.parse::<u16>().is_ok())
}

/// Joins the first items with commas, each escaped and shortened.
pub(super) fn join_shortened<T: ToString>(items: impl Iterator<Item = T>) -> String {
    let mut shown: Vec<String> =
        items.take(MAX_LISTED + 1).map(|item| escape_head(item.to_string().trim())).collect();
    if shown.len() > MAX_LISTED {
        shown.truncate(MAX_LISTED);
        shown.push("…".to_owned());
    }
    shown.join(", ")
}
