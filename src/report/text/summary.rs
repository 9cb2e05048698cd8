//! The end of a run on the terminal: the table of hosts, the totals, and where the files are.
//!
//! Pure. Long lists are cut, and the number of what was left out is shown: the files have all of it.

use std::path::PathBuf;

use super::host_table::{TableLimits, host_table};
use crate::escape::escape_path;
use crate::message::ReportMessage;
use crate::outcome::MailReport;
use crate::report::group::group_hosts;
use crate::report::json::RunReport;
use crate::report::style::TextFormat;
use crate::report::{layout, phrases, units};

/// The most hosts that succeeded with a row each; more share one row.
const MAX_SINGLE: usize = 16;

/// The paths of a run's files on the gateway.
#[derive(Debug, Clone, Default)]
pub struct OutputPaths {
    /// The run folder.
    pub folder: PathBuf,
    /// The archive and its length in bytes, where one was made.
    pub archive: Option<(PathBuf, u64)>,
    /// The copy of the archive, where one was asked for.
    pub copy: Option<PathBuf>,
    /// The report to open first.
    pub report: Option<PathBuf>,
}

/// Returns the table of hosts, the totals, and the paths of the files.
pub fn run_summary(run: &RunReport, paths: &OutputPaths, format: TextFormat) -> String {
    let mut lines = host_table(&group_hosts(&run.hosts, MAX_SINGLE), format, TableLimits::TERMINAL);
    if !run.hosts.is_empty() {
        lines.push(String::new());
    }
    let totals = layout::wrap(&describe_totals(run), format.width);
    lines.extend(totals.iter().map(|line| format.style.bold(line)));
    lines.extend(count_skipped(run));
    lines.push(String::new());
    let size =
        |(path, bytes): &(PathBuf, u64)| format!("{} ({})", escape_path(path), units::format_size(*bytes));
    let fields = [
        (ReportMessage::Mail, run.mail.as_ref().map(describe_mail)),
        (ReportMessage::Archive, paths.archive.as_ref().map(size)),
        (ReportMessage::Copy, paths.copy.as_deref().map(escape_path)),
        (ReportMessage::Report, paths.report.as_deref().map(escape_path)),
        (ReportMessage::Folder, Some(escape_path(&paths.folder))),
    ];
    lines.extend(fields.into_iter().filter_map(|(name, value)| Some(field_line(&name, &value?))));
    layout::join_lines(&lines)
}

/// Returns a field of a run on a line: its name in lower case, then its value.
pub(super) fn field_line(name: &ReportMessage, value: &str) -> String {
    format!("{:<8} {value}", name.to_string().to_lowercase())
}

/// Describes the totals of a run: `10 succeeded, 1 failed of 11 hosts · 12 files, 40.8 KiB · 3 min 05 s`.
pub(super) fn describe_totals(run: &RunReport) -> String {
    let duration = units::format_duration(units::elapsed(run.started, run.ended));
    let mut totals = run.totals.describe();
    if run.totals.sum() > 0 {
        let hosts = ReportMessage::count_hosts(run.totals.sum());
        totals = format!("{totals} {}", ReportMessage::OfHosts { hosts });
    }
    format!("{totals} · {} · {duration}", phrases::describe_files(&run.hosts))
}

/// Counts the files that were not collected, if there are any.
fn count_skipped(run: &RunReport) -> Option<String> {
    let counts = run.hosts.iter().map(|host| host.skipped.len()).filter(|count| *count > 0);
    let (hosts, files) = counts.fold((0, 0), |(hosts, files), count| (hosts + 1, files + count));
    let message = |hosts, files| ReportMessage::FilesSkipped { files, hosts }.to_string();
    (files > 0).then(|| message(ReportMessage::count_hosts(hosts), ReportMessage::count_files(files)))
}

/// Describes what became of the mail, with a hint where it was not sent.
pub(in crate::report) fn describe_mail(mail: &MailReport) -> String {
    let error = mail.error.as_deref().map(|error| format!(": {}", phrases::bounded_message(error)));
    let error = error.unwrap_or_default();
    let message = match (mail.sent, mail.parts) {
        (true, 0 | 1) => ReportMessage::MailSent { error },
        (true, parts) => ReportMessage::MailSentInParts { parts, error },
        (false, 0) => ReportMessage::MailNotSent { error },
        (false, _) => ReportMessage::MailPartlySent { error },
    };
    message.to_string()
}
