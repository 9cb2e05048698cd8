//! Columns of the tables of plain text: titles, widths, alignment.
//!
//! Pure. A column is as wide as its widest cell or its title, unless the caller narrows it; it never cuts a text.

use std::fmt::Display;

use unicode_width::UnicodeWidthStr as _;

/// The blanks between two columns.
pub(crate) const GAP: &str = "  ";

/// The side of a column at which its texts stand.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Align {
    /// At the left: words.
    Left,
    /// At the right: numbers.
    Right,
}

/// A column of a table.
pub(crate) struct Column {
    /// The title, in capitals.
    pub(crate) title: String,
    /// The columns that a terminal needs for it.
    pub(crate) width: usize,
    /// The texts, a row each.
    pub(crate) cells: Vec<String>,
    align: Align,
}

impl Column {
    /// Builds a column that is as wide as its widest text. The title is turned into capitals.
    pub(crate) fn new(title: impl Display, align: Align, cells: impl Iterator<Item = String>) -> Self {
        let (title, cells) = (title.to_string().to_uppercase(), cells.collect::<Vec<_>>());
        let width = cells.iter().chain([&title]).map(|text| text.width()).max().unwrap_or(0);
        Self { title, width, cells, align }
    }

    /// Pads a text to the column's width.
    pub(crate) fn pad(&self, text: &str) -> String {
        let blanks = " ".repeat(self.width.saturating_sub(text.width()));
        match self.align {
            Align::Left => format!("{text}{blanks}"),
            Align::Right => format!("{blanks}{text}"),
        }
    }

    /// Returns a row's cell, padded.
    pub(crate) fn cell(&self, row: usize) -> String {
        self.pad(self.cells.get(row).map_or("", String::as_str))
    }
}

/// Returns the line of titles.
pub(crate) fn title_line<'a>(columns: impl IntoIterator<Item = &'a Column>) -> String {
    join_cells(columns.into_iter().map(|column| column.pad(&column.title)))
}

/// Joins padded cells to a line without blanks at its end.
pub(crate) fn join_cells(cells: impl Iterator<Item = String>) -> String {
    cells.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_padded_by_the_columns_of_a_terminal() {
        let column = |align, width| Column { width, ..Column::new("", align, std::iter::empty()) };
        assert_eq!(column(Align::Left, 6).pad("語").width(), 6);
        assert_eq!(column(Align::Right, 3).pad("é"), "  é");
    }
}
