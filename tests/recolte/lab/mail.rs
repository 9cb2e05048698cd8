//! The SMTP server of the tests, `tests/support/smtpd.py`, and messages as their reader sees them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use mailparse::{MailHeaderMap as _, ParsedMail};
use serde_json::Value;

use super::{Gateway, files, wait};

/// The transport that leads to [`Smtpd`] without TLS.
pub const SMTP: &str = "smtp://127.0.0.1:2525";

/// `tests/support/smtpd.py` on port 2525 of a gateway. Ends with the value.
pub struct Smtpd {
    child: Child,
    stdout: PathBuf,
}

impl Smtpd {
    /// Starts the server, and waits until it listens.
    #[track_caller]
    pub fn start(gateway: &Gateway, options: &[&str]) -> Self {
        let stdout = gateway.new_folder("smtpd").join("stdout");
        let mut command = gateway.command(python());
        command.arg(server()).args(["--port", "2525"]).args(options);
        let child = command.stdin(Stdio::piped()).stdout(File::create(&stdout).unwrap()).spawn().unwrap();
        let server = Self { child, stdout };
        wait::until("the mail server", || (!server.events().is_empty()).then_some(()));
        server
    }

    /// Makes the certificates that `--certs` names.
    #[track_caller]
    pub fn make_certificates(gateway: &Gateway, folder: &Path) {
        let made = gateway.command(python()).arg(server()).arg("--make-certs").arg(folder).status();
        assert!(made.unwrap().success());
    }

    /// Returns the events so far.
    pub fn events(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.stdout).unwrap();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Ends the server, and returns all events of one kind.
    #[track_caller]
    pub fn end(mut self, kind: &str) -> Vec<Value> {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
        self.events().into_iter().filter(|event| event["event"] == kind).collect()
    }

    /// Returns the messages so far, each with its recipients.
    pub fn messages(&self) -> Vec<(Vec<String>, Mail)> {
        let events = self.events().into_iter().filter(|event| event["event"] == "message");
        let read = |event: Value| {
            let to = event["to"].as_array().unwrap().iter().map(|to| to.as_str().unwrap().to_owned());
            (to.collect(), Mail::parse(&message_bytes(&event)))
        };
        events.map(read).collect()
    }
}

impl Drop for Smtpd {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Returns the bytes of the message in an event.
pub fn message_bytes(event: &Value) -> Vec<u8> {
    let hex = event["data"].as_str().unwrap();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// Returns the Python that has what the server needs, which `scripts/setup test` installs.
fn python() -> PathBuf {
    let python = std::env::var_os("RECOLTE_TEST_PYTHON")
        .map_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/target/venv/bin/python").into(), PathBuf::from);
    let setup = "run `scripts/setup test`, or set RECOLTE_TEST_PYTHON";
    assert!(python.exists(), "{} is missing: {setup}", python.display());
    python
}

fn server() -> &'static str {
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/smtpd.py")
}

/// A message as its reader sees it.
pub struct Mail {
    pub subject: String,
    pub text: String,
    pub attachments: Vec<(String, Vec<u8>)>,
    /// Size of the message as sent, in bytes.
    pub size: usize,
}

impl Mail {
    /// Parses a message.
    pub fn parse(bytes: &[u8]) -> Self {
        let message = mailparse::parse_mail(bytes).unwrap();
        let mut mail = Self {
            subject: message.headers.get_first_value("Subject").unwrap(),
            text: String::new(),
            attachments: Vec::new(),
            size: bytes.len(),
        };
        mail.add_part(&message);
        mail
    }

    fn add_part(&mut self, part: &ParsedMail<'_>) {
        part.subparts.iter().for_each(|part| self.add_part(part));
        let name = part.get_content_disposition().params.get("filename").cloned();
        match name {
            Some(name) => self.attachments.push((name, part.get_body_raw().unwrap())),
            None if part.ctype.mimetype == "text/plain" => self.text += &part.get_body().unwrap(),
            None => {}
        }
    }
}

/// Reads the messages in a folder, sorted by subject.
pub fn mails_in(folder: &Path) -> Vec<Mail> {
    let mut mails: Vec<Mail> =
        files(folder).iter().map(|name| Mail::parse(&fs::read(folder.join(name)).unwrap())).collect();
    mails.sort_by(|one, other| one.subject.cmp(&other.subject));
    mails
}
