//! Deliveries to the SMTP server in clear, and each of its faults.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Instant;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;

/// The longest time that the server may take to start and to stop.
const PYTHON: Duration = Duration::from_secs(60);

/// The python of the tests, told how to get it where it is missing.
pub fn python() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = std::env::var_os("RECOLTE_TEST_PYTHON")
        .map_or_else(|| root.join("target/venv/bin/python"), PathBuf::from);
    let venv = "python3 -m venv target/venv && target/venv/bin/pip install -r tests/requirements.txt";
    assert!(python.exists(), "{} is missing: run `{venv}`, or set RECOLTE_TEST_PYTHON", python.display());
    python
}

/// The server's script.
pub fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/smtpd.py")
}

/// A server that runs, and ends with this value.
pub struct Smtpd {
    child: Child,
    events: JoinHandle<String>,
    pub port: u16,
}

impl Smtpd {
    pub async fn start(options: &[&str]) -> Self {
        let mut child = Command::new(python())
            .arg(script())
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        timeout(PYTHON, out.read_line(&mut line)).await.unwrap().unwrap();
        let first: Value = serde_json::from_str(&line).expect("the server comes up; its stderr says why not");
        // Read all the while: a full pipe would stop the server.
        let events = tokio::spawn(async move {
            let mut rest = String::new();
            out.read_to_string(&mut rest).await.unwrap();
            rest
        });
        Self { child, events, port: first["port"].as_u64().unwrap() as u16 }
    }

    pub fn settings(&self, scheme: &str) -> Settings {
        settings(&format!("{scheme}://127.0.0.1:{}", self.port))
    }

    /// Ends the server; what happened while it ran.
    pub async fn events(mut self, kind: &str) -> Vec<Value> {
        drop(self.child.stdin.take());
        let rest = timeout(PYTHON, self.events).await.unwrap().unwrap();
        let events = rest.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        events.filter(|event| event["event"] == kind).collect()
    }

    pub async fn messages(self) -> Vec<Value> {
        self.events("message").await
    }
}

/// Returns the bytes of a message that the server reported.
pub fn data(message: &Value) -> Vec<u8> {
    let hex = message["data"].as_str().unwrap();
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}

fn to(settings: Settings, addresses: &[&str]) -> Settings {
    Settings { to: addresses.iter().map(|a| a.parse().unwrap()).collect(), ..settings }
}

async fn sent(settings: &Settings) -> Result<Delivery, MailError> {
    send_within(settings, &email(1000), &QUICK).await
}

#[tokio::test]
async fn a_message_arrives_byte_for_byte() {
    let server = Smtpd::start(&["--size", "20000000"]).await;
    let email = email(3_000_000);
    let settings = server.settings("smtp");
    let delivery = send_within(&settings, &email, &QUICK).await.unwrap();
    assert_eq!(delivery, Delivery::default());
    let messages = server.messages().await;
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0]["sender"], "recolte@vip.example.fr");
    let bytes = data(&messages[0]);
    assert!(bytes.is_ascii());
    assert_carries(&bytes, &email);
    let size = message_size(&settings, &email);
    assert!(
        messages[0]["options"].to_string().contains(&format!("SIZE={size}")),
        "{}",
        messages[0]["options"]
    );
    assert_eq!(bytes.len() as u64, size);
}

#[tokio::test]
async fn a_refused_recipient_costs_the_others_nothing() {
    let server = Smtpd::start(&["--refuse", "b@example.fr"]).await;
    let settings =
        to(server.settings("smtp"), &["a@example.fr", "b@example.fr", "c@example.fr", "a@example.fr"]);
    let delivery = sent(&settings).await.unwrap();
    assert_eq!(delivery.refused, ["b@example.fr: 550 5.1.1 nobody of that name\\x1b[2J"]);
    let messages = server.messages().await;
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0]["to"], serde_json::json!(["a@example.fr", "c@example.fr"]));
}

