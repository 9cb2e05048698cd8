//! The end of a run on the terminal: the table, what it comes to, and where everything is.
//!
//! Pure. Long lists are cut, and say so: the files have all of it.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::table::{Bounds, table};
use crate::escape::escape;
use crate::outcome::MailReport;
use crate::report::group::groups;
use crate::report::json::RunReport;
use crate::report::style::View;
use crate::report::{layout, units, words};

/// So many hosts that succeeded have a row each; more are one row.
const ALONE: usize = 16;

/// Where a run's things are on the gateway.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// The run folder.
    pub folder: PathBuf,
    /// The archive and its length in bytes, where one was made.
    pub archive: Option<(PathBuf, u64)>,
    /// Where else the archive was put.
    pub copy: Option<PathBuf>,
    /// The report to open first.
    pub report: Option<PathBuf>,
}

/// The final table, the totals in words, and where everything is.
pub fn summary(run: &RunReport, places: &Places, view: View) -> String {
    let mut text = String::new();
    for line in table(&groups(&run.hosts, ALONE), view, Bounds::TERMINAL) {
        line_of(&mut text, &line);
    }
    if !run.hosts.is_empty() {
        text.push('\n');
    }
    for line in layout::wrap(&totals(run), view.width) {
        line_of(&mut text, &view.style.bold(&line));
    }
    if let Some(skipped) = skipped(run) {
        line_of(&mut text, &skipped);
    }
    text.push('\n');
    for (name, what) in whereabouts(run, places) {
        line_of(&mut text, &format!("{name:<8} {what}"));
    }
    text
}

/// `10 succeeded, 1 failed of 11 hosts · 12 files, 40.8 KiB · 3 min 05 s`.
pub(super) fn totals(run: &RunReport) -> String {
    let files = run.hosts.iter().map(|host| host.files.len()).sum();
    let bytes = run.hosts.iter().map(words::size).fold(0, u64::saturating_add);
    let took = units::duration(units::between(run.started, run.ended));
    let of = match run.totals.all() {
        0 => String::new(),
        all => format!(" of {}", words::count(all, "host")),
    };
    format!("{}{of} · {} · {took}", run.totals.words(), words::files_and_size(files, bytes))
}

/// How many names were left where they are, if any.
fn skipped(run: &RunReport) -> Option<String> {
    let names = run.hosts.iter().map(|host| host.skipped.len()).sum::<usize>();
    let hosts = run.hosts.iter().filter(|host| !host.skipped.is_empty()).count();
    let (names, hosts) = (Some(names).filter(|names| *names > 0)?, words::count(hosts, "host"));
    Some(format!("left behind: {} on {hosts}; the report says why", words::count(names, "file")))
}

/// `sent`; `sent in 3 parts`; `not sent: …`, and the way out.
pub(in crate::report) fn mail(mail: &MailReport) -> String {
    let error = mail.error.as_deref().map(|error| format!(": {}", words::message(error))).unwrap_or_default();
    match (mail.sent, mail.parts) {
        (true, 0 | 1) => format!("sent{error}"),
        (true, parts) => format!("sent in {parts} parts{error}"),
        (false, 0) => format!("not sent{error}; `recolte send` tries again"),
        (false, _) => format!("not wholly sent{error}; `recolte send` tries again"),
    }
}

fn whereabouts(run: &RunReport, places: &Places) -> Vec<(&'static str, String)> {
    let archive =
        places.archive.as_ref().map(|(path, bytes)| format!("{} ({})", shown(path), units::bytes(*bytes)));
    let lines = [
        ("mail", run.mail.as_ref().map(mail)),
        ("archive", archive),
        ("copy", places.copy.as_deref().map(shown)),
        ("report", places.report.as_deref().map(shown)),
        ("folder", Some(shown(&places.folder))),
    ];
    lines.into_iter().filter_map(|(name, what)| what.map(|what| (name, what))).collect()
}

fn shown(path: &Path) -> String {
    escape(path.as_os_str().as_bytes())
}

/// Adds a line.
pub(super) fn line_of(text: &mut String, line: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{line}");
}
