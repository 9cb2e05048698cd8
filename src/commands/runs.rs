//! `recolte runs`: the earlier runs, with what they came to.

use std::path::{Path, PathBuf};

use super::{CommandResult, output_folder, print_answer};
use crate::cli;
use crate::escape::escape;
use crate::outcome::ExitStatus;
use crate::report::RunReport;
use crate::run_dir::EarlierRun;

/// Lists the runs of an output folder, the oldest first.
pub fn runs(args: &cli::RunsArgs) -> CommandResult {
    let output = output_folder(args.output.as_deref());
    let mut folders: Vec<PathBuf> = match std::fs::read_dir(&output) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(format!("{}: cannot be read: {error}", output.display()).into()),
    };
    folders.retain(|path| !path.is_symlink() && path.join("journal.jsonl").is_file());
    folders.sort();
    if folders.is_empty() {
        print_answer(&format!("no runs in {}\n", output.display()));
    }
    folders.iter().for_each(|folder| print_answer(&line(folder)));
    Ok(ExitStatus::Success)
}

/// One run on one line.
fn line(folder: &Path) -> String {
    let id = escape(folder.file_name().unwrap_or_default().as_encoded_bytes());
    format!("{id}  {}\n", totals(folder))
}

/// What a run came to, or how far it came.
fn totals(folder: &Path) -> String {
    let report =
        std::fs::read(folder.join("report.json")).ok().and_then(|bytes| RunReport::from_json(&bytes).ok());
    match (report, EarlierRun::read(folder)) {
        (Some(report), _) => {
            let mail = match &report.mail {
                Some(mail) if !mail.sent => "; the mail did not leave",
                _ => "",
            };
            let resumed = if report.resumed.is_empty() { "" } else { "; resumed" };
            format!("{} of {} hosts{resumed}{mail}", report.totals.describe(), report.hosts.len())
        }
        (None, Ok(earlier)) => {
            format!("broken off: {} of {} hosts ended", earlier.ended(), earlier.begin.hosts.len())
        }
        (None, Err(error)) => error.to_string(),
    }
}