#[tokio::test]
async fn everybody_refused_is_an_error_and_not_tried_again() {
    let server = Smtpd::start(&["--refuse", "destinataire@example.fr"]).await;
    let error = sent(&server.settings("smtp")).await.unwrap_err();
    let error_chain = error.explain();
    assert!(
        error_chain.contains("refused every recipient: destinataire@example.fr: 550 5.1.1 nobody"),
        "{error_chain}"
    );
    assert!(!error_chain.contains('\x1b') && !error.may_have_left());
    assert_eq!(server.events("connection").await.len(), 1);
}

#[tokio::test]
async fn a_message_deferred_for_everybody_is_tried_again() {
    let server = Smtpd::start(&["--defer", "b@example.fr"]).await;
    let delivery = sent(&to(server.settings("smtp"), &["b@example.fr"])).await.unwrap();
    assert!(delivery.refused.is_empty(), "{:?}", delivery.refused);
    assert!(
        delivery.notes[0].contains("2 tries") && delivery.notes[0].contains("greylisted"),
        "{:?}",
        delivery.notes
    );
    let messages = server.messages().await;
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0]["to"], serde_json::json!(["b@example.fr"]));
    let server = Smtpd::start(&["--defer", "b@example.fr", "--defer-times", "99"]).await;
    let error = sent(&to(server.settings("smtp"), &["b@example.fr"])).await.unwrap_err();
    assert!(error.explain().contains("recolte send") && !error.may_have_left(), "{}", error.explain());
}

#[tokio::test]
async fn a_deferred_recipient_is_reported_and_the_others_get_theirs_once() {
    let server = Smtpd::start(&["--defer", "b@example.fr", "--defer-times", "99"]).await;
    let settings = to(server.settings("smtp"), &["a@example.fr", "b@example.fr"]);
    let delivery = sent(&settings).await.unwrap();
    assert_eq!(delivery.refused.len(), 1);
    assert!(delivery.refused[0].contains(": 451"));
    assert_eq!(server.messages().await.len(), 1);
}

#[tokio::test]
async fn a_transient_fault_is_tried_again() {
    for fault in [["--busy", "2"], ["--drop-in-data", "2"], ["--reject-data", "2"]] {
        // More than any buffer holds: the last byte cannot have left when the connection drops.
        let email = email(if fault[0] == "--drop-in-data" { 6_000_000 } else { 300_000 });
        let server = Smtpd::start(&fault).await;
        let delivery = send_within(&server.settings("smtp"), &email, &QUICK).await.unwrap();
        assert!(delivery.notes[0].contains("3 tries"), "{fault:?}: {:?}", delivery.notes);
        let server = Smtpd::start(&[fault[0], "9"]).await;
        let error = send_within(&server.settings("smtp"), &email, &QUICK).await.unwrap_err();
        assert!(!error.may_have_left(), "{error}");
        assert_eq!(server.events("connection").await.len(), 3, "{fault:?}");
    }
}

#[tokio::test]
async fn a_permanent_fault_is_not_tried_again() {
    let server = Smtpd::start(&["--spam"]).await;
    let error_chain = sent(&server.settings("smtp")).await.unwrap_err().explain();
    assert!(error_chain.contains("answered after the message: 554 5.7.1 looks like spam"), "{error_chain}");
    assert_eq!(server.messages().await.len(), 1);
}

#[tokio::test]
async fn an_answer_in_the_middle_of_the_message_is_read() {
    let server = Smtpd::start(&["--overflow"]).await;
    let error = send_within(&server.settings("smtp"), &email(7_000_000), &QUICK).await.unwrap_err();
    assert!(error.to_string().contains("552 5.3.4 far too big"), "{error}");
    assert_eq!(server.events("connection").await.len(), 1);
}

#[tokio::test]
async fn a_server_that_is_down_or_silent_has_an_end() {
    let gone = Smtpd::start(&[]).await;
    let settings = gone.settings("smtp");
    gone.messages().await;
    let error_chain = sent(&settings).await.unwrap_err().explain();
    assert!(error_chain.contains("cannot be reached: Connection refused"), "{error_chain}");

    let server = Smtpd::start(&["--silent"]).await;
    for scheme in ["smtp", "smtp+starttls", "smtps"] {
        let timeouts = Timeouts { answer: Duration::from_millis(800), ..QUICK };
        let error = send_within(&server.settings(scheme), &email(10), &timeouts).await.unwrap_err();
        assert!(
            matches!(error, MailError::Smtp(SmtpError { kind: MailMessage::ServerSilent { .. }, .. })),
            "{error}"
        );
    }
    assert_eq!(server.events("connection").await.len(), 9);
}

