//! One host on the page: a row that unfolds to its steps, its files and what was left behind.
//!
//! Pure. Long lists of files are cut, and say so: `report.json` has them whole.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::{badge, text};
use crate::outcome::{CollectedFile, HostReport, Outcome, SkippedFile};
use crate::report::{units, words};

/// The most files shown of one host.
const FILES: usize = 200;
/// How many digits of a digest tell files apart for an eye.
const DIGEST: usize = 12;

/// The host's row. Folded on a screen; on paper, those that did not succeed are unfolded.
pub(super) fn row(host: &HostReport, zone: &TimeZone) -> String {
    let class = if host.outcome == Outcome::Succeeded { "" } else { " class=\"bad\"" };
    let cells: String = cells(host).iter().map(|cell| format!("<span>{cell}</span>")).collect();
    format!(
        "<details{class}>\n<summary class=\"row\">{cells}</summary>\n<div class=\"body\">\n{}{}{}{}{}</div>\n</details>\n",
        why(host),
        visit(host, zone),
        steps(host),
        files(&host.files),
        skipped(&host.skipped),
    )
}

fn cells(host: &HostReport) -> [String; 7] {
    [
        text(&host.host),
        badge(host.outcome, host.outcome.words()),
        host.step.map(|step| step.to_string()).unwrap_or_default(),
        host.exit_status.map(|status| status.to_string()).unwrap_or_default(),
        host.files.len().to_string(),
        units::bytes(words::size(host)),
        words::took(host).map(units::duration).unwrap_or_default(),
    ]
}

/// The message and the way out, where the host did not succeed.
pub(super) fn why(host: &HostReport) -> String {
    let cause = host.cause.map(|cause| format!(" <code class=\"quiet\">{cause}</code>")).unwrap_or_default();
    let why = words::why(host).map(|why| format!("<p class=\"why\">{}{cause}</p>\n", text(&why)));
    let hint = host
        .hint
        .as_deref()
        .map(words::message)
        .map(|hint| format!("<p class=\"hint\">{}</p>\n", text(&hint)));
    why.into_iter().chain(hint).collect()
}

/// When the visit was.
fn visit(host: &HostReport, zone: &TimeZone) -> String {
    let (Some(started), Some(ended)) = (host.started, host.ended) else { return String::new() };
    format!("<p class=\"quiet\">{} – {}</p>\n", units::moment(started, zone), units::moment(ended, zone))
}

fn steps(host: &HostReport) -> String {
    let step = |ms| units::duration(Duration::from_millis(ms));
    let steps: String =
        host.steps.iter().map(|s| format!("<li>{} <b>{}</b></li>", s.step, step(s.ms))).collect();
    if steps.is_empty() { steps } else { format!("<ol class=\"steps\">{steps}</ol>\n") }
}

fn files(files: &[CollectedFile]) -> String {
    let rows = files.iter().take(FILES).map(|file| {
        let digest: String = file.sha256.chars().take(DIGEST).collect();
        format!(
            "<tr><td>{}</td><td>{}</td><td class=\"number\">{}</td><td><code title=\"{}\">{}…</code></td></tr>\n",
            text(&file.path),
            text(&file.remote),
            units::bytes(file.bytes),
            text(&file.sha256),
            text(&digest),
        )
    });
    let head = ["Brought home as", "From", "Size", "SHA-256"];
    table(&head, rows.collect(), files.len())
}

fn skipped(skipped: &[SkippedFile]) -> String {
    let rows = skipped.iter().take(FILES);
    let rows =
        rows.map(|file| format!("<tr><td>{}</td><td>{}</td></tr>\n", text(&file.remote), text(&file.why)));
    table(&["Left behind", "Why"], rows.collect(), skipped.len())
}

/// A table of files; how many more there are below it.
fn table(head: &[&str], rows: Vec<String>, all: usize) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let head: String = head.iter().map(|title| format!("<th scope=\"col\">{title}</th>")).collect();
    let more = match all.saturating_sub(rows.len()) {
        0 => String::new(),
        more => format!("<p class=\"quiet\">and {more} more, in report.json</p>\n"),
    };
    format!(
        "<table class=\"files\">\n<thead><tr>{head}</tr></thead>\n<tbody>\n{}</tbody>\n</table>\n{more}",
        rows.concat()
    )
}
