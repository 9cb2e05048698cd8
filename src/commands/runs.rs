//! `recolte runs`: lists the earlier runs of an output folder, with their results.

use std::path::Path;

use super::{CommandResult, print_answer};
use crate::escape::escape;
use crate::message::RunMessage;
use crate::outcome::ExitStatus;
use crate::report::RunReport;
use crate::run_dir::{EarlierRun, REPORT_JSON, list_runs};

/// Prints the runs, the oldest first.
pub fn runs(output: &Path) -> CommandResult {
    let shown = output.display().to_string();
    let runs = list_runs(output)
        .map_err(|error| RunMessage::FolderUnreadable { folder: shown.clone(), error: error.to_string() })?;
    if runs.is_empty() {
        print_answer(&format!("{}\n", RunMessage::NoRuns { folder: shown }));
    }
    for folder in runs {
        let id = escape(folder.file_name().unwrap_or_default().as_encoded_bytes());
        print_answer(&format!("{id}  {}\n", describe_run(&folder)));
    }
    Ok(ExitStatus::Success)
}

/// Describes the result of a run, or how far it came.
fn describe_run(folder: &Path) -> String {
    let report =
        std::fs::read(folder.join(REPORT_JSON)).ok().and_then(|bytes| RunReport::from_json(&bytes).ok());
    match (report, EarlierRun::read(folder)) {
        (Some(report), _) => {
            let (totals, hosts) = (report.totals.describe(), report.hosts.len());
            let mut parts = vec![RunMessage::RunEnded { totals, hosts }];
            parts.extend((!report.resumed.is_empty()).then_some(RunMessage::RunWasResumed));
            parts.extend(report.mail.filter(|mail| !mail.sent).map(|_| RunMessage::RunWithoutMail));
            parts.iter().map(RunMessage::to_string).collect()
        }
        (None, Ok(earlier)) => {
            let (ended, hosts) = (earlier.reports.len(), earlier.parameters.hosts.len());
            RunMessage::RunNotOverYet { ended, hosts }.to_string()
        }
        (None, Err(error)) => error.to_string(),
    }
}