#[tokio::test]
async fn a_slow_goodbye_after_acceptance_is_no_failure() {
    let server = Smtpd::start(&["--slow-quit", "60"]).await;
    let begun = Instant::now();
    assert_eq!(sent(&server.settings("smtp")).await.unwrap(), Delivery::default());
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(server.messages().await.len(), 1);
}

#[tokio::test]
async fn a_message_whose_answer_is_lost_is_not_sent_twice() {
    for fault in ["--drop-after-data", "--hang-after-data"] {
        let server = Smtpd::start(&[fault]).await;
        let error = sent(&server.settings("smtp")).await.unwrap_err();
        assert!(error.may_have_left(), "{fault}: {error}");
        assert!(error.explain().contains("not confirmed; it is not sent again"), "{}", error.explain());
        assert_eq!(server.messages().await.len(), 1);
    }
}

#[tokio::test]
async fn the_servers_size_is_asked_for_and_kept() {
    let server = Smtpd::start(&["--size", "5000"]).await;
    let settings = server.settings("smtp");
    assert_eq!(server_limit(&settings).await.unwrap(), Some(5000));
    let error = send_within(&settings, &email(5000), &QUICK).await.unwrap_err();
    assert!(error.to_string().contains("takes 5000 bytes, and the message has"), "{error}");
    let remaining = max_attachment(&settings, email(0), 5000).unwrap();
    send_within(&settings, &email(remaining as usize), &QUICK).await.unwrap();
    assert_eq!(server.messages().await.len(), 1);
    let unlimited = Smtpd::start(&["--size", "0"]).await;
    assert_eq!(server_limit(&unlimited.settings("smtp")).await.unwrap(), None);
}

#[tokio::test]
async fn foreign_addresses_need_a_server_that_takes_them() {
    let server = Smtpd::start(&[]).await;
    let settings = to(server.settings("smtp"), &["hélène@example.fr"]);
    let error_chain = sent(&settings).await.unwrap_err().explain();
    assert!(error_chain.contains("takes only plain ASCII addresses, not hélène@example.fr"), "{error_chain}");
    let server = Smtpd::start(&["--utf8"]).await;
    let settings = to(server.settings("smtp"), &["hélène@example.fr"]);
    sent(&settings).await.unwrap();
    assert_eq!(server.messages().await[0]["to"][0], "hélène@example.fr");
}

#[tokio::test]
async fn what_speaks_no_smtp_is_named_and_not_pestered() {
    let server = Smtpd::start(&["--says", "SSH-2.0-OpenSSH_9.6 \x1b[2J"]).await;
    let error_chain = sent(&server.settings("smtp")).await.unwrap_err().explain();
    assert!(
        error_chain.contains("no answer in SMTP while connecting") && !error_chain.contains('\x1b'),
        "{error_chain}"
    );
    assert_eq!(server.events("connection").await.len(), 1);
    let server = Smtpd::start(&["--latin1"]).await;
    let error = sent(&server.settings("smtp")).await.unwrap_err();
    assert!(
        matches!(
            error,
            MailError::Smtp(SmtpError {
                kind: MailMessage::NoSmtpAnswer { .. },
                stage: &MailMessage::WhileConnecting,
                ..
            })
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_email_over_max_size_is_not_sent() {
    let server = Smtpd::start(&[]).await;
    let settings = Settings { max_size: 2000, ..server.settings("smtp") };
    let error = send_within(&settings, &email(2000), &QUICK).await.unwrap_err();
    assert!(
        matches!(error, MailError::Local { kind: MailMessage::TooLarge { limit: 2000, .. }, .. }),
        "{error}"
    );
    assert_eq!(server.events("connection").await.len(), 0);
}
