//! The mail: through a real Postfix to a real mailbox, through a server that wants TLS and a login, and when it fails.

use std::fs;
use std::io::BufReader;
use std::process::{Child, Stdio};

use mailparse::{MailHeaderMap as _, ParsedMail, parse_mail};
use serde_json::Value;

use crate::lab::{Job, Lab, Run, files, unpack, wait};

/// The subject that the old script meant.
const SUBJECT: &str = "Résultat $U du script";

/// The text that the old script sent.
const TEXT: &str = "Vous trouverez ci-joint les fichiers comprenant les retours de chaque serveur après le lancement du script.";

fn with_postfix(hosts: &[&str]) -> Lab {
    Lab::of(hosts).setup("bad", "rm /etc/sudoers.d/vip").option("--mta").up()
}

fn mailed(job: Job, transport: &str, to: &[&str]) -> Job {
    let job =
        job.set("mail.transport", transport).set("mail.from", "recolte@vip.example.fr").set("mail.to", to);
    job.set("mail.subject", SUBJECT).set("mail.body", TEXT)
}

/// The one message in the lab's mailbox, once it is there.
#[track_caller]
fn delivered(lab: &Lab) -> Vec<u8> {
    let new = lab.path("lab/maildir/new");
    let messages =
        wait::until("a message in the mailbox", || Some(files(&new)).filter(|all| !all.is_empty()));
    assert_eq!(messages.len(), 1, "{messages:?}");
    let message = fs::read(new.join(&messages[0])).unwrap();
    fs::remove_file(new.join(&messages[0])).unwrap();
    message
}

fn header(mail: &ParsedMail<'_>, name: &str) -> String {
    mail.headers.get_first_value(name).unwrap_or_default()
}

/// Checks a message: its subject, its text, and that what is attached is the archive, byte for byte.
#[track_caller]
fn carries_the_archive(message: &[u8], run: &Run) {
    let mail = parse_mail(message).unwrap();
    assert_eq!(header(&mail, "Subject"), SUBJECT);
    assert_eq!(header(&mail, "From"), "recolte@vip.example.fr");
    let [text, archive] = mail.subparts.as_slice() else { panic!("{} parts", mail.subparts.len()) };
    assert!(text.get_body().unwrap().contains(TEXT));
    assert_eq!(archive.get_content_disposition().params["filename"], "JGE.tar.gz");
    assert!(archive.get_body_raw().unwrap() == run.read("JGE.tar.gz"), "the attachment is not the archive");
}

#[test]
fn postfix_delivers_the_archive_by_sendmail_and_by_smtp() {
    let lab = with_postfix(&["good1", "good2", "bad"]);
    for transport in ["sendmail", "smtp://127.0.0.1:25"] {
        let job = mailed(lab.job(), transport, &["destinataire@example.fr"]);
        let run = lab.recolte(&job.env("MAIL_CONFIG", lab.path("lab/postfix").to_str().unwrap()));
        run.exits(1);
        assert_eq!(
            run.report()["mail"],
            serde_json::json!({"sent": true, "parts": 1, "error": null}),
            "{run}"
        );
        let message = delivered(&lab);
        carries_the_archive(&message, &run);
        let mail = parse_mail(&message).unwrap();
        assert_eq!(header(&mail, "To"), "destinataire@example.fr");
        let text = mail.subparts[0].get_body().unwrap();
        // Who did not succeed, why, and the way out; who did.
        let (bad, good) = text.split_once("Succeeded:").unwrap();
        assert!(bad.contains("bad") && bad.contains("sudo") && bad.contains("sudoers must permit"), "{text}");
        assert!(good.contains("good[1-2]") || good.contains("good1"), "{text}");
        assert!(run.stdout.contains("sent"), "{run}");
    }
}

#[test]
fn a_run_that_all_hosts_and_the_mail_bring_off_exits_with_0() {
    let lab = with_postfix(&["good1"]);
    let run =
        lab.recolte(&mailed(lab.job(), "smtp://127.0.0.1:25", &["a@example.fr", "Bénédicte <b@example.fr>"]));
    run.succeeded();
    let mut to = Vec::new();
    wait::until("both messages", || (files(&lab.path("lab/maildir/new")).len() == 2).then_some(()));
    for name in files(&lab.path("lab/maildir/new")) {
        let message = fs::read(lab.path("lab/maildir/new").join(name)).unwrap();
        carries_the_archive(&message, &run);
        to.push(header(&parse_mail(&message).unwrap(), "Delivered-To"));
    }
    to.sort();
    assert_eq!(to, ["a@example.fr", "b@example.fr"]);
}

