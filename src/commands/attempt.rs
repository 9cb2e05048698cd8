//! Makes one attempt of a run, for `run` and `resume`: the attempt itself, its progress display, the printed result.

use std::thread::JoinHandle;

use super::{CommandResult, print_answer, print_message};
use crate::cli::OutputOptions;
use crate::event::Events;
use crate::message::RunMessage;
use crate::outcome::ExitStatus;
use crate::report::style::{self, TextFormat};
use crate::report::text::run_summary;
use crate::report::{Mode, Progress, Style};
use crate::run::{self, Attempt, Delivery};

/// Runs an attempt, and prints its progress and its result.
///
/// # Errors
/// No host was touched, see [`run::run_attempt`].
pub async fn run_and_print(attempt: Attempt, output_options: &OutputOptions) -> CommandResult {
    let (events, display) = start_progress_display(output_options);
    let (status, delivery) = run::run_attempt(attempt, events).await?;
    if let Some(delivery) = delivery {
        // The display ends with the last event; it never fails.
        let _ended = display.join();
        print_result(output_options, &delivery, status);
    }
    Ok(status)
}

/// Starts the progress display on a thread of its own, so that a slow terminal delays no host.
fn start_progress_display(output_options: &OutputOptions) -> (Events, JoinHandle<()>) {
    let (events, mut receiver) = Events::channel();
    let stderr = std::io::stderr();
    let mode = Mode::choose(output_options.quiet, output_options.verbose, style::is_terminal(&stderr));
    let mut progress = Progress::new(mode, Style::for_stream(&stderr));
    let display = std::thread::spawn(move || {
        while let Some(event) = receiver.blocking_recv() {
            progress.handle(&event);
        }
        progress.finish();
    });
    (events, display)
}

/// Prints the summary, or the report as JSON.
fn print_result(output_options: &OutputOptions, delivery: &Delivery, status: ExitStatus) {
    if output_options.json {
        match delivery.report.to_json() {
            Ok(bytes) => print_answer(&String::from_utf8_lossy(&bytes)),
            Err(error) => {
                print_message(&RunMessage::ReportUnprintable { error: error.to_string() }.to_string());
            }
        }
    } else if !output_options.quiet || status != ExitStatus::Success {
        let format = TextFormat::for_stream(&std::io::stdout());
        print_answer(&run_summary(&delivery.report, &delivery.places, format));
    }
}
