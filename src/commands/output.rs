//! What `run` and `resume` print: progress while the run goes, then the table or the report for machines.

use std::thread::JoinHandle;

use super::CommandResult;
use crate::cli::OutputOptions;
use crate::event::Events;
use crate::outcome::ExitStatus;
use crate::report::output::{print_answer, print_message};
use crate::report::style::{self, TextFormat};
use crate::report::text::run_summary;
use crate::report::{Mode, Progress, Style};
use crate::run::{self, Attempt, AttemptEnd, Delivered};

/// Does a go over the fleet and prints what happens.
///
/// # Errors
/// No host was touched, see [`run::go`].
pub async fn run_attempt(go: Attempt, output_options: &OutputOptions) -> CommandResult {
    let (events, listener) = listen(output_options);
    let AttemptEnd { status, delivered } = run::run_attempt(go, events).await?;
    if let Some(delivered) = delivered {
        // The listener ends with the last event; it never fails.
        let _ended = listener.join();
        tell(output_options, &delivered, status);
    }
    Ok(status)
}

/// Starts the listener: a thread that tells the terminal.
fn listen(output_options: &OutputOptions) -> (Events, JoinHandle<()>) {
    let (events, mut receiver) = Events::channel();
    let stderr = std::io::stderr();
    let mode = Mode::choose(output_options.quiet, output_options.verbose, style::is_terminal(&stderr));
    let mut progress = Progress::new(mode, Style::for_stream(&stderr));
    let listener = std::thread::spawn(move || {
        while let Some(event) = receiver.blocking_recv() {
            progress.handle(&event);
        }
        progress.finish();
    });
    (events, listener)
}

/// The last word: the table, or the report for machines.
fn tell(output_options: &OutputOptions, delivered: &Delivered, status: ExitStatus) {
    if output_options.json {
        match delivered.report.to_json() {
            Ok(bytes) => print_answer(&String::from_utf8_lossy(&bytes)),
            Err(error) => print_message(&format!("recolte: the report cannot be printed: {error}")),
        }
    } else if !output_options.quiet || status != ExitStatus::Success {
        let format = TextFormat::for_stream(&std::io::stdout());
        print_answer(&run_summary(&delivered.report, &delivered.places, format));
    }
}
