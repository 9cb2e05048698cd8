//! The mail of a run in parts: one message with the whole archive, or, where that is too large, several messages
//! with some hosts each.
//!
//! Every part is a complete `tar.gz`. A host that fits into no part is named in the text, with the path, length and
//! SHA-256 of its files, so that they can be fetched by hand.

use std::fmt::Write as _;
use std::io::{self, Write};

use jiff::tz::TimeZone;

use crate::archive;
use crate::escape::escape;
use crate::hostset::{HostName, fold_names};
use crate::mail::{self, Attachment, EmailMessage, Settings};
use crate::message::RunMessage;
use crate::outcome::HostReport;
use crate::report::RunReport;
use crate::report::text::mail_body;
use crate::run_dir::RunFolder;

/// The messages of a run in their order, and the hosts whose files fit into no message.
pub type MailParts = (Vec<EmailMessage>, Vec<HostName>);

/// The list of a part's hosts, and their archive.
type ArchivePart = (String, Vec<u8>);

/// The maximum length of the list of hosts in the text of a part, in bytes.
const MAX_HOSTS_BYTES: usize = 1000;

/// Composes the messages of a run, none larger than `limit` bytes as sent. Blocks.
///
/// # Errors
/// The archive or a file cannot be read, or no message can be made; the text explains it.
pub fn compose_mail_parts(
    settings: &Settings,
    folder: &RunFolder,
    report: &RunReport,
    limit: u64,
) -> Result<MailParts, String> {
    let text = format!("{}\n\n{}", settings.body.trim_end(), mail_body(report, &TimeZone::system()));
    let max = max_archive_bytes(settings, folder, &text, limit)?;
    let archive = folder.archive_path();
    let unreadable = |error: io::Error| format!("{}: {error}", archive.display());
    if std::fs::metadata(&archive).map_err(unreadable)?.len() <= max {
        let bytes = std::fs::read(&archive).map_err(unreadable)?;
        let message = compose_message(settings, folder, text, bytes, None);
        return Ok((vec![message], Vec::new()));
    }
    let hosts: Vec<&HostReport> = report.hosts.iter().filter(|host| !host.files.is_empty()).collect();
    let (parts, too_large) = split_hosts(folder, &hosts, max)
        .map_err(|error| RunMessage::MailPartsFailed { error: error.to_string() }.to_string())?;
    let text = append_left_out(text, folder, &too_large);
    let of = parts.len();
    let mut messages = Vec::new();
    for (number, (hosts, bytes)) in (1..).zip(parts) {
        messages.push(compose_message(settings, folder, text.clone(), bytes, Some((number, of, hosts))));
    }
    if messages.is_empty() {
        let subject = settings.subject.clone();
        messages.push(EmailMessage { subject, body: text, attachments: Vec::new() });
    }
    Ok((messages, too_large.iter().map(|host| host.host.clone()).collect()))
}

/// Returns how many bytes an archive may have in a message with this text and the longest possible label.
fn max_archive_bytes(settings: &Settings, folder: &RunFolder, text: &str, limit: u64) -> Result<u64, String> {
    let label = Some((1000, 1000, "x".repeat(MAX_HOSTS_BYTES)));
    let empty = compose_message(settings, folder, text.to_owned(), Vec::new(), label);
    mail::max_attachment(settings, empty, limit).map_err(|error| error.explain())
}

/// Composes one message. A part has its number, the number of all parts and its hosts in subject, text and file name.
fn compose_message(
    settings: &Settings,
    folder: &RunFolder,
    text: String,
    bytes: Vec<u8>,
    part: Option<(usize, usize, String)>,
) -> EmailMessage {
    let (subject, body, name) = match part {
        None => (settings.subject.clone(), text, format!("{}.tar.gz", folder.name)),
        Some((number, of, hosts)) => (
            format!("{} ({number}/{of})", settings.subject),
            format!("{number}/{of}: {hosts}\n\n{text}"),
            format!("{}-{number}-{of}.tar.gz", folder.name),
        ),
    };
    let attachment = Attachment { name, content_type: "application/gzip".to_owned(), bytes };
    EmailMessage { subject, body, attachments: vec![attachment] }
}

/// Packs hosts into parts of at most `max` bytes: all of them into one, or, where that is too large, each half of
/// them, since how far files compress is only known once they are packed. Returns the parts, and the hosts that fit
/// into none.
fn split_hosts<'a>(
    folder: &RunFolder,
    hosts: &[&'a HostReport],
    max: u64,
) -> io::Result<(Vec<ArchivePart>, Vec<&'a HostReport>)> {
    let (mut parts, mut too_large) = (Vec::new(), Vec::new());
    let mut groups = vec![hosts];
    while let Some(group) = groups.pop().filter(|group| !group.is_empty()) {
        let entries = group.iter().flat_map(|host| folder.archive_entries(host)).collect();
        match archive::write_archive(BoundedBuffer { bytes: Vec::new(), max }, entries) {
            Ok(buffer) => parts.push((list_hosts(group), buffer.bytes)),
            Err(error) if error.kind() != io::ErrorKind::FileTooLarge => return Err(error),
            Err(_) if group.len() == 1 => too_large.extend(group),
            Err(_) => {
                let (first, second) = group.split_at(group.len() / 2);
                groups.extend([second, first]);
            }
        }
    }
    Ok((parts, too_large))
}

/// Lists the hosts of a part, shortened where they are many.
fn list_hosts(hosts: &[&HostReport]) -> String {
    let names: Vec<&str> = hosts.iter().map(|host| &*host.host).collect();
    let text = escape(fold_names(&names).as_bytes());
    match text.char_indices().nth(MAX_HOSTS_BYTES / 5) {
        Some((end, _)) => {
            let names = text.get(..end).unwrap_or_default().to_owned();
            RunMessage::HostsShortened { names, count: hosts.len() }.to_string()
        }
        None => text,
    }
}

/// A buffer that takes no more bytes than a message can carry, so that packing too many hosts ends early.
struct BoundedBuffer {
    bytes: Vec<u8>,
    max: u64,
}

impl Write for BoundedBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if (self.bytes.len() + bytes.len()) as u64 > self.max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Appends the files that must be fetched by hand to the text.
fn append_left_out(mut text: String, folder: &RunFolder, hosts: &[&HostReport]) -> String {
    for host in hosts {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "\n{}", RunMessage::HostTooLarge { host: host.host.to_string() });
        for file in &host.files {
            let path = folder.path.join(&file.path).display().to_string();
            let message = RunMessage::FileLeftOut { path, bytes: file.bytes, sha256: file.sha256.clone() };
            let _ = writeln!(text, "{message}");
        }
    }
    text
}
