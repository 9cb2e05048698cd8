//! The report in the mail's body: hosts that did not succeed, with reason and hint; then those that did.
//!
//! Pure. Plain text; no line reaches 100 columns, so that no mail program wraps it.

use jiff::tz::TimeZone;

use super::summary::describe_totals;
use crate::message::ReportMessage;
use crate::report::group::{Group, group_hosts};
use crate::report::json::RunReport;
use crate::report::{layout, phrases, units};

/// The columns of a line.
const WIDTH: usize = 96;
/// The most groups of hosts in a section.
const MAX_GROUPS: usize = 40;
/// The most lines of one list of hosts.
const MAX_HOST_LINES: usize = 20;

/// Returns the report for the mail's body, its times in this time zone.
pub fn mail_body(run: &RunReport, zone: &TimeZone) -> String {
    let mut lines = layout::wrap(&format!("{}.", describe_totals(run)), WIDTH);
    let groups = group_hosts(&run.hosts, 0);
    let (succeeded, others): (Vec<&Group>, Vec<&Group>) = groups.iter().partition(|group| group.succeeded());
    lines.extend(section(&ReportMessage::DidNotSucceed, &others));
    lines.extend(section(&ReportMessage::Succeeded, &succeeded));
    lines.push(String::new());
    lines.extend(run_lines(run, zone));
    layout::join_lines(&lines)
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
        phrases::describe_files(&group.hosts)
    } else {
        phrases::describe_failure(&group.first, &group.hosts)
    };
    let names = layout::limit_lines(layout::wrap_hosts(&names, WIDTH - 2), MAX_HOST_LINES);
    let mut lines = layout::hanging_indent("- ", &names);
    lines.extend(layout::wrap_indented("  ", &end, WIDTH));
    if let Some(hint) = &group.first.hint {
        lines.extend(layout::wrap_indented("  -> ", &phrases::bounded_message(hint), WIDTH));
    }
    lines
}

fn run_lines(run: &RunReport, zone: &TimeZone) -> Vec<String> {
    let (started, ended) = (units::format_time(run.started, zone), units::format_time(run.ended, zone));
    let period = ReportMessage::RunPeriod { run: phrases::bounded_path(&run.run), started, ended };
    let script = format!("{} {}", ReportMessage::Script, phrases::bounded_path(&run.script.file));
    let mut lines = layout::wrap(&script, WIDTH);
    lines.push(format!("{} {}", ReportMessage::Sha256, phrases::bounded_path(&run.script.sha256)));
    lines.extend(layout::wrap(&period.to_string(), WIDTH));
    let resumed = |time| format!("{} {}", ReportMessage::Resumed, units::format_time(time, zone));
    lines.extend(run.resumed.iter().copied().map(resumed));
    lines
}
