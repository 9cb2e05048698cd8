//! The live lines on a terminal, drawn by indicatif.
//!
//! Events only change the state; a timer redraws the lines, so that a thousand hosts cost no more drawing than one.

use std::fmt;
use std::io::stderr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressState, ProgressStyle};

use super::state::LiveState;
use crate::event::Event;
use crate::report::style::{Style, terminal_size};

/// The time between two redraws.
const REDRAW_INTERVAL: Duration = Duration::from_millis(125);
/// The columns and lines of a terminal that does not know its own.
const DEFAULT_SIZE: (usize, usize) = (80, 24);

/// The live lines.
pub(super) struct LiveDisplay {
    state: Arc<Mutex<LiveState>>,
    /// The bar that draws the lines.
    pub(super) bar: ProgressBar,
}

impl LiveDisplay {
    /// Starts to draw live lines on a target; returns none where the target shows nothing.
    pub(super) fn new(target: ProgressDrawTarget, style: Style) -> Option<Self> {
        let state = Arc::new(Mutex::new(LiveState::new(Instant::now())));
        let drawn = Arc::clone(&state);
        let draw = move |_: &ProgressState, out: &mut dyn fmt::Write| {
            let (width, height) = terminal_size(&stderr()).unwrap_or(DEFAULT_SIZE);
            let lines = lock(&drawn).lines(Instant::now(), width, height, style);
            // After an error, the next redraw tries again.
            let _ = out.write_str(&lines.join("\n"));
        };
        let template = ProgressStyle::with_template("{lines}").ok()?.with_key("lines", draw);
        let bar = ProgressBar::with_draw_target(None, target)
            .with_style(template)
            .with_finish(ProgressFinish::AndClear);
        if bar.is_hidden() {
            return None;
        }
        bar.enable_steady_tick(REDRAW_INTERVAL);
        Some(Self { state, bar })
    }

    /// Updates the state by an event.
    pub(super) fn update(&self, event: &Event) {
        lock(&self.state).update(event, Instant::now());
    }
}

/// Locks the state, also after a panic of another thread: each update leaves it whole.
fn lock(state: &Mutex<LiveState>) -> MutexGuard<'_, LiveState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
