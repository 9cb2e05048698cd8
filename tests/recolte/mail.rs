//! Mail: its content, and delivery by sendmail, by SMTP to a real Postfix, and into a folder.

use std::fs;

use mailparse::{MailHeaderMap as _, ParsedMail, parse_mail};
use serde_json::Value;

use crate::lab::{Job, Lab, Run, files, unpack, wait};

/// The subject that the old script was meant to send.
pub const SUBJECT: &str = "Résultat $U du script";

/// The text of the old script's mail.
const BODY: &str = "Vous trouverez ci-joint les fichiers comprenant les retours de chaque serveur après le lancement du script.";

fn with_postfix(hosts: &[&str]) -> Lab {
    Lab::builder(hosts).setup("bad", "rm /etc/sudoers.d/vip").option("--mta").up()
}

/// Adds the mail of the old script to a job.
pub fn with_mail(job: Job, transport: &str, to: &[&str]) -> Job {
    let job =
        job.set("mail.transport", transport).set("mail.from", "recolte@vip.example.fr").set("mail.to", to);
    job.set("mail.subject", SUBJECT).set("mail.body", BODY)
}

/// Waits for the one message in the lab's mailbox, removes it there, and returns it.
#[track_caller]
fn take_delivered_mail(lab: &Lab) -> Vec<u8> {
    let new = lab.path("lab/maildir/new");
    let messages =
        wait::until("a message in the mailbox", || Some(files(&new)).filter(|all| !all.is_empty()));
    assert_eq!(messages.len(), 1, "{messages:?}");
    let message = fs::read(new.join(&messages[0])).unwrap();
    fs::remove_file(new.join(&messages[0])).unwrap();
    message
}

pub fn header(mail: &ParsedMail<'_>, name: &str) -> String {
    mail.headers.get_first_value(name).unwrap_or_default()
}

/// Checks subject and text of a message, and that its attachment is the archive, byte for byte.
#[track_caller]
pub fn assert_carries_archive(message: &[u8], run: &Run) {
    let mail = parse_mail(message).unwrap();
    assert_eq!(header(&mail, "Subject"), SUBJECT);
    assert_eq!(header(&mail, "From"), "recolte@vip.example.fr");
    let [text, archive] = mail.subparts.as_slice() else { panic!("{} parts", mail.subparts.len()) };
    assert!(text.get_body().unwrap().contains(BODY));
    assert_eq!(archive.get_content_disposition().params["filename"], "JGE.tar.gz");
    assert!(archive.get_body_raw().unwrap() == run.read("JGE.tar.gz"), "the attachment is not the archive");
}

#[test]
fn postfix_delivers_the_archive_by_sendmail_and_by_smtp() {
    let lab = with_postfix(&["good1", "good2", "bad"]);
    for transport in ["sendmail", "smtp://127.0.0.1:25"] {
        let job = with_mail(lab.job(), transport, &["destinataire@example.fr"]);
        let run = lab.run_checked(&job.env("MAIL_CONFIG", lab.path("lab/postfix").to_str().unwrap()));
        run.assert_exit_code(1);
        assert_eq!(
            run.report()["mail"],
            serde_json::json!({"sent": true, "parts": 1, "error": null}),
            "{run}"
        );
        let message = take_delivered_mail(&lab);
        assert_carries_archive(&message, &run);
        let mail = parse_mail(&message).unwrap();
        assert_eq!(header(&mail, "To"), "destinataire@example.fr");
        let text = mail.subparts[0].get_body().unwrap();
        // The hosts that did not succeed, with cause and hint, then those that did.
        let (bad, good) = text.split_once("Succeeded:").unwrap();
        assert!(bad.contains("bad") && bad.contains("sudo") && bad.contains("sudoers must permit"), "{text}");
        assert!(good.contains("good[1-2]") || good.contains("good1"), "{text}");
        assert!(run.stdout.contains("sent"), "{run}");
    }
}

