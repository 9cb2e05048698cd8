//! SMTP servers that want TLS, refuse, are busy, stay silent or are down; `recolte send`.

use serde_json::Value;

use crate::lab::{Lab, Run, SMTP, Smtpd, message_bytes, unpack};
use crate::mail::{assert_carries_archive, with_mail};
use crate::mail_parts::with_two_recipients;

const STARTTLS: &str = "smtp+starttls://127.0.0.1:2525";

#[test]
fn starttls_with_a_login_delivers_the_archive_and_shows_no_password() {
    let lab = Lab::with(&["good1"]);
    let certs = lab.path("certs");
    Smtpd::make_certificates(&lab, &certs);
    let certs = certs.to_str().unwrap();
    let server = Smtpd::start(&lab, &["--tls", "starttls", "--certs", certs, "--auth", "moi:s3crèt"]);
    let password = lab.write_file("password", "s3crèt\n");
    let job = with_mail(lab.job(), STARTTLS, &["d@example.fr"]).set("mail.user", "moi");
    let job =
        job.set("mail.password_file", password.as_path()).env("SSL_CERT_FILE", &format!("{certs}/ca.pem"));
    let run = lab.run_checked(&job);
    run.assert_succeeded();
    let wrong = lab.run_checked(&job.without("mail.password_file").env("RECOLTE_SMTP_PASSWORD", "wr0ng"));
    wrong.assert_exit_code(3);
    for text in [&run.stdout, &run.stderr, &wrong.stdout, &wrong.stderr, &wrong.text("report.json")] {
        assert!(!text.contains("s3crèt") && !text.contains("wr0ng"), "{text}");
    }
    let messages = server.end("message");
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0]["tls"], true);
    assert_carries_archive(&message_bytes(&messages[0]), &run);
}

#[test]
fn starttls_is_required_and_an_unknown_authority_is_not_trusted() {
    let lab = Lab::with(&["good1"]);
    let certs = lab.path("certs");
    Smtpd::make_certificates(&lab, &certs);
    let unknown_authority = ["--tls", "starttls", "--certs", certs.to_str().unwrap()];
    for options in [&[][..], &unknown_authority] {
        let server = Smtpd::start(&lab, options);
        let run = lab.run_checked(&with_mail(lab.job(), STARTTLS, &["d@example.fr"]));
        run.assert_exit_code(3);
        assert_eq!(run.report()["mail"]["sent"], false);
        assert!(server.end("message").is_empty(), "the mail was sent in clear");
    }
}

/// Runs `recolte send` for a run.
fn send(lab: &Lab, run: &Run) -> Run {
    lab.run_args(&["send", run.path("").to_str().unwrap()])
}

#[test]
fn after_a_dead_mail_server_send_delivers_later() {
    let lab = Lab::with(&["h1"]);
    let run = lab.run_checked(&with_two_recipients(lab.job(), SMTP));
    run.assert_exit_code(3);
    run.host("h1").assert_succeeded();
    assert_eq!(run.read_collected("h1", "fichier_log.txt"), b"h1 SOC_PRODUCTION\n");
    let mail = &run.report()["mail"];
    assert_eq!((&mail["sent"], &mail["parts"]), (&Value::from(false), &Value::from(0)));
    assert!(mail["error"].as_str().unwrap().contains("127.0.0.1:2525"), "{mail:#}");
    assert!(run.stdout.contains("recolte send"), "the way out: {run}");
    let list = lab.run_args(&["runs", "--output", run.path("..").to_str().unwrap()]);
    assert!(list.stdout.contains("the mail did not leave"), "{list}");
    let log = || lab.sshd_log("h1");
    let (connections, archive) = (log().matches("Accepted").count(), run.read("JGE.tar.gz"));

    let server = Smtpd::start(&lab, &[]);
    send(&lab, &run).assert_exit_code(0);
    let messages = server.messages();
    assert_eq!(messages.len(), 1);
    let (to, mail) = &messages[0];
    assert_eq!(to, &["one@example.fr", "two@example.fr"]);
    assert_eq!(mail.subject, "Résultat $U du script");
    assert_eq!(mail.attachments, [("JGE.tar.gz".to_owned(), archive)]);
    assert_eq!(run.report()["mail"]["sent"], true);
    assert_eq!(log().matches("Accepted").count(), connections, "send touches no host");
}

