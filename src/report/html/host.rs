//! One host on the page: a row that unfolds to its steps, its files and those that were skipped.
//!
//! Pure. Long lists of files are cut, and the number of files left out is shown: `report.json` has them all.

use std::slice;

use jiff::tz::TimeZone;

use super::{escape_text, outcome_badge, paragraph, spans, table};
use crate::message::ReportMessage;
use crate::outcome::{CollectedFile, HostReport, Outcome, SkippedFile};
use crate::report::{phrases, units};

/// The most files shown of one host.
const MAX_FILES: usize = 200;

/// Returns the host's row. It is folded on a screen; on paper, hosts that did not succeed are unfolded.
pub(super) fn details(host: &HostReport, zone: &TimeZone) -> String {
    let class = if host.outcome == Outcome::Succeeded { "" } else { " class=\"bad\"" };
    format!(
        "<details{class}>\n<summary class=\"row\">{}</summary>\n<div class=\"body\">\n{}{}{}{}{}</div>\n</details>\n",
        cells(host),
        reason(host),
        period(host, zone),
        steps(host),
        collected_files(&host.files),
        skipped_files(&host.skipped),
    )
}

fn cells(host: &HostReport) -> String {
    spans(&[
        escape_text(&host.host),
        outcome_badge(host.outcome),
        phrases::optional(host.step),
        phrases::optional(host.exit_status),
        host.files.len().to_string(),
        units::format_size(phrases::sum_bytes(slice::from_ref(host))),
        phrases::optional(phrases::visit_duration(host).map(units::format_duration)),
    ])
}

/// Returns the reason and the hint of a host that did not succeed.
pub(super) fn reason(host: &HostReport) -> String {
    let cause = host.cause.map(|cause| format!(" <code class=\"quiet\">{cause}</code>")).unwrap_or_default();
    let reason = phrases::describe_reason(host).map(|reason| format!("{}{cause}", escape_text(&reason)));
    let hint = host.hint.as_deref().map(|hint| escape_text(&phrases::bounded_message(hint)));
    let reason = reason.map(|html| paragraph("why", html));
    reason.into_iter().chain(hint.map(|html| paragraph("hint", html))).collect()
}

/// Returns the start and the end of the visit.
fn period(host: &HostReport, zone: &TimeZone) -> String {
    let (Some(started), Some(ended)) = (host.started, host.ended) else { return String::new() };
    let (started, ended) = (units::format_time(started, zone), units::format_time(ended, zone));
    paragraph("quiet", format!("{started} – {ended}"))
}

fn steps(host: &HostReport) -> String {
    let items = host.steps.iter().map(|s| format!("<li>{} <b>{}</b></li>", s.step, phrases::format_ms(s.ms)));
    let items: String = items.collect();
    if items.is_empty() { items } else { format!("<ol class=\"steps\">{items}</ol>\n") }
}

fn collected_files(files: &[CollectedFile]) -> String {
    let row = |file: &CollectedFile| {
        format!(
            "<tr><td>{}</td><td>{}</td><td class=\"number\">{}</td><td><code title=\"{}\">{}…</code></td></tr>\n",
            escape_text(&file.path),
            escape_text(&file.remote),
            units::format_size(file.bytes),
            escape_text(&file.sha256),
            escape_text(&phrases::short_digest(&file.sha256)),
        )
    };
    use ReportMessage::{CollectedAs, From, Sha256Heading, Size};
    file_table(&[CollectedAs, From, Size, Sha256Heading], files, row)
}

fn skipped_files(files: &[SkippedFile]) -> String {
    let row = |file: &SkippedFile| {
        format!("<tr><td>{}</td><td>{}</td></tr>\n", escape_text(&file.remote), escape_text(&file.why))
    };
    file_table(&[ReportMessage::SkippedHeading, ReportMessage::Reason], files, row)
}

/// Returns a table of the first files, and the number of the others below it.
fn file_table<T>(headings: &[ReportMessage], files: &[T], row: impl Fn(&T) -> String) -> String {
    if files.is_empty() {
        return String::new();
    }
    let rows: String = files.iter().take(MAX_FILES).map(row).collect();
    let more = match files.len().saturating_sub(MAX_FILES) {
        0 => String::new(),
        count => paragraph("quiet", ReportMessage::MoreInJson { count }),
    };
    format!("{}{more}", table("files", headings, &rows))
}
