//! `report.txt`: the full report for people, first hosts in groups, then host by host.
//!
//! Pure. It is also packed into the archive, before the mail is sent; there it says nothing about the mail.

use jiff::tz::TimeZone;

use super::host_table::{TableLimits, host_table};
use super::summary::{describe_mail, describe_totals, field_line};
use crate::message::ReportMessage;
use crate::outcome::{CollectedFile, HostReport};
use crate::report::group::{group_hosts, sort_hosts};
use crate::report::json::RunReport;
use crate::report::layout::join_lines;
use crate::report::phrases::{bounded_message, bounded_path, describe_host, describe_steps, short_digest};
use crate::report::style::TextFormat;
use crate::report::units::{format_size, format_time};

/// Returns the text of `report.txt`, its times in this time zone.
pub fn full_report(run: &RunReport, zone: &TimeZone) -> String {
    let mut lines = run_lines(run, zone);
    lines.push(String::new());
    lines.extend(host_table(&group_hosts(&run.hosts, 0), TextFormat::FILE, TableLimits::NONE));
    for host in sort_hosts(&run.hosts) {
        lines.push(String::new());
        lines.extend(host_lines(host));
    }
    join_lines(&lines)
}

/// Returns the fields of the run, one on a line.
fn run_lines(run: &RunReport, zone: &TimeZone) -> Vec<String> {
    let mut fields = vec![
        (ReportMessage::Job, bounded_path(&run.job)),
        (ReportMessage::Run, bounded_path(&run.run)),
        (ReportMessage::Script, bounded_path(&run.script.file)),
        (ReportMessage::Sha256, bounded_path(&run.script.sha256)),
        (ReportMessage::Started, format_time(run.started, zone)),
    ];
    fields.extend(run.resumed.iter().map(|time| (ReportMessage::Resumed, format_time(*time, zone))));
    fields.push((ReportMessage::Ended, format_time(run.ended, zone)));
    fields.push((ReportMessage::Totals, describe_totals(run)));
    fields.extend(run.mail.as_ref().map(|mail| (ReportMessage::Mail, describe_mail(mail))));
    fields.iter().map(|(name, value)| field_line(name, value)).collect()
}

/// Returns the lines of one host: how it ended, its steps, its files.
fn host_lines(host: &HostReport) -> Vec<String> {
    let mut fields = vec![
        (ReportMessage::Cause, host.cause.map(|cause| cause.to_string())),
        (ReportMessage::Exit, host.exit_status.map(|status| status.to_string())),
        (ReportMessage::Steps, Some(describe_steps(host)).filter(|steps| !steps.is_empty())),
    ];
    fields.extend(host.files.iter().map(|file| (ReportMessage::File, Some(describe_file(file)))));
    fields.extend(host.skipped.iter().map(|file| {
        let text = format!("{}: {}", bounded_path(&file.remote), bounded_message(&file.why));
        (ReportMessage::Skipped, Some(text))
    }));
    let field = |(name, value): (ReportMessage, Option<String>)| {
        Some(format!("  {:<7} {}", name.to_string().to_lowercase(), value?))
    };
    let mut lines = vec![format!("{}: {}", bounded_path(&host.host), describe_host(host))];
    lines.extend(fields.into_iter().filter_map(field));
    lines
}

fn describe_file(file: &CollectedFile) -> String {
    let message = ReportMessage::CollectedFile {
        path: bounded_path(&file.path),
        size: format_size(file.bytes),
        digest: short_digest(&file.sha256),
        remote: bounded_path(&file.remote),
    };
    message.to_string()
}