#[test]
fn subject_text_and_sender_left_out_are_those_of_the_old_script() {
    let lab = with_postfix(&["good1"]);
    let job = lab.job().set("mail.transport", "smtp://127.0.0.1:25").set("mail.to", &["d@example.fr"]);
    lab.recolte(&job.set("mail.from", "recolte@vip.example.fr")).succeeded();
    let message = delivered(&lab);
    let mail = parse_mail(&message).unwrap();
    assert_eq!(header(&mail, "Subject"), SUBJECT);
    assert!(mail.subparts[0].get_body().unwrap().contains(TEXT));
}

#[test]
fn a_refused_recipient_costs_the_others_nothing_and_is_told() {
    let lab = with_postfix(&["good1"]);
    let job = mailed(lab.job(), "smtp://127.0.0.1:25", &["refuse@example.fr", "d@example.fr"]);
    let run = lab.recolte(&job);
    run.exits(3);
    let mail = run.report()["mail"].clone();
    assert_eq!(mail["sent"], false);
    let error = mail["error"].as_str().unwrap();
    assert!(error.contains("refuse@example.fr") && error.contains("no such user here"), "{error}");
    assert!(run.stdout.contains("refuse@example.fr"), "{run}");
    carries_the_archive(&delivered(&lab), &run);
}

#[test]
fn a_mail_that_does_not_leave_exits_with_3_and_keeps_the_archive() {
    let lab = with_postfix(&["good1", "bad"]);
    for (transport, to) in [
        ("smtp://127.0.0.1:9", "d@example.fr"),
        ("smtp://127.0.0.1:25", "refuse@example.fr"),
        ("smtp://127.0.0.1:25", "d@elsewhere.example"),
    ] {
        let run = lab.recolte(&mailed(lab.job(), transport, &[to]));
        run.exits(3);
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
fn a_sendmail_that_is_missing_or_fails_is_told() {
    let lab = with_postfix(&["good1"]);
    let job = || mailed(lab.job(), "sendmail", &["d@example.fr"]);
    let run = lab.recolte(&job().env("MAIL_CONFIG", "/nowhere"));
    run.exits(3);
    assert_eq!(run.report()["mail"]["sent"], false);
    assert!(!run.report()["mail"]["error"].as_str().unwrap().is_empty());
}

#[test]
fn a_mail_into_a_folder_is_one_whole_message() {
    let lab = Lab::with(&["good1"]);
    let folder = lab.path("mails");
    let job = mailed(lab.job(), &format!("file:{}", folder.display()), &["d@example.fr"]);
    let run = lab.recolte(&job);
    run.succeeded();
    let mails = files(&folder);
    assert!(mails.len() == 1 && mails[0].ends_with(".eml"), "{mails:?}");
    carries_the_archive(&fs::read(folder.join(&mails[0])).unwrap(), &run);
    assert!(run.stderr.contains(&mails[0]) || run.stdout.contains(&mails[0]), "where it is: {run}");
    let run = lab.recolte(&job.options(&["--no-mail"]));
    run.succeeded();
    assert!(run.report()["mail"].is_null());
    assert_eq!(files(&folder), mails, "no further mail");
}

#[test]
fn an_archive_beyond_max_size_comes_in_parts_that_each_open_alone() {
    let lab = Lab::with(&["h1", "h2", "h3"]);
    let folder = lab.path("mails");
    let script = "#!/bin/sh\nhead -c 300000 /dev/urandom >/tmp/fichier_log.txt\n";
    let job = mailed(lab.job().script(script), &format!("file:{}", folder.display()), &["d@example.fr"]);
    let run = lab.recolte(&job.set("mail.max_size", "600kB"));
    run.succeeded();
    let mails = files(&folder);
    assert_eq!(run.report()["mail"]["parts"].as_u64(), Some(mails.len() as u64));
    let mut all = Vec::new();
    for name in &mails {
        let message = fs::read(folder.join(name)).unwrap();
        assert!(message.len() <= 600_000, "{}", message.len());
        let mail = parse_mail(&message).unwrap();
        assert!(header(&mail, "Subject").starts_with(SUBJECT), "{}", header(&mail, "Subject"));
        let part = lab.write("part.tar.gz", mail.subparts[1].get_body_raw().unwrap());
        all.extend(unpack(&part).into_iter().filter(|(path, _)| path.ends_with("fichier_log.txt")));
    }
    all.sort_by(|one, other| one.0.cmp(&other.0));
    let wanted = ["h1", "h2", "h3"].map(|host| format!("JGE/{host}/fichier_log.txt"));
    assert_eq!(all.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>(), wanted);
    assert!(all.iter().all(|(path, packed)| packed.bytes == run.read(path)));
}

/// An SMTP server of `tests/support`, that ends with this value.
struct Smtpd {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    port: u64,
}

impl Smtpd {
    fn start(lab: &Lab, options: &[&str]) -> Self {
        let mut command = lab.command(python());
        command.arg(support()).args(options).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let port = next(&mut out)["port"].as_u64().unwrap();
        Self { child, out, port }
    }

    /// What happened since the start, of one kind.
    fn events(mut self, kind: &str) -> Vec<Value> {
        drop(self.child.stdin.take());
        let lines = std::io::read_to_string(&mut self.out).unwrap();
        let events = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        events.filter(|event| event["event"] == kind).collect()
    }
}

impl Drop for Smtpd {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        drop(self.child.wait());
    }
}

fn next(out: &mut impl std::io::BufRead) -> Value {
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    serde_json::from_str(&line)
        .unwrap_or_else(|_| panic!("the SMTP server did not come up; its stderr is above"))
}

/// The python that has what the server needs; `make test` makes it.
fn python() -> std::path::PathBuf {
    let made = concat!(env!("CARGO_MANIFEST_DIR"), "/target/venv/bin/python");
    let python =
        std::env::var_os("RECOLTE_TEST_PYTHON").map_or_else(|| made.into(), std::path::PathBuf::from);
    assert!(python.exists(), "{} is missing: run `make test`, or set RECOLTE_TEST_PYTHON", python.display());
    python
}

fn support() -> &'static str {
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/smtpd.py")
}

