//! `report.txt`: the full report for people, first hosts in groups, then host by host.
//!
//! Pure. The copy in the archive is made before the mail is sent; it has no line about the mail.

use jiff::tz::TimeZone;

use super::host_table::{TableLimits, host_table};
use super::summary::{describe_mail, describe_totals, field_line};
use crate::message::ReportMessage;
use crate::outcome::{CollectedFile, HostReport};
use crate::report::group::{group_hosts, sort_hosts};
use crate::report::json::RunReport;
use crate::report::style::{DEFAULT_WIDTH, Style, TextFormat};
use crate::report::{layout, phrases, units};

/// Returns the text of `report.txt`, its times in this time zone.
pub fn full_report(run: &RunReport, zone: &TimeZone) -> String {
    let format = TextFormat { width: DEFAULT_WIDTH, style: Style::Plain };
    let mut lines = run_lines(run, zone);
    lines.push(String::new());
    lines.extend(host_table(&group_hosts(&run.hosts, 0), format, TableLimits::NONE));
    for host in sort_hosts(&run.hosts) {
        lines.push(String::new());
        lines.extend(host_lines(host));
    }
    layout::join_lines(&lines)
}

/// Returns the fields of the run, one on a line.
fn run_lines(run: &RunReport, zone: &TimeZone) -> Vec<String> {
    let mut fields = vec![
        (ReportMessage::Job, phrases::bounded_path(&run.job)),
        (ReportMessage::Run, phrases::bounded_path(&run.run)),
        (ReportMessage::Script, phrases::bounded_path(&run.script.file)),
        (ReportMessage::Sha256, phrases::bounded_path(&run.script.sha256)),
        (ReportMessage::Started, units::format_time(run.started, zone)),
    ];
    fields.extend(run.resumed.iter().map(|time| (ReportMessage::Resumed, units::format_time(*time, zone))));
    fields.push((ReportMessage::Ended, units::format_time(run.ended, zone)));
    fields.push((ReportMessage::Totals, describe_totals(run)));
    fields.extend(run.mail.as_ref().map(|mail| (ReportMessage::Mail, describe_mail(mail))));
    fields.iter().map(|(name, value)| field_line(name, value)).collect()
}

/// Returns the lines of one host: how it ended, its steps, its files.
fn host_lines(host: &HostReport) -> Vec<String> {
    let mut fields = vec![
        (ReportMessage::Cause, phrases::optional(host.cause)),
        (ReportMessage::Exit, phrases::optional(host.exit_status)),
        (ReportMessage::Steps, phrases::describe_steps(host)),
    ];
    fields.extend(host.files.iter().map(|file| (ReportMessage::File, describe_file(file))));
    fields.extend(host.skipped.iter().map(|file| {
        let (remote, reason) = (phrases::bounded_path(&file.remote), phrases::bounded_message(&file.why));
        (ReportMessage::Skipped, format!("{remote}: {reason}"))
    }));
    let mut lines = vec![format!("{}: {}", phrases::bounded_path(&host.host), phrases::describe_host(host))];
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        lines.push(format!("  {:<7} {value}", name.to_string().to_lowercase()));
    }
    lines
}

fn describe_file(file: &CollectedFile) -> String {
    let (path, remote) = (phrases::bounded_path(&file.path), phrases::bounded_path(&file.remote));
    let (size, digest) = (units::format_size(file.bytes), phrases::short_digest(&file.sha256));
    ReportMessage::CollectedFile { path, size, digest, remote }.to_string()
}
