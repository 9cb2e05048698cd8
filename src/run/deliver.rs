//! Delivers a run once its last host has ended: reports, archive, copy of the archive, mail.
//!
//! Nothing here undoes what was collected: a failure is noted and makes the delivery incomplete.

use std::fs::File;
use std::io;
use std::path::Path;

use jiff::tz::TimeZone;
use tokio::task::spawn_blocking;

use super::mail_parts::{MailParts, compose_mail_parts};
use super::per_core;
use crate::archive::{ArchiveEntry, Packer};
use crate::disk::{run_blocking, write_atomically};
use crate::event::{Event, Events};
use crate::hostset::fold_names;
use crate::job::Job;
use crate::mail;
use crate::message::RunMessage;
use crate::outcome::{DeliveryStatus, MailReport};
use crate::report::text::{OutputPaths, full_report};
use crate::report::{RunReport, html};
use crate::run_dir::{MANIFEST, REPORT_HTML, REPORT_JSON, REPORT_TEXT, RunFolder};

/// The delivered results of a run.
pub struct Delivery {
    /// The report, with the result of the mail.
    pub report: RunReport,
    /// The paths of everything.
    pub places: OutputPaths,
    /// Tells whether everything was delivered.
    pub status: DeliveryStatus,
}

impl Delivery {
    /// Begins the delivery of a report.
    pub fn new(report: RunReport, folder: &RunFolder) -> Self {
        let html = Some(folder.path.join(REPORT_HTML));
        let places = OutputPaths { folder: folder.path.clone(), report: html, ..OutputPaths::default() };
        Self { report, places, status: DeliveryStatus::Delivered }
    }

    /// Writes the reports, finishes the archive, copies it, sends the mail.
    pub async fn deliver(&mut self, job: &Job, folder: &RunFolder, packer: Packer, events: &Events) {
        self.write_reports(folder, events).await;
        let path = folder.archive_path();
        match self.finish_archive(packer, folder).await {
            Ok(bytes) => {
                events.emit(Event::Archived { path: path.clone(), bytes });
                self.copy_archive(job, &path, events).await;
                self.places.archive = Some((path, bytes));
            }
            Err(error) => {
                let (path, error) = (path.display().to_string(), error.to_string());
                self.note_failure(RunMessage::ArchiveFailed { path, error }, events);
            }
        }
        if let Some(settings) = &job.mail {
            self.send_mail(settings, folder, events).await;
        }
    }

    /// Sends the mail of a run whose archive is finished, and writes the reports again with the result.
    pub async fn send_mail(&mut self, settings: &mail::Settings, folder: &RunFolder, events: &Events) {
        events.emit(Event::Mailing);
        self.report.mail = None;
        let sent = self.send_parts(settings, folder, events).await;
        if !sent.sent {
            self.status = DeliveryStatus::Incomplete;
        }
        self.report.mail = Some(sent);
        self.write_reports(folder, events).await;
    }

    /// Writes the three reports into the run folder.
    async fn write_reports(&mut self, folder: &RunFolder, events: &Events) {
        let (report, run_folder) = (self.report.clone(), folder.clone());
        let written = run_blocking(move || {
            let zone = TimeZone::system();
            run_folder.write(REPORT_JSON, &report.to_json()?)?;
            run_folder.write(REPORT_TEXT, full_report(&report, &zone).as_bytes())?;
            run_folder.write(REPORT_HTML, html::render_page(&report, &zone).as_bytes())
        });
        if let Err(error) = written.await {
            let (folder, error) = (folder.path.display().to_string(), error.to_string());
            self.note_failure(RunMessage::ReportsUnwritable { folder, error }, events);
        }
    }

    /// Copies the archive to the path that the job names, if any.
    async fn copy_archive(&mut self, job: &Job, archive: &Path, events: &Events) {
        let Some(copy) = job.copy_to.clone() else { return };
        let (from, to) = (archive.to_owned(), copy.clone());
        match run_blocking(move || write_atomically(&to, File::open(from)?)).await {
            Ok(()) => self.places.copy = Some(copy),
            Err(error) => {
                let (path, error) = (copy.display().to_string(), error.to_string());
                self.note_failure(RunMessage::CopyFailed { path, error }, events);
            }
        }
    }

    fn note_failure(&mut self, message: RunMessage, events: &Events) {
        self.status = DeliveryStatus::Incomplete;
        events.note(message);
    }

    /// Finishes the archive. Returns its length in bytes.
    async fn finish_archive(&self, packer: Packer, folder: &RunFolder) -> io::Result<u64> {
        let (report, folder) = (self.report.clone(), folder.clone());
        run_blocking(move || {
            // An error that occurred while hosts were visited, such as a full disk, may be gone: pack everything once
            // more.
            finish_with_reports(packer, &folder, &report).or_else(|_| {
                let packer = Packer::start(&folder.path, per_core(1))?;
                let hosts = report.hosts.iter();
                hosts.flat_map(|host| folder.archive_entries(host)).for_each(|entry| packer.add(entry));
                finish_with_reports(packer, &folder, &report)
            })
        })
        .await
    }

    /// Sends the messages one after the other, up to the first that cannot be sent.
    async fn send_parts(&self, settings: &mail::Settings, folder: &RunFolder, events: &Events) -> MailReport {
        let (messages, left_out) = match self.compose_parts(settings, folder).await {
            Ok(parts) => parts,
            Err(error) => return MailReport { sent: false, parts: 0, error: Some(error) },
        };
        let (mut parts, mut errors) = (0, Vec::new());
        for message in &messages {
            match mail::send(settings, message).await {
                Ok(delivery) => {
                    parts += 1;
                    delivery.notes.into_iter().for_each(|note| events.note(note));
                    errors.extend(delivery.refused);
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
            errors.push(RunMessage::TooLargeForMail { hosts: fold_names(&left_out) }.to_string());
        }
        errors.dedup();
        let error = (!errors.is_empty()).then(|| errors.join("; "));
        MailReport { sent: error.is_none(), parts, error }
    }

    /// Composes the messages, none larger than the job and the server allow.
    async fn compose_parts(
        &self,
        settings: &mail::Settings,
        folder: &RunFolder,
    ) -> Result<MailParts, String> {
        let server = mail::server_limit(settings).await.map_err(|error| error.explain())?;
        let limit = server.unwrap_or(u64::MAX).min(settings.max_size);
        let (settings, folder, report) = (settings.clone(), folder.clone(), self.report.clone());
        let composed = spawn_blocking(move || compose_mail_parts(&settings, &folder, &report, limit)).await;
        composed
            .unwrap_or_else(|error| Err(RunMessage::InternalError { error: error.to_string() }.to_string()))
    }
}

/// Adds the reports for people and for machines to the archive, and finishes it. Returns its length in bytes.
fn finish_with_reports(packer: Packer, folder: &RunFolder, report: &RunReport) -> io::Result<u64> {
    let modified = u64::try_from(report.ended.as_second()).unwrap_or(0);
    let add = |name: &str, bytes| {
        packer.add(ArchiveEntry::Generated { path: format!("{}/{name}", folder.name), bytes, modified });
    };
    add(REPORT_TEXT, full_report(report, &TimeZone::system()).into_bytes());
    add(MANIFEST, report.to_json()?);
    packer.finish(&folder.archive_path())
}
