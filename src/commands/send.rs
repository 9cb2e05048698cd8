//! `recolte send`: mails the archive of an earlier run again, with the mail settings that the job has now.

use super::resume::load_earlier_job;
use super::{CommandResult, print_answer, print_message, print_notes, read_earlier_run};
use crate::cli;
use crate::event::{Event, Events};
use crate::message::RunMessage;
use crate::outcome::ExitStatus;
use crate::report::RunReport;
use crate::run::Delivery;
use crate::run_dir::REPORT_JSON;

/// Sends the mail of a run.
pub async fn send(args: cli::EarlierRunArgs) -> CommandResult {
    let earlier = read_earlier_run(args)?;
    let job = load_earlier_job(&earlier, None, false)?;
    let path = earlier.folder.path.join(REPORT_JSON);
    let read = std::fs::read(&path).and_then(|bytes| Ok(RunReport::from_json(&bytes)?));
    let report = read.map_err(|error| RunMessage::RunNotOver {
        path: path.display().to_string(),
        error: error.to_string(),
    })?;
    let Some(settings) = &job.mail else {
        return Err(RunMessage::MailNotConfigured { job: job.file.display().to_string() }.into());
    };
    let (events, mut receiver) = Events::channel();
    let mut delivery = Delivery::new(report, &earlier.folder);
    delivery.send_mail(settings, &earlier.folder, &events).await;
    drop(events);
    while let Some(event) = receiver.recv().await {
        if let Event::Note(note) = event {
            print_notes([note]);
        }
    }
    let mail = delivery.report.mail.unwrap_or_default();
    if let Some(error) = mail.error {
        print_message(&RunMessage::MailFailed { error }.to_string());
    }
    if !mail.sent {
        return Ok(ExitStatus::NotDelivered);
    }
    print_answer(&format!("{}\n", RunMessage::MailSent { run: earlier.folder.id, parts: mail.parts }));
    Ok(ExitStatus::Success)
}
