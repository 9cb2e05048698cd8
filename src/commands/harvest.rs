//! What happens once, after the last host: the reports, the archive, the mail.
//!
//! Nothing here undoes what was collected: what cannot be done is told, and makes the run "not delivered".

use std::io;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use tokio::task::spawn_blocking;

use crate::archive::{self, Entry};
use crate::event::{Event, Events};
use crate::job::Job;
use crate::journal::{MANIFEST, REPORT, RunFolder};
use crate::mail::{self, Attachment, Letter};
use crate::outcome::MailReport;
use crate::report::text::{Places, account, full};
use crate::report::{RunReport, html};

/// What became of a run's results.
pub struct Delivered {
    /// The whole account, with what became of the mail.
    pub report: RunReport,
    /// Where everything is.
    pub places: Places,
    /// Whether all of it reached its place: reports, archive, copy and mail.
    pub whole: bool,
}

/// Writes reports and archive, sends the mail.
pub async fn deliver(job: &Job, folder: &RunFolder, mut report: RunReport, events: &Events) -> Delivered {
    let mut whole = write_reports(folder, &report, events).await;
    let mut places = Places { folder: folder.path.clone(), report: Some(folder.path.join("report.html")), ..Places::default() };
    match pack(folder, &report).await {
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
    if let Some(settings) = &job.mail {
        events.emit(Event::Mailing);
        let sent = send(settings, &report, places.archive.as_ref(), events).await;
        whole &= sent.sent;
        report.mail = Some(sent);
        whole &= write_reports(folder, &report, events).await;
    }
    Delivered { report, places, whole }
}

/// Writes the three reports; what fails is noted.
async fn write_reports(folder: &RunFolder, report: &RunReport, events: &Events) -> bool {
    let (run, folder_of_run) = (report.clone(), folder.clone());
    let written = blocking(move || {
        let zone = TimeZone::system();
        folder_of_run.write("report.json", &run.to_json()?)?;
        folder_of_run.write(REPORT, full(&run, &zone).as_bytes())?;
        folder_of_run.write("report.html", html::page(&run, &zone).as_bytes())
    })
    .await;
    if let Err(error) = &written {
        events.note(format!("{}: the reports could not be written: {error}", folder.path.display()));
    }
    written.is_ok()
}

/// Makes the archive of what was collected.
async fn pack(folder: &RunFolder, report: &RunReport) -> io::Result<(PathBuf, u64)> {
    let (run, folder) = (report.clone(), folder.clone());
    blocking(move || {
        let modified = u64::try_from(run.ended.as_second()).unwrap_or(0);
        let made = |name: &str, bytes| Entry::Made { path: format!("{}/{name}", folder.name), bytes, modified };
        let mut entries = vec![
            made(REPORT, full(&run, &TimeZone::system()).into_bytes()),
            made(MANIFEST, run.to_json()?),
        ];
        let files = run.hosts.iter().flat_map(|host| &host.files);
        entries.extend(files.map(|f| Entry::Disk { from: folder.path.join(&f.path), path: f.path.clone() }));
        let path = folder.archive();
        let bytes = archive::write(&path, &entries)?;
        Ok((path, bytes))
    })
    .await
}

/// Puts the archive where the job also wants it.
async fn put_copy(job: &Job, archive: &Path, events: &Events) -> Option<PathBuf> {
    let to = job.copy_to.clone()?;
    let (from, target) = (archive.to_owned(), to.clone());
    match blocking(move || archive::copy(&from, &target)).await {
        Ok(()) => Some(to),
        Err(error) => {
            events.note(format!("{}: the archive could not be put there: {error}", to.display()));
            None
        }
    }
}

/// Sends the mail: the job's text, who succeeded and who did not, and the archive.
async fn send(
    settings: &mail::Settings,
    report: &RunReport,
    archive: Option<&(PathBuf, u64)>,
    events: &Events,
) -> MailReport {
    let failed = |error: String| MailReport { sent: false, parts: 0, error: Some(error) };
    let letter = match letter(settings, report, archive).await {
        Ok(letter) => letter,
        Err(error) => return failed(error),
    };
    match mail::send(settings, &letter).await {
        Ok(delivery) => {
            delivery.notes.iter().for_each(|note| events.note(note.clone()));
            let refused: Vec<String> =
                delivery.refused.iter().map(|r| format!("{}: {}", r.address, r.reason)).collect();
            let error = (!refused.is_empty()).then(|| refused.join("; "));
            MailReport { sent: error.is_none() && archive.is_some(), parts: 1, error }
        }
        Err(error) => failed(error.explain()),
    }
}

/// The letter, unless the archive is too large to attach.
async fn letter(
    settings: &mail::Settings,
    report: &RunReport,
    archive: Option<&(PathBuf, u64)>,
) -> Result<Letter, String> {
    let zone = TimeZone::system();
    let body = format!("{}\n\n{}", settings.body.trim_end(), account(report, &zone));
    let mut letter = Letter { subject: settings.subject.clone(), body, attachments: Vec::new() };
    let Some((path, bytes)) = archive else { return Ok(letter) };
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let content_type = "application/gzip".to_owned();
    letter.attachments.push(Attachment { name, content_type, bytes: Vec::new() });
    let room = mail::attachment_room(settings, &letter, settings.max_size).map_err(|error| error.explain())?;
    if *bytes > room {
        return Err(format!("the archive ({bytes} bytes) does not fit into a mail of max_size {}", settings.max_size));
    }
    let from = path.clone();
    let bytes = blocking(move || std::fs::read(from)).await.map_err(|error| format!("{}: {error}", path.display()))?;
    letter.attachments.iter_mut().for_each(|attachment| attachment.bytes.clone_from(&bytes));
    Ok(letter)
}

/// Runs what blocks on a thread where it may.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}
