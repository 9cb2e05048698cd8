//! The mail module against real processes: an SMTP server (`tests/support/smtpd.py`) and stand-ins for `sendmail`.
//!
//! Needs python with `tests/requirements.txt`, `openssl` and `sh`; a test fails, saying what to install, without.

// Figures of a test are small, or meant to wrap.
#![allow(clippy::cast_possible_truncation)]

mod smtpd;
mod tls;
mod ways;

use std::{path::Path, time::Duration};

use super::{smtp::Patience, *};

/// Waits that a test can afford.
pub const QUICK: Patience = Patience {
    connect: Duration::from_secs(2),
    answer: Duration::from_millis(1500),
    accept: Duration::from_millis(1500),
    slowest: 64 * 1024,
    goodbye: Duration::from_millis(200),
    tries: 3,
    pause: Duration::from_millis(20),
    last_start: Duration::from_secs(10),
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

/// A letter with an archive of `size` bytes that no encoding finds easy.
pub fn letter(size: usize) -> EmailMessage {
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

/// What a mail program sees of a message.
pub struct Seen {
    pub subject: String,
    pub body: String,
    pub attached: Vec<Vec<u8>>,
}

/// Reads a message as a mail program does.
pub fn read(message: &[u8]) -> Seen {
    use mailparse::MailHeaderMap;
    let mail = mailparse::parse_mail(message).unwrap();
    let parts = if mail.subparts.is_empty() { vec![&mail] } else { mail.subparts.iter().collect() };
    Seen {
        subject: mail.headers.get_first_value("Subject").unwrap(),
        body: parts[0].get_body().unwrap().replace("\r\n", "\n"),
        attached: parts.iter().skip(1).map(|p| p.get_body_raw().unwrap()).collect(),
    }
}

/// That a message says and carries what the letter does.
pub fn assert_carries(message: &[u8], letter: &EmailMessage) {
    let seen = read(message);
    assert_eq!(seen.subject, letter.subject);
    assert_eq!(seen.body.trim_end(), letter.body.trim_end());
    assert_eq!(seen.attached.len(), letter.attachments.len());
    for (seen, sent) in seen.attached.iter().zip(&letter.attachments) {
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
