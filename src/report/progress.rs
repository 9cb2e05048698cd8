//! Progress of a run on stderr: live lines on a terminal, plain lines elsewhere.
//!
//! A plain struct that is given one event at a time. Nothing here fails: a reader that closed its end of a pipe is no
//! reason to stop a run.

mod display;
mod event_line;
mod state;

use std::io::Write;

use indicatif::ProgressDrawTarget;

use super::style::Style;
use crate::event::Event;
use display::LiveDisplay;
use event_line::event_line;

/// The most redraws of the live lines in a second.
const MAX_REDRAWS: u8 = 12;

/// The amount of detail that is shown during a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Live lines on a terminal; above them a line for each host that did not succeed.
    Live,
    /// A line for each host as it ends.
    Plain,
    /// A line for each host that did not succeed.
    Quiet,
    /// A line for each step as it begins, and for each host, with the durations of its steps.
    Verbose,
}

impl Mode {
    /// Chooses the mode by the options `-q` and `-v` and by whether stderr is a terminal.
    pub fn choose(quiet: bool, verbose: bool, terminal: bool) -> Self {
        match (quiet, verbose, terminal) {
            (true, ..) => Self::Quiet,
            (_, true, _) => Self::Verbose,
            (.., true) => Self::Live,
            _ => Self::Plain,
        }
    }
}

/// The progress display.
pub struct Progress {
    mode: Mode,
    style: Style,
    /// Receives plain lines.
    writer: Box<dyn Write + Send>,
    /// The live lines, in [`Mode::Live`] only.
    live: Option<LiveDisplay>,
}

impl Progress {
    /// Starts a display on stderr. Where stderr cannot show live lines, they become plain ones.
    pub fn new(mode: Mode, style: Style) -> Self {
        let target = || ProgressDrawTarget::stderr_with_hz(MAX_REDRAWS);
        let live = (mode == Mode::Live).then(|| LiveDisplay::new(target(), style)).flatten();
        let mode = if mode == Mode::Live && live.is_none() { Mode::Plain } else { mode };
        Self { mode, style, writer: Box::new(std::io::stderr()), live }
    }

    /// Shows an event.
    pub fn handle(&mut self, event: &Event) {
        if let Some(live) = &self.live {
            live.update(event);
        }
        let Some(line) = event_line(event, self.mode, self.style) else { return };
        match &self.live {
            Some(live) => live.bar.println(line),
            // In one write, so that lines of other programs do not mix with it.
            None => drop(self.writer.write_all(format!("{line}\n").as_bytes())),
        }
    }

    /// Ends the display: the live lines are cleared, the lines printed above them stay.
    pub fn finish(mut self) {
        if let Some(live) = self.live.take() {
            live.bar.finish_and_clear();
        }
        drop(self.writer.flush());
    }
}

#[cfg(test)]
mod tests;
