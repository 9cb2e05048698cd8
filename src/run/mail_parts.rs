//! The letters of a run: one with the whole archive, or, where that is too large, several with some hosts each.
//!
//! Every part is a whole `tar.gz` that opens by itself. A host that fits into no part is named in the text, with the
//! path, length and SHA-256 of its files, so that it can be fetched by hand.

use std::fmt::Write as _;
use std::io::{self, Write};

use jiff::tz::TimeZone;

use crate::archive::{self, ArchiveEntry};
use crate::escape::escape;
use crate::hostset::{HostName, fold_names};
use crate::mail::{self, Attachment, EmailMessage, Settings};
use crate::outcome::HostReport;
use crate::report::RunReport;
use crate::report::text::mail_body;
use crate::run_dir::RunFolder;

/// What is to be sent.
pub struct MailParts {
    /// The letters, in their order.
    pub mail_parts: Vec<EmailMessage>,
    /// The hosts whose files fit into none.
    pub left_out: Vec<HostName>,
}

/// The most bytes that the hosts of a part take in its text.
const HOSTS: usize = 1000;

/// A part of the archive.
struct Part {
    hosts: String,
    bytes: Vec<u8>,
}

/// What a part is of the whole.
struct PartLabel {
    number: usize,
    of: usize,
    hosts: String,
}

/// The letters of a run, none larger than `limit` bytes as sent. Blocks.
///
/// # Errors
/// The archive or a file cannot be read, or no letter can be made; in words.
pub fn mail_parts(
    settings: &Settings,
    folder: &RunFolder,
    report: &RunReport,
    limit: u64,
) -> Result<MailParts, String> {
    let text = format!("{}\n\n{}", settings.body.trim_end(), mail_body(report, &TimeZone::system()));
    let remaining = remaining(settings, folder, &text, limit)?;
    let archive = folder.archive();
    let told = |error: io::Error| format!("{}: {error}", archive.display());
    if std::fs::metadata(&archive).map_err(told)?.len() <= remaining {
        let bytes = std::fs::read(&archive).map_err(told)?;
        let letter = letter(settings, folder, text, bytes, None);
        return Ok(MailParts { mail_parts: vec![letter], left_out: Vec::new() });
    }
    let with_files: Vec<&HostReport> = report.hosts.iter().filter(|host| !host.files.is_empty()).collect();
    let (mut parts, mut too_big) = (Vec::new(), Vec::new());
    split(folder, &with_files, remaining, &mut parts, &mut too_big)
        .map_err(|error| format!("the parts: {error}"))?;
    let text = with_left_out(text, folder, &too_big);
    let count = parts.len();
    let numbered = |(number, part): (usize, Part)| {
        let place = PartLabel { number: number + 1, of: count, hosts: part.hosts };
        letter(settings, folder, text.clone(), part.bytes, Some(&place))
    };
    let mut mail_parts: Vec<EmailMessage> = parts.into_iter().enumerate().map(numbered).collect();
    if mail_parts.is_empty() {
        mail_parts.push(EmailMessage {
            subject: settings.subject.clone(),
            body: text,
            attachments: Vec::new(),
        });
    }
    Ok(MailParts { mail_parts, left_out: too_big.iter().map(|host| host.host.clone()).collect() })
}

/// How many bytes an archive may have in a letter with this text.
fn remaining(settings: &Settings, folder: &RunFolder, text: &str, limit: u64) -> Result<u64, String> {
    let hosts = "x".repeat(HOSTS);
    let longest = PartLabel { number: 1000, of: 1000, hosts };
    let empty = letter(settings, folder, text.to_owned(), Vec::new(), Some(&longest));
    mail::max_attachment(settings, &empty, limit).map_err(|error| error.explain())
}

/// One letter; a part has its number in subject, text and file name.
fn letter(
    settings: &Settings,
    folder: &RunFolder,
    text: String,
    bytes: Vec<u8>,
    part: Option<&PartLabel>,
) -> EmailMessage {
    let (subject, body, name) = match part {
        None => (settings.subject.clone(), text, format!("{}.tar.gz", folder.name)),
        Some(PartLabel { number, of, hosts }) => (
            format!("{} ({number}/{of})", settings.subject),
            format!("{number}/{of}: {hosts}\n\n{text}"),
            format!("{}-{number}-{of}.tar.gz", folder.name),
        ),
    };
    let attachment = Attachment { name, content_type: "application/gzip".to_owned(), bytes };
    EmailMessage { subject, body, attachments: vec![attachment] }
}

/// Packs hosts into parts that fit: all of them, or, where that is too large, each half of them.
fn split<'a>(
    folder: &RunFolder,
    hosts: &[&'a HostReport],
    remaining: u64,
    parts: &mut Vec<Part>,
    too_big: &mut Vec<&'a HostReport>,
) -> io::Result<()> {
    let files = hosts.iter().flat_map(|host| &host.files);
    let entries: Vec<ArchiveEntry> =
        files.map(|f| ArchiveEntry::Disk { from: folder.path.join(&f.path), path: f.path.clone() }).collect();
    if entries.is_empty() {
        return Ok(());
    }
    match archive::write_to(Bounded { bytes: Vec::new(), remaining }, entries) {
        Ok(part) => parts.push(Part { hosts: named(hosts), bytes: part.bytes }),
        Err(error) if error.kind() != io::ErrorKind::FileTooLarge => return Err(error),
        Err(_) => match hosts {
            [host] => too_big.push(host),
            _ => {
                let (one, other) = hosts.split_at(hosts.len() / 2);
                split(folder, one, remaining, parts, too_big)?;
                split(folder, other, remaining, parts, too_big)?;
            }
        },
    }
    Ok(())
}

/// The hosts of a part, in words.
fn named(hosts: &[&HostReport]) -> String {
    let names: Vec<&str> = hosts.iter().map(|host| &*host.host).collect();
    let text = escape(fold_names(&names).as_bytes());
    match text.char_indices().nth(HOSTS / 5) {
        Some((end, _)) => format!("{}… ({} hosts)", text.get(..end).unwrap_or_default(), hosts.len()),
        None => text,
    }
}

/// Memory that takes no more than a letter can carry.
struct Bounded {
    bytes: Vec<u8>,
    remaining: u64,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if (self.bytes.len() + bytes.len()) as u64 > self.remaining {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The text, with what must be fetched by hand.
fn with_left_out(mut text: String, folder: &RunFolder, hosts: &[&HostReport]) -> String {
    for host in hosts {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "\n{}: too large for a mail; its files are on the gateway:", host.host);
        for file in &host.files {
            let path = folder.path.join(&file.path);
            let _ = writeln!(text, "  {}\n    {} bytes, sha256 {}", path.display(), file.bytes, file.sha256);
        }
    }
    text
}
