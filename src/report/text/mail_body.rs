//! The report in the mail's body: hosts that did not succeed, with reason and hint; then those that did.
//!
//! Pure. Plain text; no line reaches 100 columns, so that no mail program wraps it.

use jiff::tz::TimeZone;

use super::summary::describe_totals;
use crate::message::ReportMessage;
use crate::report::group::{Group, group_hosts};
use crate::report::json::RunReport;
use crate::report::layout::{hanging_indent, join_lines, limit_lines, wrap, wrap_hosts};
use crate::report::phrases::{bounded_message, bounded_path, describe_failure, describe_files};
use crate::report::units::format_time;

/// The columns of a line.
const WIDTH: usize = 96;
/// The most groups of hosts in a section.
const MAX_GROUPS: usize = 40;
/// The most lines of one list of hosts.
const MAX_HOST_LINES: usize = 20;

/// Returns the report for the mail's body, its times in this time zone.
pub fn mail_body(run: &RunReport, zone: &TimeZone) -> String {
    let mut lines = wrap(&format!("{}.", describe_totals(run)), WIDTH);
    let groups = group_hosts(&run.hosts, 0);
    let (succeeded, others): (Vec<&Group>, Vec<&Group>) = groups.iter().partition(|group| group.succeeded());
    lines.extend(section(&ReportMessage::DidNotSucceed, &others));
    lines.extend(section(&ReportMessage::Succeeded, &succeeded));
    lines.push(String::new());
    lines.extend(run_lines(run, zone));
    join_lines(&lines)
}

fn section(heading: &ReportMessage, groups: &[&Group]) -> Vec<String> {
    if groups.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![String::new(), format!("{heading}:")];
    lines.extend(groups.iter().take(MAX_GROUPS).flat_map(|group| group_lines(group)));
    let more = groups.iter().skip(MAX_GROUPS).map(|group| group.hosts.len()).sum();
    if more > 0 {
        let hosts = ReportMessage::count_more_hosts(more);
        lines.push(format!("- {}", ReportMessage::MoreReasons { hosts }));
    }
    lines
}

/// Returns the names of a group's hosts, how they ended, and the hint.
fn group_lines(group: &Group) -> Vec<String> {
    let names = match group.hosts.len() {
        1 => group.folded_names(),
        count => format!("{} ({})", group.folded_names(), ReportMessage::count_hosts(count)),
    };
    let end = if group.succeeded() {
        describe_files(&group.hosts)
    } else {
        describe_failure(group.first, &group.hosts)
    };
    let names = limit_lines(wrap_hosts(&names, WIDTH - 2), MAX_HOST_LINES);
    let mut lines: Vec<String> = hanging_indent("- ", names).collect();
    lines.extend(hanging_indent("  ", wrap(&end, WIDTH - 2)));
    if let Some(hint) = &group.first.hint {
        lines.extend(hanging_indent("  -> ", wrap(&bounded_message(hint), WIDTH - 5)));
    }
    lines
}

fn run_lines(run: &RunReport, zone: &TimeZone) -> Vec<String> {
    let period = ReportMessage::RunPeriod {
        run: bounded_path(&run.run),
        started: format_time(run.started, zone),
        ended: format_time(run.ended, zone),
    };
    let script = format!("{} {}", ReportMessage::Script, bounded_path(&run.script.file));
    let mut lines = wrap(&script, WIDTH);
    lines.push(format!("{} {}", ReportMessage::Sha256, bounded_path(&run.script.sha256)));
    lines.extend(wrap(&period.to_string(), WIDTH));
    let resumed = |time| format!("{} {}", ReportMessage::Resumed, format_time(time, zone));
    lines.extend(run.resumed.iter().copied().map(resumed));
    lines
}
