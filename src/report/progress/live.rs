//! The live lines on a terminal, drawn by indicatif from the board.
//!
//! Events only change the board; a clock of its own redraws it, so that a thousand hosts cost no more drawing than one.

use std::fmt;
use std::io::stderr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressState, ProgressStyle};

use super::board::Board;
use crate::event::Event;
use crate::report::style::{self, Style};

/// How often the lines are redrawn.
const REDRAW: Duration = Duration::from_millis(125);
/// As many times a second may anything draw.
const HERTZ: u8 = 12;
/// The size of a terminal that does not know its own.
const SIZE: (usize, usize) = (80, 24);

/// The live lines.
pub(super) struct Live {
    board: Arc<Mutex<Board>>,
    bar: ProgressBar,
}

impl Live {
    /// Live lines on stderr; none where that is no terminal.
    pub(super) fn on_stderr(style: Style) -> Option<Self> {
        Self::on(ProgressDrawTarget::stderr_with_hz(HERTZ), style)
    }

    /// Live lines on this target, if it shows any.
    pub(super) fn on(target: ProgressDrawTarget, style: Style) -> Option<Self> {
        let board = Arc::new(Mutex::new(Board::new(Instant::now())));
        let drawn = Arc::clone(&board);
        let draw = move |_: &ProgressState, out: &mut dyn fmt::Write| {
            let (width, height) = style::size(&stderr()).unwrap_or(SIZE);
            let lines = lock(&drawn).lines(Instant::now(), width, height, style);
            // A draw that fails is drawn again in a moment.
            let _ = out.write_str(&lines.join("\n"));
        };
        let look = ProgressStyle::with_template("{board}").ok()?.with_key("board", draw);
        let bar = ProgressBar::with_draw_target(None, target)
            .with_style(look)
            .with_finish(ProgressFinish::AndClear);
        if bar.is_hidden() {
            return None;
        }
        bar.enable_steady_tick(REDRAW);
        Some(Self { board, bar })
    }

    /// Brings the board up to date.
    pub(super) fn hear(&self, event: &Event) {
        lock(&self.board).hear(event, Instant::now());
    }

    /// A line above the live ones, to stay.
    pub(super) fn print(&self, line: &str) {
        self.bar.println(line);
    }

    /// Takes the live lines away.
    pub(super) fn finish(self) {
        self.bar.finish_and_clear();
    }
}

/// The board; a thread that panicked with it left nothing half done that would matter.
fn lock(board: &Mutex<Board>) -> MutexGuard<'_, Board> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}
