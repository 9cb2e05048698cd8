//! What happens once, after the last host: the reports, the archive's end, the mail.
//!
//! Nothing here undoes what was collected: what cannot be done is told, and makes the run "not delivered".

use std::io;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use tokio::task::spawn_blocking;

use super::mail_parts::{MailParts, mail_parts};
use super::per_core;
use crate::archive::{self, ArchiveEntry, Packer};
use crate::disk::run_blocking;
use crate::event::{Event, Events};
use crate::hostset;
use crate::job::Job;
use crate::mail;
use crate::outcome::{HostReport, MailReport};
use crate::report::text::{OutputPaths, full_report};
use crate::report::{RunReport, html};
use crate::run_dir::{MANIFEST, REPORT, RunFolder};

/// What became of a run's results.
pub struct Delivered {
    /// The whole account, with what became of the mail.
    pub report: RunReport,
    /// Where everything is.
    pub places: OutputPaths,
    /// Whether all of it reached its place: reports, archive, copy and mail.
    pub whole: bool,
}

/// Puts what came from a host into the archive.
pub fn pack(packer: &Packer, folder: &RunFolder, host: &HostReport) {
    for file in &host.files {
        packer.add(ArchiveEntry::Disk { from: folder.path.join(&file.path), path: file.path.clone() });
    }
}

/// Writes reports and archive, sends the mail.
pub async fn deliver(
    job: &Job,
    folder: &RunFolder,
    packer: Packer,
    report: RunReport,
    events: &Events,
) -> Delivered {
    let mut whole = write_reports(folder, &report, events).await;
    let mut places = OutputPaths {
        folder: folder.path.clone(),
        report: Some(folder.path.join("report.html")),
        ..OutputPaths::default()
    };
    match finish(packer, folder, &report).await {
        Ok((path, bytes)) => {
            events.emit(Event::Archived { path: path.clone(), bytes });
            places.copy = put_copy(job, &path, events).await;
            whole &= places.copy.is_some() == job.copy_to.is_some();
            places.archive = Some((path, bytes));
        }
        Err(error) => {
            whole = false;
            events.note(format!("{}: the archive could not be made: {error}", folder.archive().display()));
        }
    }
    if job.mail.is_none() {
        return Delivered { report, places, whole };
    }
    let mailed = mail_again(job, folder, report, events).await;
    Delivered { places, whole: whole && mailed.whole, ..mailed }
}

/// Sends the mail of a run whose archive is made, and writes the reports once more.
pub async fn mail_again(job: &Job, folder: &RunFolder, mut report: RunReport, events: &Events) -> Delivered {
    events.emit(Event::Mailing);
    report.mail = None;
    let sent = match &job.mail {
        Some(settings) => send(settings, folder, &report, events).await,
        None => MailReport::default(),
    };
    let mut whole = sent.sent;
    report.mail = Some(sent);
    whole &= write_reports(folder, &report, events).await;
    Delivered { report, places: OutputPaths::default(), whole }
}

/// Writes the three reports; what fails is noted.
async fn write_reports(folder: &RunFolder, report: &RunReport, events: &Events) -> bool {
    let (run, folder_of_run) = (report.clone(), folder.clone());
    let written = run_blocking(move || {
        let zone = TimeZone::system();
        folder_of_run.write("report.json", &run.to_json()?)?;
        folder_of_run.write(REPORT, full_report(&run, &zone).as_bytes())?;
        folder_of_run.write("report.html", html::render_page(&run, &zone).as_bytes())
    })
    .await;
    if let Err(error) = &written {
        events.note(format!("{}: the reports could not be written: {error}", folder.path.display()));
    }
    written.is_ok()
}

/// Puts the accounts into the archive, and finishes it. What stood in its way while hosts were visited may be gone, as a
/// disk that was full: then all of it is packed once more.
async fn finish(packer: Packer, folder: &RunFolder, report: &RunReport) -> io::Result<(PathBuf, u64)> {
    let (run, folder) = (report.clone(), folder.clone());
    run_blocking(move || {
        let path = folder.archive();
        add_accounts(&packer, &folder, &run)?;
        let bytes = packer.finish(&path).or_else(|_| {
            let again = Packer::begin(&folder.path, per_core(1))?;
            run.hosts.iter().for_each(|host| pack(&again, &folder, host));
            add_accounts(&again, &folder, &run)?;
            again.finish(&path)
        })?;
        Ok((path, bytes))
    })
    .await
}

/// Puts the reader's and the machine's account into the archive.
fn add_accounts(packer: &Packer, folder: &RunFolder, run: &RunReport) -> io::Result<()> {
    let modified = u64::try_from(run.ended.as_second()).unwrap_or(0);
    let made =
        |name: &str, bytes| ArchiveEntry::Made { path: format!("{}/{name}", folder.name), bytes, modified };
    packer.add(made(REPORT, full_report(run, &TimeZone::system()).into_bytes()));
    packer.add(made(MANIFEST, run.to_json()?));
    Ok(())
}

/// Puts the archive where the job also wants it.
async fn put_copy(job: &Job, archive: &Path, events: &Events) -> Option<PathBuf> {
    let to = job.copy_to.clone()?;
    let (from, target) = (archive.to_owned(), to.clone());
    match run_blocking(move || archive::copy(&from, &target)).await {
        Ok(()) => Some(to),
        Err(error) => {
            events.note(format!("{}: the archive could not be put there: {error}", to.display()));
            None
        }
    }
}

/// Sends the letters one after the other; the first one that does not leave ends it.
async fn send(
    settings: &mail::Settings,
    folder: &RunFolder,
    report: &RunReport,
    events: &Events,
) -> MailReport {
    let MailParts { mail_parts, left_out } = match compose(settings, folder, report).await {
        Ok(mail_parts) => mail_parts,
        Err(error) => return MailReport { sent: false, parts: 0, error: Some(error) },
    };
    let (mut parts, mut troubles) = (0, Vec::new());
    for letter in &mail_parts {
        match mail::send(settings, letter).await {
            Ok(delivery) => {
                parts += 1;
                delivery.notes.iter().for_each(|note| events.note(note.clone()));
                troubles.extend(delivery.refused.iter().map(|r| format!("{}: {}", r.address, r.reason)));
            }
            Err(error) => {
                if error.may_have_left() {
                    events.note(
                        "mail: it may have arrived all the same; ask before recolte send gives it twice",
                    );
                }
                troubles.push(error.explain());
                break;
            }
        }
    }
    if !left_out.is_empty() {
        troubles.push(format!("too large for any mail, fetch by hand: {}", hostset::fold_names(&left_out)));
    }
    troubles.dedup();
    let error = (!troubles.is_empty()).then(|| troubles.join("; "));
    MailReport { sent: error.is_none(), parts, error }
}

/// Makes the letters, none larger than the job and the server allow.
async fn compose(
    settings: &mail::Settings,
    folder: &RunFolder,
    report: &RunReport,
) -> Result<MailParts, String> {
    let server = mail::server_limit(settings).await.map_err(|error| error.explain())?;
    let limit = server.unwrap_or(u64::MAX).min(settings.max_size);
    let (settings, folder, report) = (settings.clone(), folder.clone(), report.clone());
    let made = spawn_blocking(move || mail_parts(&settings, &folder, &report, limit)).await;
    made.unwrap_or_else(|error| Err(format!("a fault of recolte itself: {error}")))
}
