//! What `run` and `resume` print: progress while the run goes, then the table or the report for machines.

use std::thread::JoinHandle;

use super::Answer;
use crate::cli::Telling;
use crate::event::Events;
use crate::outcome::ExitStatus;
use crate::report::output::{print, say};
use crate::report::style::{self, View};
use crate::report::text::summary;
use crate::report::{Mode, Progress, Style};
use crate::run::{self, Delivered, Ended, Go};

/// Does a go over the fleet and prints what happens.
///
/// # Errors
/// No host was touched, see [`run::go`].
pub async fn go(go: Go, telling: &Telling) -> Answer {
    let (events, listener) = listen(telling);
    let Ended { status, delivered } = run::go(go, events).await?;
    if let Some(delivered) = delivered {
        // The listener ends with the last event; it never fails.
        let _ended = listener.join();
        tell(telling, &delivered, status);
    }
    Ok(status)
}

/// Starts the listener: a thread that tells the terminal.
fn listen(telling: &Telling) -> (Events, JoinHandle<()>) {
    let (events, mut ear) = Events::channel();
    let stderr = std::io::stderr();
    let mode = Mode::choose(telling.quiet, telling.verbose, style::is_terminal(&stderr));
    let mut progress = Progress::new(mode, Style::of(&stderr));
    let listener = std::thread::spawn(move || {
        while let Some(event) = ear.blocking_recv() {
            progress.on(&event);
        }
        progress.finish();
    });
    (events, listener)
}

/// The last word: the table, or the report for machines.
fn tell(telling: &Telling, delivered: &Delivered, status: ExitStatus) {
    if telling.json {
        match delivered.report.to_json() {
            Ok(bytes) => print(&String::from_utf8_lossy(&bytes)),
            Err(error) => say(&format!("recolte: the report cannot be printed: {error}")),
        }
    } else if !telling.quiet || status != ExitStatus::Success {
        print(&summary(&delivered.report, &delivered.places, View::of(&std::io::stdout())));
    }
}
