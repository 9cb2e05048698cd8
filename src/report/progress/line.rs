//! What an event is in one line, if it is worth one.
//!
//! Pure. Foreign text is made harmless and bounded by `words`.

use std::os::unix::ffi::OsStrExt as _;

use super::Mode;
use crate::escape::escape;
use crate::event::Event;
use crate::hostset::fold_names;
use crate::outcome::{HostReport, Outcome};
use crate::report::style::Style;
use crate::report::{units, words};

/// The most characters of the list of who is visited.
const NAMES: usize = 400;

/// The line, without its end.
pub(super) fn of(event: &Event, mode: Mode, style: Style) -> Option<String> {
    let told = match event {
        Event::Started { .. } | Event::Note(_) => mode != Mode::Quiet,
        Event::Step { .. } => mode == Mode::Verbose,
        Event::Ended(host) => {
            host.outcome != Outcome::Succeeded || matches!(mode, Mode::Plain | Mode::Verbose)
        }
        Event::Archived { .. } | Event::Mailing => matches!(mode, Mode::Plain | Mode::Verbose),
    };
    told.then(|| text(event, mode, style))
}

fn text(event: &Event, mode: Mode, style: Style) -> String {
    match event {
        Event::Started { run, hosts } => {
            let names = words::clean(&fold_names(hosts), NAMES);
            format!("run {}: visiting {}: {names}", words::path(run), words::count(hosts.len(), "host"))
        }
        Event::Step { host, step } => format!("{}: {step}", words::path(host)),
        Event::Ended(host) => ended(host, mode, style),
        Event::Note(note) => format!("note: {}", words::message(note)),
        Event::Archived { path, bytes } => {
            format!("archive: {} ({})", escape(path.as_os_str().as_bytes()), units::bytes(*bytes))
        }
        Event::Mailing => "sending the mail".to_owned(),
    }
}

fn ended(host: &HostReport, mode: Mode, style: Style) -> String {
    let (end, sentence) = (words::end(host), words::sentence(host));
    let rest = sentence.strip_prefix(&end).unwrap_or(&sentence);
    let steps = Some(words::steps(host)).filter(|steps| mode == Mode::Verbose && !steps.is_empty());
    let steps = steps.map(|steps| style.dim(&format!(" [{steps}]"))).unwrap_or_default();
    format!("{}: {}{rest}{steps}", words::path(&host.host), style.outcome(host.outcome, &end))
}