#[test]
fn a_run_whose_mail_is_delivered_exits_with_0() {
    let lab = with_postfix(&["good1"]);
    let run = lab.run_checked(&with_mail(
        lab.job(),
        "smtp://127.0.0.1:25",
        &["a@example.fr", "Bénédicte <b@example.fr>"],
    ));
    run.assert_succeeded();
    let mut to = Vec::new();
    wait::until("both messages", || (files(&lab.path("lab/maildir/new")).len() == 2).then_some(()));
    for name in files(&lab.path("lab/maildir/new")) {
        let message = fs::read(lab.path("lab/maildir/new").join(name)).unwrap();
        assert_carries_archive(&message, &run);
        to.push(header(&parse_mail(&message).unwrap(), "Delivered-To"));
    }
    to.sort();
    assert_eq!(to, ["a@example.fr", "b@example.fr"]);
}

#[test]
fn subject_and_text_default_to_those_of_the_old_script() {
    let lab = with_postfix(&["good1"]);
    let job = lab.job().set("mail.transport", "smtp://127.0.0.1:25").set("mail.to", &["d@example.fr"]);
    lab.run_checked(&job.set("mail.from", "recolte@vip.example.fr")).assert_succeeded();
    let message = take_delivered_mail(&lab);
    let mail = parse_mail(&message).unwrap();
    assert_eq!(header(&mail, "Subject"), SUBJECT);
    assert!(mail.subparts[0].get_body().unwrap().contains(BODY));
}

#[test]
fn a_refused_recipient_is_reported_and_the_others_get_the_mail() {
    let lab = with_postfix(&["good1"]);
    let job = with_mail(lab.job(), "smtp://127.0.0.1:25", &["refuse@example.fr", "d@example.fr"]);
    let run = lab.run_checked(&job);
    run.assert_exit_code(3);
    let mail = run.report()["mail"].clone();
    assert_eq!(mail["sent"], false);
    let error = mail["error"].as_str().unwrap();
    assert!(error.contains("refuse@example.fr") && error.contains("no such user here"), "{error}");
    assert!(run.stdout.contains("refuse@example.fr"), "{run}");
    assert_carries_archive(&take_delivered_mail(&lab), &run);
}

#[test]
fn a_mail_that_is_not_delivered_exits_with_3_and_keeps_the_archive() {
    let lab = with_postfix(&["good1", "bad"]);
    for (transport, to) in [
        ("smtp://127.0.0.1:9", "d@example.fr"),
        ("smtp://127.0.0.1:25", "refuse@example.fr"),
        ("smtp://127.0.0.1:25", "d@elsewhere.example"),
    ] {
        let run = lab.run_checked(&with_mail(lab.job(), transport, &[to]));
        run.assert_exit_code(3);
        let mail = run.report()["mail"].clone();
        assert_eq!(
            (&mail["sent"], &mail["parts"]),
            (&Value::from(false), &Value::from(0)),
            "{transport} {to}"
        );
        assert!(!mail["error"].as_str().unwrap().is_empty());
        assert!(run.stdout.contains("not sent") && run.stdout.contains("recolte send"), "{run}");
        assert!(unpack(&run.path("JGE.tar.gz")).contains_key("JGE/good1/fichier_log.txt"));
    }
    assert_eq!(files(&lab.path("lab/maildir/new")).len(), 0);
}

#[test]
fn a_sendmail_that_fails_is_reported() {
    let lab = with_postfix(&["good1"]);
    let job = || with_mail(lab.job(), "sendmail", &["d@example.fr"]);
    let run = lab.run_checked(&job().env("MAIL_CONFIG", "/nowhere"));
    run.assert_exit_code(3);
    assert_eq!(run.report()["mail"]["sent"], false);
    assert!(!run.report()["mail"]["error"].as_str().unwrap().is_empty());
}

#[test]
fn a_mail_into_a_folder_is_one_complete_message() {
    let lab = Lab::with(&["good1"]);
    let folder = lab.path("mails");
    let job = with_mail(lab.job(), &format!("file:{}", folder.display()), &["d@example.fr"]);
    let run = lab.run_checked(&job);
    run.assert_succeeded();
    let mails = files(&folder);
    assert!(mails.len() == 1 && mails[0].ends_with(".eml"), "{mails:?}");
    assert_carries_archive(&fs::read(folder.join(&mails[0])).unwrap(), &run);
    assert!(run.stderr.contains(&mails[0]) || run.stdout.contains(&mails[0]), "where it is: {run}");
    let run = lab.run_checked(&job.options(&["--no-mail"]));
    run.assert_succeeded();
    assert!(run.report()["mail"].is_null());
    assert_eq!(files(&folder), mails, "no further mail");
}
