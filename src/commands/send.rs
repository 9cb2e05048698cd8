//! `recolte send`: mails an earlier run's archive again, by the mail settings as they stand now.

use super::resume::job_of;
use super::{BoxError, CommandResult, earlier, print_answer, print_message};
use crate::cli;
use crate::event::Events;
use crate::outcome::ExitStatus;
use crate::report::RunReport;
use crate::run::mail_again;

/// Sends the mail of a run.
pub async fn send(args: cli::SendArgs) -> CommandResult {
    let earlier = earlier(args.run.as_deref(), args.output.as_deref())?;
    let job = job_of(&earlier, None, false)?;
    let report = earlier.folder.path.join("report.json");
    let bytes = std::fs::read(&report).map_err(|error| not_over(&report, &error))?;
    let report = RunReport::from_json(&bytes).map_err(|error| not_over(&report, &error))?;
    if job.mail.is_none() {
        return Err(format!("{}: the job has no [mail]; add it, then send again", job.file.display()).into());
    }
    let (events, mut receiver) = Events::channel();
    let sent = mail_again(&job, &earlier.folder, report, &events).await;
    drop(events);
    while let Some(event) = receiver.recv().await {
        if let crate::event::Event::Note(note) = event {
            print_message(&format!("note: {note}"));
        }
    }
    let mail = sent.report.mail.unwrap_or_default();
    if let Some(error) = mail.error {
        print_message(&format!("recolte: mail: {error}"));
    }
    if !mail.sent {
        return Ok(ExitStatus::NotDelivered);
    }
    print_answer(&format!("{}: sent in {} message(s)\n", earlier.folder.id, mail.parts));
    Ok(ExitStatus::Success)
}

fn not_over(report: &std::path::Path, error: &dyn std::fmt::Display) -> BoxError {
    format!("{}: {error}; the run is not over, recolte resume finishes it", report.display()).into()
}