#[test]
fn starttls_with_a_login_carries_the_archive_and_no_password_is_shown() {
    let lab = Lab::with(&["good1"]);
    let certs = lab.path("certs");
    let made = lab.command(python()).arg(support()).arg("--make-certs").arg(&certs).status().unwrap();
    assert!(made.success());
    let certs = certs.to_str().unwrap();
    let server = Smtpd::start(&lab, &["--tls", "starttls", "--certs", certs, "--auth", "moi:s3crèt"]);
    let password = lab.write("password", "s3crèt\n");
    let transport = format!("smtp+starttls://127.0.0.1:{}", server.port);
    let job = mailed(lab.job(), &transport, &["d@example.fr"]).set("mail.user", "moi");
    let job =
        job.set("mail.password_file", password.as_path()).env("SSL_CERT_FILE", &format!("{certs}/ca.pem"));
    let run = lab.recolte(&job);
    run.succeeded();
    let wrong = lab.recolte(&job.without("mail.password_file").env("RECOLTE_SMTP_PASSWORD", "wr0ng"));
    wrong.exits(3);
    for text in [&run.stdout, &run.stderr, &wrong.stdout, &wrong.stderr, &wrong.text("report.json")] {
        assert!(!text.contains("s3crèt") && !text.contains("wr0ng"), "{text}");
    }
    let messages = server.events("message");
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0]["tls"], true);
    let hex = messages[0]["data"].as_str().unwrap();
    let bytes = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap());
    carries_the_archive(&bytes.collect::<Vec<u8>>(), &run);
}

#[test]
fn starttls_is_required_and_an_unknown_authority_is_not_trusted() {
    let lab = Lab::with(&["good1"]);
    let certs = lab.path("certs");
    assert!(lab.command(python()).arg(support()).arg("--make-certs").arg(&certs).status().unwrap().success());
    let plain = Smtpd::start(&lab, &[]);
    let stranger = Smtpd::start(&lab, &["--tls", "starttls", "--certs", certs.to_str().unwrap()]);
    for server in [plain, stranger] {
        let transport = format!("smtp+starttls://127.0.0.1:{}", server.port);
        let run = lab.recolte(&mailed(lab.job(), &transport, &["d@example.fr"]));
        run.exits(3);
        assert_eq!(run.report()["mail"]["sent"], false);
        assert!(server.events("message").is_empty(), "not a byte of it in clear");
    }
}
