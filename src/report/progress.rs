//! Tells a run while it goes: the listener of its events, on stderr.
//!
//! A plain struct that is fed one event at a time. On a terminal a few live lines below what stays; without one, plain
//! lines. A reader that went away is no reason to stop: nothing here fails.

mod board;
mod line;
mod live;

use std::io::Write;

use super::style::Style;
use crate::event::Event;
use live::Live;

/// How much is told while a run goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Live lines on a terminal; above them a line for each host that did not succeed.
    Live,
    /// A line for each host as it ends.
    Plain,
    /// A line for each host that did not succeed.
    Quiet,
    /// Each step as it begins, and a line for each host with its steps' times.
    Verbose,
}

impl Mode {
    /// As the options ask; live where nothing was asked and stderr is a terminal.
    pub fn choose(quiet: bool, verbose: bool, terminal: bool) -> Self {
        match (quiet, verbose, terminal) {
            (true, ..) => Self::Quiet,
            (_, true, _) => Self::Verbose,
            (.., true) => Self::Live,
            _ => Self::Plain,
        }
    }
}

/// The listener.
pub struct Progress {
    /// How much is told.
    mode: Mode,
    /// The colours.
    style: Style,
    /// Where plain lines go.
    sink: Box<dyn Write + Send>,
    /// The live lines, in [`Mode::Live`] only.
    live: Option<Live>,
}

impl Progress {
    /// Tells on stderr.
    pub fn new(mode: Mode, style: Style) -> Self {
        let live = (mode == Mode::Live).then(|| Live::on_stderr(style)).flatten();
        let mode = if mode == Mode::Live && live.is_none() { Mode::Plain } else { mode };
        Self { mode, style, sink: Box::new(std::io::stderr()), live }
    }

    /// Tells into this writer, as lines.
    #[cfg(test)]
    pub fn into_sink(mode: Mode, style: Style, sink: Box<dyn Write + Send>) -> Self {
        Self { mode, style, sink, live: None }
    }

    /// Hears one event.
    pub fn on(&mut self, event: &Event) {
        if let Some(live) = &self.live {
            live.hear(event);
        }
        if let Some(line) = line::of(event, self.mode, self.style) {
            self.print(line);
        }
    }

    /// The run is over: the live lines go, what was printed above them stays.
    pub fn finish(mut self) {
        if let Some(live) = self.live.take() {
            live.finish();
        }
        drop(self.sink.flush());
    }

    /// One whole line at once, so that lines of other programs do not mix with it.
    fn print(&mut self, mut line: String) {
        match &self.live {
            Some(live) => live.print(&line),
            None => {
                line.push('\n');
                drop(self.sink.write_all(line.as_bytes()));
            }
        }
    }
}

#[cfg(test)]
mod tests;
