//! The account in the mail's body: who did not succeed, why, and the way out; then who did.
//!
//! Pure. Plain text; no line reaches 100 columns, so that no mail program folds it.

use jiff::tz::TimeZone;

use super::summary::{line_of, totals};
use super::table::bounded;
use crate::report::group::{Group, groups};
use crate::report::json::RunReport;
use crate::report::{layout, units, words};

/// The columns of a line.
const WIDTH: usize = 96;
/// The most reasons told; a mail is no log.
const REASONS: usize = 40;
/// The most lines of one list of hosts.
const HOSTS: usize = 20;

/// What the mail says of the hosts, its moments in this time zone.
pub fn account(run: &RunReport, zone: &TimeZone) -> String {
    let mut lines = layout::wrap(&format!("{}.", totals(run)), WIDTH);
    let groups = groups(&run.hosts, 0);
    let (good, bad): (Vec<&Group>, Vec<&Group>) = groups.iter().partition(|group| group.succeeded());
    lines.extend(section("Did not succeed:", &bad));
    lines.extend(section("Succeeded:", &good));
    lines.push(String::new());
    lines.extend(foot(run, zone));
    let mut text = String::new();
    for line in &lines {
        line_of(&mut text, line);
    }
    text
}

fn section(title: &str, groups: &[&Group]) -> Vec<String> {
    if groups.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![String::new(), title.to_owned()];
    lines.extend(groups.iter().take(REASONS).flat_map(|group| of(group)));
    let more: usize = groups.iter().skip(REASONS).map(|group| group.hosts.len()).sum();
    if more > 0 {
        lines.push(format!("- and {}, for reasons told in the report", words::count(more, "more host")));
    }
    lines
}

/// The hosts of a group, what became of them, and the way out.
fn of(group: &Group) -> Vec<String> {
    let names = bounded(layout::wrap_hosts(&names(group), WIDTH - 2), HOSTS);
    let mut lines: Vec<String> = layout::hang("- ", names).collect();
    lines.extend(layout::hang("  ", layout::wrap(&end(group), WIDTH - 2)));
    if let Some(hint) = &group.head.hint {
        lines.extend(layout::hang("  -> ", layout::wrap(&words::message(hint), WIDTH - 5)));
    }
    lines
}

fn names(group: &Group) -> String {
    match group.hosts.len() {
        1 => group.names(),
        many => format!("{} ({many} hosts)", group.names()),
    }
}

fn end(group: &Group) -> String {
    let files_and_size = words::files_and_size(group.files(), group.bytes());
    match words::why(group.head) {
        _ if group.succeeded() => files_and_size,
        why => {
            let why = why.map(|why| format!(": {why}")).unwrap_or_default();
            let files =
                if group.files() > 0 { format!(" ({files_and_size} brought home)") } else { String::new() };
            format!("{}{why}{files}", words::end(group.head))
        }
    }
}

fn foot(run: &RunReport, zone: &TimeZone) -> Vec<String> {
    let mut lines = layout::wrap(&format!("Script {}", words::path(&run.script.file)), WIDTH);
    lines.push(format!("sha256 {}", words::path(&run.script.sha256)));
    let (started, ended) = (units::moment(run.started, zone), units::moment(run.ended, zone));
    lines.extend(layout::wrap(&format!("Run {}, from {started} to {ended}", words::path(&run.run)), WIDTH));
    lines.extend(run.resumed.iter().map(|time| format!("Resumed {}", units::moment(*time, zone))));
    lines
}
