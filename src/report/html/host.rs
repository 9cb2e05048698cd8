//! One host on the page: a row that unfolds to its steps, its files and those that were skipped.
//!
//! Pure. Long lists of files are cut, and the number of files left out is shown: `report.json` has them all.

use std::slice;

use jiff::tz::TimeZone;

use super::{escape_text, outcome_badge, spans, table};
use crate::message::ReportMessage;
use crate::outcome::{CollectedFile, HostReport, Outcome, SkippedFile};
use crate::report::phrases::{
    bounded_message, describe_reason, format_ms, short_digest, sum_bytes, visit_duration,
};
use crate::report::units::{format_duration, format_size, format_time};

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
        host.step.map(|step| step.to_string()).unwrap_or_default(),
        host.exit_status.map(|status| status.to_string()).unwrap_or_default(),
        host.files.len().to_string(),
        format_size(sum_bytes(slice::from_ref(host))),
        visit_duration(host).map(format_duration).unwrap_or_default(),
    ])
}

/// Returns the reason and the hint of a host that did not succeed.
pub(super) fn reason(host: &HostReport) -> String {
    let cause = host.cause.map(|cause| format!(" <code class=\"quiet\">{cause}</code>")).unwrap_or_default();
    let reason = describe_reason(host);
    let reason = reason.map(|reason| format!("<p class=\"why\">{}{cause}</p>\n", escape_text(&reason)));
    let hint = host.hint.as_deref().map(bounded_message);
    let hint = hint.map(|hint| format!("<p class=\"hint\">{}</p>\n", escape_text(&hint)));
    reason.into_iter().chain(hint).collect()
}

/// Returns the start and the end of the visit.
fn period(host: &HostReport, zone: &TimeZone) -> String {
    let (Some(started), Some(ended)) = (host.started, host.ended) else { return String::new() };
    format!("<p class=\"quiet\">{} – {}</p>\n", format_time(started, zone), format_time(ended, zone))
}

fn steps(host: &HostReport) -> String {
    let item = |(step, ms)| format!("<li>{step} <b>{}</b></li>", format_ms(ms));
    let items: String = host.steps.iter().map(|step| item((step.step, step.ms))).collect();
    if items.is_empty() { items } else { format!("<ol class=\"steps\">{items}</ol>\n") }
}

fn collected_files(files: &[CollectedFile]) -> String {
    let row = |file: &CollectedFile| {
        format!(
            "<tr><td>{}</td><td>{}</td><td class=\"number\">{}</td><td><code title=\"{}\">{}…</code></td></tr>\n",
            escape_text(&file.path),
            escape_text(&file.remote),
            format_size(file.bytes),
            escape_text(&file.sha256),
            escape_text(&short_digest(&file.sha256)),
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
        count => format!("<p class=\"quiet\">{}</p>\n", ReportMessage::MoreInJson { count }),
    };
    format!("{}{more}", table("files", headings, &rows))
}
