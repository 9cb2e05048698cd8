//! The line that is printed for an event, if the mode shows it.
//!
//! Pure. Foreign text is escaped and cut to a length.

use std::os::unix::ffi::OsStrExt as _;

use super::Mode;
use crate::escape::escape;
use crate::event::Event;
use crate::hostset::fold;
use crate::message::ReportMessage;
use crate::outcome::{HostReport, Outcome};
use crate::report::phrases::{
    bounded_message, bounded_path, bounded_text, describe_end, describe_host, describe_steps,
};
use crate::report::style::Style;
use crate::report::units::format_size;

/// The most characters of the list of hosts that are visited.
const MAX_NAMES: usize = 400;

/// Returns the line for an event without its line feed; none where the mode does not show the event.
pub(super) fn event_line(event: &Event, mode: Mode, style: Style) -> Option<String> {
    let shown = match event {
        Event::Started { .. } | Event::Note(_) => mode != Mode::Quiet,
        Event::Step { .. } => mode == Mode::Verbose,
        Event::Ended(host) if host.outcome != Outcome::Succeeded => true,
        Event::Ended(_) | Event::Archived { .. } | Event::Mailing => {
            matches!(mode, Mode::Plain | Mode::Verbose)
        }
    };
    shown.then(|| describe_event(event, mode, style))
}

fn describe_event(event: &Event, mode: Mode, style: Style) -> String {
    let message = match event {
        Event::Step { host, step } => return format!("{}: {step}", bounded_path(host)),
        Event::Ended(host) => return host_line(host, mode, style),
        Event::Started { run, hosts } => ReportMessage::VisitingHosts {
            run: bounded_path(run),
            hosts: ReportMessage::count_hosts(hosts.len()),
            names: bounded_text(&fold(hosts), MAX_NAMES),
        },
        Event::Note(note) => ReportMessage::Note { note: bounded_message(note) },
        Event::Archived { path, bytes } => ReportMessage::ArchivePath {
            path: escape(path.as_os_str().as_bytes()),
            size: format_size(*bytes),
        },
        Event::Mailing => ReportMessage::SendingMail,
    };
    message.to_string()
}

/// Returns the sentence about a host's end, with its beginning, the outcome, in colour.
fn host_line(host: &HostReport, mode: Mode, style: Style) -> String {
    let (end, sentence) = (describe_end(host), describe_host(host));
    let details = sentence.strip_prefix(&end).unwrap_or(&sentence);
    let steps = Some(describe_steps(host)).filter(|steps| mode == Mode::Verbose && !steps.is_empty());
    let steps = steps.map(|steps| style.dim(&format!(" [{steps}]"))).unwrap_or_default();
    format!("{}: {}{details}{steps}", bounded_path(&host.host), style.outcome(host.outcome, &end))
}
