//! The line that is printed for an event, if the mode shows it.
//!
//! Pure. Foreign text is escaped and cut to a length.

use super::Mode;
use crate::escape::{escape_bounded, escape_path};
use crate::event::Event;
use crate::hostset::fold_names;
use crate::message::ReportMessage;
use crate::outcome::{HostReport, Outcome};
use crate::report::style::Style;
use crate::report::{phrases, units};

/// The most characters of the list of hosts that are visited.
const MAX_NAMES: usize = 400;

/// Returns the line for an event without its line feed; none where the mode does not show the event.
pub(super) fn event_line(event: &Event, mode: Mode, style: Style) -> Option<String> {
    let detailed = matches!(mode, Mode::Plain | Mode::Verbose);
    let (shown, line) = match event {
        Event::Started { run, hosts } => {
            let (count, names) = (ReportMessage::count_hosts(hosts.len()), fold_names(hosts));
            let (run, names) = (phrases::bounded_path(run), escape_bounded(&names, MAX_NAMES));
            let message = ReportMessage::VisitingHosts { run, hosts: count, names };
            (mode != Mode::Quiet, message.to_string())
        }
        Event::Note(note) => {
            let message = ReportMessage::Note { note: phrases::bounded_message(&note.to_string()) };
            (mode != Mode::Quiet, message.to_string())
        }
        Event::Step { host, step } => {
            (mode == Mode::Verbose, format!("{}: {step}", phrases::bounded_path(host)))
        }
        Event::Ended(host) => (detailed || host.outcome != Outcome::Succeeded, host_line(host, mode, style)),
        Event::Archived { path, bytes } => {
            let (path, size) = (escape_path(path), units::format_size(*bytes));
            (detailed, ReportMessage::ArchivePath { path, size }.to_string())
        }
        Event::Mailing => (detailed, ReportMessage::SendingMail.to_string()),
    };
    shown.then_some(line)
}

/// Returns the sentence about a host's end, with its beginning, the outcome, in colour.
fn host_line(host: &HostReport, mode: Mode, style: Style) -> String {
    let (end, sentence) = (phrases::describe_end(host), phrases::describe_host(host));
    let details = sentence.strip_prefix(&end).unwrap_or(&sentence);
    let steps =
        Some(phrases::describe_steps(host)).filter(|steps| mode == Mode::Verbose && !steps.is_empty());
    let steps = steps.map(|steps| style.dim(&format!(" [{steps}]"))).unwrap_or_default();
    format!("{}: {}{details}{steps}", phrases::bounded_path(&host.host), style.outcome(host.outcome, &end))
}