#[test]
fn the_other_recipient_gets_the_mail_if_one_is_refused() {
    let lab = Lab::with(&["h1"]);
    let server = Smtpd::start(&lab, &["--refuse", "two@example.fr"]);
    let run = lab.run_checked(&with_two_recipients(lab.job(), SMTP));
    run.assert_exit_code(3);
    let messages = server.messages();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].0, ["one@example.fr"]);
    let error = run.report()["mail"]["error"].as_str().unwrap().to_owned();
    assert!(error.contains("two@example.fr: ") && !error.contains("one@example.fr"), "{error}");
    assert!(!run.stdout.contains('\u{1b}') && !run.stderr.contains('\u{1b}'), "{run}");
}

#[test]
fn a_slow_answer_to_quit_is_no_failure_and_sends_nothing_twice() {
    let lab = Lab::with(&["h1"]);
    let server = Smtpd::start(&lab, &["--slow-quit", "30"]);
    let run = lab.run_checked(&with_two_recipients(lab.job(), SMTP));
    run.assert_succeeded();
    assert_eq!(server.messages().len(), 1);
}

#[test]
fn a_server_that_is_busy_at_first_gets_the_mail_once_on_a_later_attempt() {
    let lab = Lab::with(&["h1"]);
    let server = Smtpd::start(&lab, &["--busy", "2"]);
    let run = lab.run_checked(&with_two_recipients(lab.job(), SMTP));
    run.assert_succeeded();
    assert_eq!(server.messages().len(), 1);
    assert!(server.events().iter().filter(|event| event["event"] == "connection").count() > 2);
}

#[test]
fn a_permanently_refused_message_is_reported_and_the_archive_kept() {
    let lab = Lab::with(&["h1"]);
    let server = Smtpd::start(&lab, &["--spam"]);
    let run = lab.run_checked(&with_two_recipients(lab.job(), SMTP));
    run.assert_exit_code(3);
    assert!(run.report()["mail"]["error"].as_str().unwrap().contains("looks like spam"), "{run}");
    assert_eq!(server.messages().len(), 1, "what is refused for good is not tried again");
    assert_eq!(unpack(&run.path("JGE.tar.gz")).len(), 3);
    // Exit code 3 (not delivered) takes precedence over 1 (a host failed).
    let run = lab.run_checked(&with_two_recipients(lab.job().script("#!/bin/sh\nexit 1\n"), SMTP));
    run.assert_exit_code(3);
    run.host("h1").assert_ended("failed", "execute", "script_failed");
}

#[test]
fn signals_while_the_mail_waits_for_a_silent_server() {
    let lab = Lab::with(&["h1"]);
    let silent = Smtpd::start(&lab, &["--silent"]);
    let running = lab.start(&with_two_recipients(lab.job(), SMTP));
    running.wait_for_stderr("sending the mail");
    running.send_signal("INT");
    running.send_signal("TERM");
    let run = lab.wait_checked(running);
    // The order in which the two signals arrive is not defined.
    assert!([130, 143].contains(&run.exit_code()), "{run}");
    run.host("h1").assert_succeeded();
    assert_eq!(unpack(&run.path("JGE.tar.gz")).len(), 3);
    assert_ne!(run.report()["mail"]["sent"], true);
    // The lock is free, and the mail can still be sent.
    drop(silent);
    let server = Smtpd::start(&lab, &[]);
    send(&lab, &run).assert_exit_code(0);
    assert_eq!(server.messages().len(), 1);
}
