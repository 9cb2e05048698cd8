//! Delivers a run once its last host has ended: reports, archive, copy of the archive, mail.
//!
//! Nothing here undoes what was collected: a failure is noted and makes the delivery incomplete.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use tokio::task::spawn_blocking;

use super::mail_parts::{MailParts, compose_mail_parts};
use super::per_core;
use crate::archive::{ArchiveEntry, Packer};
use crate::disk::{run_blocking, write_atomically};
use crate::event::{Event, Events};
use crate::hostset::fold;
use crate::job::Job;
use crate::mail;
use crate::message::RunMessage;
use crate::outcome::{DeliveryStatus, HostReport, MailReport};
use crate::report::text::{Places, full};
use crate::report::{RunReport, html};
use crate::run_dir::{MANIFEST, REPORT_HTML, REPORT_JSON, REPORT_TEXT, RunFolder};

/// The delivered results of a run.
pub struct Delivery {
    /// The report, with the result of the mail.
    pub report: RunReport,
    /// The paths of everything.
    pub places: Places,
    /// Whether everything was delivered.
    pub status: DeliveryStatus,
}

/// Returns the archive entries of the files that were collected from a host.
pub fn archive_entries(folder: &RunFolder, host: &HostReport) -> impl Iterator<Item = ArchiveEntry> {
    let entry = |path: &String| ArchiveEntry::Disk { from: folder.path.join(path), path: path.clone() };
    host.files.iter().map(move |file| entry(&file.path))
}

/// Writes the reports, finishes the archive, copies it, sends the mail.
pub async fn deliver(
    job: &Job,
    folder: &RunFolder,
    packer: Packer,
    report: RunReport,
    events: &Events,
) -> Delivery {
    let mut status = write_reports(folder, &report, events).await;
    let mut places = Places {
        folder: folder.path.clone(),
        report: Some(folder.path.join(REPORT_HTML)),
        ..Places::default()
    };
    match finish_archive(packer, folder, &report).await {
        Ok((path, bytes)) => {
            events.emit(Event::Archived { path: path.clone(), bytes });
            places.copy = copy_archive(job, &path, events).await;
            if places.copy.is_some() != job.copy_to.is_some() {
                status = DeliveryStatus::Incomplete;
            }
            places.archive = Some((path, bytes));
        }
        Err(error) => {
            status = DeliveryStatus::Incomplete;
            let path = folder.archive_path().display().to_string();
            events.note(RunMessage::ArchiveFailed { path, error: error.to_string() });
        }
    }
    if job.mail.is_none() {
        return Delivery { report, places, status };
    }
    let mailed = send_mail(job, folder, report, events).await;
    Delivery { places, status: status.max(mailed.status), ..mailed }
}

/// Sends the mail of a run whose archive is finished, and writes the reports again with the result.
pub async fn send_mail(job: &Job, folder: &RunFolder, mut report: RunReport, events: &Events) -> Delivery {
    events.emit(Event::Mailing);
    report.mail = None;
    let sent = match &job.mail {
        Some(settings) => send_parts(settings, folder, &report, events).await,
        None => MailReport::default(),
    };
    let mail_status = if sent.sent { DeliveryStatus::Delivered } else { DeliveryStatus::Incomplete };
    report.mail = Some(sent);
    let status = mail_status.max(write_reports(folder, &report, events).await);
    Delivery { report, places: Places::default(), status }
}

/// Writes the three reports; a failure is noted.
async fn write_reports(folder: &RunFolder, report: &RunReport, events: &Events) -> DeliveryStatus {
    let (report, run_folder) = (report.clone(), folder.clone());
    let written = run_blocking(move || {
        let zone = TimeZone::system();
        run_folder.write(REPORT_JSON, &report.to_json()?)?;
        run_folder.write(REPORT_TEXT, full(&report, &zone).as_bytes())?;
        run_folder.write(REPORT_HTML, html::page(&report, &zone).as_bytes())
    });
    let Err(error) = written.await else { return DeliveryStatus::Delivered };
    let folder = folder.path.display().to_string();
    events.note(RunMessage::ReportsUnwritable { folder, error: error.to_string() });
    DeliveryStatus::Incomplete
}

