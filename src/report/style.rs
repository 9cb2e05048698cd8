//! The few colours of the terminal, and what the terminal is.
//!
//! Colour only adds to words that are there without it.

use std::io::IsTerminal;
use std::os::fd::AsFd;

use crate::outcome::Outcome;

/// The width of lines where there is no terminal to measure.
pub const DEFAULT_WIDTH: usize = 100;
/// The narrowest width that tables are laid out for.
const LEAST_WIDTH: usize = 40;

/// Whether to colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Style {
    /// Whether the reader is a terminal that wants colours.
    colour: bool,
}

impl Style {
    /// No colour: for files, mails and pipes.
    pub const PLAIN: Self = Self { colour: false };

    /// Colours, whatever the terminal.
    #[cfg(test)]
    pub const COLOURED: Self = Self { colour: true };

    /// Colours when the stream is a terminal and `NO_COLOR` is unset or empty.
    pub fn of(stream: &impl IsTerminal) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colour: is_terminal(stream) && !refused }
    }

    /// The text in the outcome's colour.
    pub fn outcome(self, outcome: Outcome, text: &str) -> String {
        match outcome {
            Outcome::Succeeded => self.wrap("32", text),
            Outcome::Failed | Outcome::Unreachable => self.wrap("31", text),
            Outcome::TimedOut | Outcome::Cancelled | Outcome::NotStarted => self.wrap("33", text),
        }
    }

    /// The text, more visible.
    pub fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// The text, less visible.
    pub fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.colour && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Whether the stream is a terminal that can move its cursor.
pub fn is_terminal(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// The columns and lines of the terminal behind the stream, if there is one that knows them.
pub fn size(stream: &impl AsFd) -> Option<(usize, usize)> {
    let (width, height) = terminal_size::terminal_size_of(stream)?;
    (width.0 > 0).then(|| (usize::from(width.0).max(LEAST_WIDTH), usize::from(height.0)))
}

/// How a text is laid out for its reader.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// The columns a line may have.
    pub width: usize,
    /// Whether to colour.
    pub style: Style,
}

impl View {
    /// As the stream's terminal is; plain and [`DEFAULT_WIDTH`] wide without one.
    pub fn of(stream: &(impl AsFd + IsTerminal)) -> Self {
        let width = size(stream).map_or(DEFAULT_WIDTH, |(width, _)| width);
        Self { width, style: Style::of(stream) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_added_only_where_wanted() {
        assert_eq!(Style::PLAIN.outcome(Outcome::Failed, "failed"), "failed");
        assert_eq!(Style::COLOURED.outcome(Outcome::Failed, "failed"), "\x1b[31mfailed\x1b[0m");
        assert_eq!(Style::COLOURED.dim(""), "");
    }

    #[test]
    fn a_file_is_no_terminal() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(Style::of(&file), Style::PLAIN);
        assert_eq!(View::of(&file).width, DEFAULT_WIDTH);
    }
}
