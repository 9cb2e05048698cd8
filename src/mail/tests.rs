//! The mail module against real processes: an SMTP server (`tests/support/smtpd.py`) and stand-ins for `sendmail`.
//!
//! Needs python with `tests/requirements.txt`, `openssl` and `sh`; a test fails, saying what to install, without.

// Figures of a test are small, or meant to wrap.
#![allow(clippy::cast_possible_truncation)]

// Deliveries to an SMTP server in clear, and its faults.
mod smtpd;
// TLS and logins.
mod tls;
// The folder, `sendmail`, and the form of a message.
mod transports;

use std::path::Path;
use std::time::Duration;

use super::smtp::Timeouts;
use super::*;

/// Timeouts for tests.
pub const QUICK: Timeouts = Timeouts {
    answer: Duration::from_millis(1500),
    retries: 2,
    first_pause: Duration::from_millis(20),
    last_attempt: Duration::from_secs(10),
};

/// Settings as a job has them.
pub fn settings(transport: &str) -> Settings {
    Settings {
        transport: transport.parse().unwrap(),
        from: "Récolte <recolte@vip.example.fr>".parse().unwrap(),
        to: vec!["destinataire@example.fr".parse().unwrap()],
        subject: "Résultat $U du script".into(),
        body: "Vous trouverez ci-joint …".into(),
        max_size: 10 << 20,
        user: None,
        password: None,
    }
}

/// An email with an archive of `size` bytes that no encoding finds easy.
pub fn email(size: usize) -> EmailMessage {
    let bytes = (0..size).map(|i| (i * 7 + i / 251) as u8).collect();
    EmailMessage {
        subject: "Résultat $U du script".into(),
        body: "Vous trouverez ci-joint …\n.\n..deux\nmachine1 : échec\n".into(),
        attachments: vec![Attachment {
            name: "JGE.tar.gz".into(),
            content_type: "application/gzip".into(),
            bytes,
        }],
    }
}

/// Returns the size in bytes of a message as it is sent.
pub fn message_size(settings: &Settings, email: &EmailMessage) -> u64 {
    compose::build_message(settings, email.clone()).unwrap().formatted().len() as u64
}

/// A message as a mail program shows it.
pub struct ReadMessage {
    pub subject: String,
    pub body: String,
    pub attached: Vec<Vec<u8>>,
}

/// Reads a message as a mail program does.
pub fn read_message(message: &[u8]) -> ReadMessage {
    use mailparse::MailHeaderMap;
    let mail = mailparse::parse_mail(message).unwrap();
    let parts = if mail.subparts.is_empty() { vec![&mail] } else { mail.subparts.iter().collect() };
    ReadMessage {
        subject: mail.headers.get_first_value("Subject").unwrap(),
        body: parts[0].get_body().unwrap().replace("\r\n", "\n"),
        attached: parts.iter().skip(1).map(|p| p.get_body_raw().unwrap()).collect(),
    }
}

/// Asserts that a message has the content of an email.
pub fn assert_carries(message: &[u8], email: &EmailMessage) {
    let seen = read_message(message);
    assert_eq!(seen.subject, email.subject);
    assert_eq!(seen.body.trim_end(), email.body.trim_end());
    assert_eq!(seen.attached.len(), email.attachments.len());
    for (seen, sent) in seen.attached.iter().zip(&email.attachments) {
        assert!(*seen == sent.bytes, "the attachment arrives byte for byte");
    }
}

/// The only `.eml` file of a folder.
pub fn only_eml(folder: &Path) -> Vec<u8> {
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    assert!(files[0].to_string_lossy().ends_with(".eml"));
    std::fs::read(&files[0]).unwrap()
}
