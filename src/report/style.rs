//! Colours of the terminal, and the terminal's size.
//!
//! Colours add no information: text without them has the same words.

use std::io::IsTerminal;
use std::os::fd::AsFd;

use crate::outcome::Outcome;

/// The width of lines where there is no terminal to measure.
pub const DEFAULT_WIDTH: usize = 100;
/// The narrowest width for which tables are laid out.
const MIN_WIDTH: usize = 40;

/// A choice to colour text or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// No colour: for files, mails and pipes.
    Plain,
    /// Colours of a terminal.
    Coloured,
}

impl Style {
    /// Returns the style for a stream: coloured on a terminal, unless `NO_COLOR` is set and not empty.
    pub fn for_stream(stream: &impl IsTerminal) -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if is_terminal(stream) && !no_color { Self::Coloured } else { Self::Plain }
    }

    /// Colours a text by an outcome.
    pub fn outcome(self, outcome: Outcome, text: &str) -> String {
        match outcome {
            Outcome::Succeeded => self.wrap("32", text),
            Outcome::Failed | Outcome::Unreachable => self.wrap("31", text),
            Outcome::TimedOut | Outcome::Cancelled | Outcome::NotStarted => self.wrap("33", text),
        }
    }

    /// Makes a text bold.
    pub fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// Makes a text dim.
    pub fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        match self {
            Self::Coloured if !text.is_empty() => format!("\x1b[{code}m{text}\x1b[0m"),
            _ => text.to_owned(),
        }
    }
}

/// Checks whether the stream is a terminal that can move its cursor.
pub fn is_terminal(stream: &impl IsTerminal) -> bool {
    // A dumb terminal, such as that of an editor, shows control sequences as text.
    stream.is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Returns the columns and lines of a stream's terminal; none where there is no terminal or it does not know them.
pub fn terminal_size(stream: &impl AsFd) -> Option<(usize, usize)> {
    let (width, height) = terminal_size::terminal_size_of(stream)?;
    (width.0 > 0).then(|| (usize::from(width.0).max(MIN_WIDTH), usize::from(height.0)))
}

/// The width and the style of a text.
#[derive(Debug, Clone, Copy)]
pub struct TextFormat {
    /// The columns that a line may have.
    pub width: usize,
    /// The colours.
    pub style: Style,
}

impl TextFormat {
    /// Returns the format for a stream; [`DEFAULT_WIDTH`] wide without a terminal.
    pub fn for_stream(stream: &(impl AsFd + IsTerminal)) -> Self {
        let width = terminal_size(stream).map_or(DEFAULT_WIDTH, |(width, _)| width);
        Self { width, style: Style::for_stream(stream) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_style_adds_no_colour() {
        assert_eq!(Style::Plain.outcome(Outcome::Failed, "failed"), "failed");
        assert_eq!(Style::Coloured.outcome(Outcome::Failed, "failed"), "\x1b[31mfailed\x1b[0m");
        assert_eq!(Style::Coloured.dim(""), "");
    }

    #[test]
    fn a_file_is_no_terminal() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(Style::for_stream(&file), Style::Plain);
        assert_eq!(TextFormat::for_stream(&file).width, DEFAULT_WIDTH);
    }
}
