//! The folder, `sendmail`, and messages as a mail program reads them.

use std::os::unix::fs::PermissionsExt;

use mailparse::MailHeaderMap;
use proptest::prelude::*;

use super::*;
use crate::mail::{compose::max_base64_input, sendmail};

fn executable(folder: &Path, text: &str) -> std::path::PathBuf {
    let path = folder.join("sendmail");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

async fn sent_by(text: &str) -> (Result<Delivery, MailError>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = executable(folder.path(), &text.replace("OUT", &folder.path().join("out").to_string_lossy()));
    let settings = settings("sendmail");
    let message = compose::compose(&settings, &email(400_000)).await.unwrap();
    (
        sendmail::run(
            &path,
            &settings,
            &sendmail::without_carriage_returns(&message),
            Duration::from_secs(5),
        )
        .await,
        folder,
    )
}

#[tokio::test]
async fn the_folder_gets_one_private_file_a_message() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("a/b");
    let settings = settings(&format!("file:{}", folder.display()));
    let delivery = send(&settings, &email(5000)).await.unwrap();
    assert_carries(&only_eml(&folder), &email(5000));
    assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(delivery.notes[0].contains(&folder.display().to_string()));
    assert_eq!(only_eml(&folder).len() as u64, message_size(&settings, &email(5000)));
}

#[tokio::test]
async fn a_folder_that_cannot_be_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let settings = settings(&format!("file:{}/x", file.path().display()));
    let error_chain = send(&settings, &email(5)).await.unwrap_err().explain();
    assert!(error_chain.contains("mail folder") && error_chain.contains("Not a directory"), "{error_chain}");
}

#[tokio::test]
async fn sendmail_gets_the_message_and_the_addresses() {
    let (sent, folder) = sent_by("printf '%s\\n' \"$@\" >OUT.args; cat >OUT; echo 'queue is long' >&2").await;
    assert_eq!(sent.unwrap().notes, ["sendmail said: queue is long"]);
    let message = std::fs::read(folder.path().join("out")).unwrap();
    assert!(!message.contains(&b'\r'));
    assert_carries(&message, &email(400_000));
    let args = std::fs::read_to_string(folder.path().join("out.args")).unwrap();
    assert_eq!(args, "-i\n-f\nrecolte@vip.example.fr\n--\ndestinataire@example.fr\n");
}

#[tokio::test]
async fn a_sendmail_that_fails_is_quoted() {
    let (sent, _folder) = sent_by("echo 'sendmail: fatal: \x1b[2Jno queue' >&2; exit 75").await;
    let error = sent.unwrap_err().to_string();
    assert!(error.contains("exit status: 75: sendmail: fatal: \\x1b[2Jno queue"), "{error}");
    let (sent, _folder) = sent_by("head -c 10 >OUT").await;
    assert!(
        matches!(sent, Err(MailError::Local { kind: MailMessage::SendmailLeftInputUnread { .. }, .. })),
        "{sent:?}"
    );
    let (sent, _folder) = sent_by("kill -9 $$").await;
    assert!(sent.unwrap_err().to_string().contains("signal: 9"));
}

#[tokio::test]
async fn a_sendmail_that_hangs_or_floods_has_an_end() {
    let begun = std::time::Instant::now();
    let (sent, _folder) = sent_by("echo stuck >&2; sleep 60; exit 0").await;
    let error = sent.unwrap_err();
    assert!(error.to_string().contains("killed: stuck") && error.may_have_left(), "{error}");
    let (sent, _folder) =
        sent_by("yes noise | head -c 3000000 >&2; cat >OUT; echo done >&2; sleep 60 & exit 1").await;
    let error = sent.unwrap_err().to_string();
    assert!(error.contains("noise · done") && error.len() < 2000, "{error}");
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn headers_are_what_mail_programs_expect() {
    let message = compose::compose(&settings("sendmail"), &email(10)).await.unwrap();
    let text = String::from_utf8(message.clone()).unwrap();
    assert!(text.contains("Subject: =?utf-8?b?UsOpc3VsdGF0?= $U du script\r\n"), "{text}");
    let mail = mailparse::parse_mail(&message).unwrap();
    let header = |name: &str| mail.headers.get_first_value(name).unwrap();
    assert_eq!(header("Subject"), "Résultat $U du script");
    assert_eq!(header("From"), "Récolte <recolte@vip.example.fr>");
    assert_eq!(header("To"), "destinataire@example.fr");
    assert_eq!(header("Auto-Submitted"), "auto-generated");
    assert!(header("Message-ID").ends_with("@vip.example.fr>"));
    assert!(mailparse::dateparse(&header("Date")).is_ok());
    assert_eq!(mail.subparts[1].ctype.mimetype, "application/gzip");
    assert_eq!(mail.subparts[0].ctype.charset, "utf-8");
    assert!(text.contains("Content-Disposition: attachment;\r\n filename=\"JGE.tar.gz\"\r\n"), "{text}");
}

#[tokio::test]
async fn a_foreign_name_has_a_plain_one_beside_it() {
    let mut email = email(10);
    email.attachments[0].name = "../récolte\r\nX: \"1\".tar.gz".into();
    let message = compose::compose(&settings("sendmail"), &email).await.unwrap();
    let text = String::from_utf8(message.clone()).unwrap();
    assert!(text.contains("filename=\".._r_colte__X: _1_.tar.gz\";\r\n filename*=utf-8''.._r%C3%A9colte__X%3A%20%221%22.tar.gz\r\n"), "{text}");
    assert_carries(&message, &email);
}

#[tokio::test]
async fn nothing_adds_a_header() {
    let bad = "x\r\nBcc: victim@example.fr\r\n\r\nbody";
    let email = EmailMessage { subject: bad.into(), body: bad.into(), attachments: vec![] };
    let settings = settings("sendmail");
    let message = compose::compose(&settings, &email).await.unwrap();
    let mail = mailparse::parse_mail(&message).unwrap();
    assert!(mail.headers.get_first_value("Bcc").is_none());
    assert_eq!(mail.headers.len(), 9, "{:?}", mail.headers);
    let mut attached = super::email(1);
    attached.attachments[0].content_type = "x\r\nBcc: victim@example.fr".into();
    assert!(compose::compose(&settings, &attached).await.is_err());
    let from = Mailbox { name: Some(bad.into()), ..settings.from.clone() };
    let settings = Settings { from, ..settings };
    assert_eq!(settings.validate().unwrap_err().to_string().matches("\\r\\nBcc").count(), 1);
    assert!(max_attachment(&settings, attached, 5000).is_err());
}

proptest! {
    #[test]
    fn the_size_is_known_without_encoding(limit in 0u64..3000) {
        let settings = settings("sendmail");
        let size = |attached| message_size(&settings, &email(attached)) - message_size(&settings, &email(0));
        let remaining = max_base64_input(limit) as usize;
        prop_assert!(size(remaining) <= limit && size(remaining + 3) > limit);
    }
}

#[test]
fn sending_can_be_a_task_of_its_own() {
    fn is_send<T: Send>(_: &T) {}
    let (settings, email) = (settings("sendmail"), email(1));
    is_send(&send(&settings, &email));
    is_send(&server_limit(&settings));
}