/// Adds the reports to the archive and finishes it. Returns its path and its length in bytes.
async fn finish_archive(
    packer: Packer,
    folder: &RunFolder,
    report: &RunReport,
) -> io::Result<(PathBuf, u64)> {
    let (report, folder) = (report.clone(), folder.clone());
    run_blocking(move || {
        let path = folder.archive_path();
        add_reports(&packer, &folder, &report)?;
        // An error that occurred while hosts were visited, such as a full disk, may be gone: pack everything once more.
        let bytes = packer.finish(&path).or_else(|_| {
            let packer = Packer::start(&folder.path, per_core(1))?;
            let hosts = report.hosts.iter();
            hosts.flat_map(|host| archive_entries(&folder, host)).for_each(|entry| packer.add(entry));
            add_reports(&packer, &folder, &report)?;
            packer.finish(&path)
        })?;
        Ok((path, bytes))
    })
    .await
}

/// Adds the reports for people and for machines to the archive.
fn add_reports(packer: &Packer, folder: &RunFolder, report: &RunReport) -> io::Result<()> {
    let modified = u64::try_from(report.ended.as_second()).unwrap_or(0);
    let add = |name: &str, bytes| {
        packer.add(ArchiveEntry::Generated { path: format!("{}/{name}", folder.name), bytes, modified });
    };
    add(REPORT_TEXT, full(report, &TimeZone::system()).into_bytes());
    add(MANIFEST, report.to_json()?);
    Ok(())
}

/// Copies the archive to the path that the job names, if any. Returns that path; a failure is noted.
async fn copy_archive(job: &Job, archive: &Path, events: &Events) -> Option<PathBuf> {
    let copy = job.copy_to.clone()?;
    let (from, to) = (archive.to_owned(), copy.clone());
    match run_blocking(move || write_atomically(&to, File::open(from)?)).await {
        Ok(()) => Some(copy),
        Err(error) => {
            let path = copy.display().to_string();
            events.note(RunMessage::CopyFailed { path, error: error.to_string() });
            None
        }
    }
}

/// Sends the messages one after the other, up to the first that cannot be sent.
async fn send_parts(
    settings: &mail::Settings,
    folder: &RunFolder,
    report: &RunReport,
    events: &Events,
) -> MailReport {
    let MailParts { messages, left_out } = match compose_parts(settings, folder, report).await {
        Ok(parts) => parts,
        Err(error) => return MailReport { sent: false, parts: 0, error: Some(error) },
    };
    let (mut parts, mut errors) = (0, Vec::new());
    for message in &messages {
        match mail::send(settings, message).await {
            Ok(delivery) => {
                parts += 1;
                delivery.notes.iter().for_each(|note| events.note(note.clone()));
                errors.extend(delivery.refused.iter().map(|r| format!("{}: {}", r.address, r.reason)));
            }
            Err(error) => {
                if error.may_have_left() {
                    events.note(RunMessage::MailMayHaveArrived);
                }
                errors.push(error.explain());
                break;
            }
        }
    }
    if !left_out.is_empty() {
        errors.push(RunMessage::TooLargeForMail { hosts: fold(&left_out) }.to_string());
    }
    errors.dedup();
    let error = (!errors.is_empty()).then(|| errors.join("; "));
    MailReport { sent: error.is_none(), parts, error }
}

/// Composes the messages, none larger than the job and the server allow.
async fn compose_parts(
    settings: &mail::Settings,
    folder: &RunFolder,
    report: &RunReport,
) -> Result<MailParts, String> {
    let server = mail::server_limit(settings).await.map_err(|error| error.explain())?;
    let limit = server.unwrap_or(u64::MAX).min(settings.max_size);
    let (settings, folder, report) = (settings.clone(), folder.clone(), report.clone());
    let composed = spawn_blocking(move || compose_mail_parts(&settings, &folder, &report, limit)).await;
    composed.unwrap_or_else(|error| Err(RunMessage::InternalError { error: error.to_string() }.to_string()))
}
