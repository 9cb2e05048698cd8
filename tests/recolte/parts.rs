//! The mail: in parts where it is too large, whatever the server does, and once more by `recolte send`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use mailparse::{MailHeaderMap as _, ParsedMail};
use serde_json::Value;

use crate::lab::{Job, Lab, Run, files, unpack, wait};

/// A mail as its reader has it.
struct Mail {
    subject: String,
    text: String,
    attachments: Vec<(String, Vec<u8>)>,
    bytes: usize,
}

impl Mail {
    fn read(bytes: &[u8]) -> Self {
        let mail = mailparse::parse_mail(bytes).unwrap();
        let mut read = Self {
            subject: mail.headers.get_first_value("Subject").unwrap(),
            text: String::new(),
            attachments: Vec::new(),
            bytes: bytes.len(),
        };
        read.take(&mail);
        read
    }

    fn take(&mut self, part: &ParsedMail<'_>) {
        part.subparts.iter().for_each(|part| self.take(part));
        let name = part.get_content_disposition().params.get("filename").cloned();
        match name {
            Some(name) => self.attachments.push((name, part.get_body_raw().unwrap())),
            None if part.ctype.mimetype == "text/plain" => self.text += &part.get_body().unwrap(),
            None => {}
        }
    }
}

/// The mails in a folder, by their subjects.
fn mails_in(folder: &Path) -> Vec<Mail> {
    let mut mails: Vec<Mail> =
        files(folder).iter().map(|name| Mail::read(&fs::read(folder.join(name)).unwrap())).collect();
    mails.sort_by(|one, other| one.subject.cmp(&other.subject));
    mails
}

/// Writes so many random bytes on each host; on `big` ten times as many.
fn writes(bytes: usize) -> String {
    format!(
        "#!/bin/bash\nn={bytes}; [ $(hostname) = big ] && n={bytes}0\n\
         head -c $n /dev/urandom >/tmp/fichier_log.txt\n"
    )
}

fn mailed(job: Job, transport: &str) -> Job {
    job.set("mail.transport", transport)
        .set("mail.from", "recolte@vip.example.fr")
        .set("mail.to", &["one@example.fr", "two@example.fr"])
}

/// Every part opens by itself, is numbered, and all of them hold every file of these hosts, each once.
#[track_caller]
fn parts_hold(lab: &Lab, mails: &[Mail], hosts: &[&str], limit: usize) {
    let mut all = BTreeMap::new();
    for (number, mail) in mails.iter().enumerate() {
        let (number, of) = (number + 1, mails.len());
        assert_eq!(mail.subject, format!("Résultat $U du script ({number}/{of})"));
        assert!(mail.text.contains(&format!("{number}/{of}")), "{}", mail.text);
        assert!(mail.text.contains(" succeeded of "), "the whole account: {}", mail.text);
        assert!(mail.bytes <= limit, "{} bytes are more than {limit}", mail.bytes);
        let [(name, bytes)] = mail.attachments.as_slice() else { panic!("one attachment: {}", mail.subject) };
        assert_eq!(name, &format!("JGE-{number}-{of}.tar.gz"));
        let part = lab.folder("part").join(name);
        fs::write(&part, bytes).unwrap();
        for (path, packed) in unpack(&part) {
            assert!(all.insert(path.clone(), packed).is_none(), "{path} is in two parts");
        }
    }
    let wanted: Vec<String> = hosts.iter().map(|host| format!("JGE/{host}/fichier_log.txt")).collect();
    let mut sorted = wanted.clone();
    sorted.sort();
    assert_eq!(all.keys().cloned().collect::<Vec<_>>(), sorted);
    for (host, path) in hosts.iter().zip(&wanted) {
        assert!(all[path].bytes == fs::read(lab.on(host, "/tmp/fichier_log.txt")).unwrap(), "{path} differs");
    }
}

#[test]
fn an_archive_beyond_max_size_goes_in_parts_that_open_by_themselves() {
    let hosts = ["h1", "h2", "h3", "h4"];
    let lab = Lab::with(&hosts);
    let folder = lab.path("mails");
    let job = mailed(lab.job().script(writes(200_000)), &format!("file:{}", folder.display()));
    let run = lab.recolte(&job.set("mail.max_size", "650KiB"));
    run.succeeded();
    let mails = mails_in(&folder);
    assert_eq!(mails.len(), 2);
    parts_hold(&lab, &mails, &hosts, 650 * 1024);
    for held in ["1/2: h[1-2]", "2/2: h[3-4]"] {
        assert!(mails.iter().any(|mail| mail.text.contains(held)), "{held}: {}", mails[0].text);
    }
    assert_eq!(run.report()["mail"]["parts"], 2);
    assert_eq!(run.report()["mail"]["sent"], true);
    // The archive on the gateway is whole.
    assert_eq!(unpack(&run.path("JGE.tar.gz")).len(), 6);
}

#[test]
fn a_host_too_big_for_any_part_is_named_with_path_size_and_sum() {
    let lab = Lab::with(&["h1", "big", "h2"]);
    let folder = lab.path("mails");
    let job = mailed(lab.job().script(writes(100_000)), &format!("file:{}", folder.display()));
    let run = lab.recolte(&job.set("mail.max_size", "400KiB"));
    run.exits(3);
    let mails = mails_in(&folder);
    parts_hold(&lab, &mails, &["h1", "h2"], 400 * 1024);
    let big = run.path("JGE/big/fichier_log.txt");
    let sum = lab.on_host("big", "sha256sum </tmp/fichier_log.txt").replace("  -", "");
    for mail in &mails {
        let flat = mail.text.replace(['\r', '\n'], " ");
        for wanted in ["big: too large", big.to_str().unwrap(), "1000000 bytes", &sum] {
            assert!(flat.contains(wanted), "{wanted}: {}", mail.text);
        }
    }
    let error = run.report()["mail"]["error"].as_str().unwrap().to_owned();
    assert!(error.contains("big") && !error.contains("h1"), "{error}");
    assert!(run.stdout.contains("too large"), "{run}");
}

#[test]
fn a_single_host_too_big_is_told_by_a_mail_without_attachment() {
    let lab = Lab::with(&["big"]);
    let folder = lab.path("mails");
    let job = mailed(lab.job().script(writes(100_000)), &format!("file:{}", folder.display()));
    let run = lab.recolte(&job.set("mail.max_size", "400KiB"));
    run.exits(3);
    let mails = mails_in(&folder);
    assert_eq!(mails.len(), 1);
    assert!(mails[0].attachments.is_empty() && mails[0].text.contains("1000000 bytes"), "{}", mails[0].text);
    assert_eq!(mails[0].subject, "Résultat $U du script");
}

#[test]
fn the_servers_own_limit_counts_where_it_is_the_smaller_one() {
    let hosts = ["h1", "h2", "h3"];
    let lab = Lab::of(&hosts).option("--mta").option("--mta-size").option("700000").up();
    let job = mailed(lab.job().script(writes(300_000)), "smtp://127.0.0.1:25");
    let run = lab.recolte(&job);
    run.succeeded();
    // One copy for each of the two recipients.
    let inbox = lab.path("lab/maildir/new");
    let delivered = || Some(mails_in(&inbox)).filter(|mails| mails.len() == 6);
    let mut mails = wait::until("six mails delivered", || inbox.exists().then(delivered).flatten());
    mails.dedup_by(|one, other| one.subject == other.subject);
    // The server adds its own lines at delivery.
    parts_hold(&lab, &mails, &hosts, 700_000 + 2_000);
    assert_eq!(run.report()["mail"]["parts"], 3);
}

/// `tests/support/smtpd.py` on the gateway of a lab; it ends with the value.
struct Smtpd {
    child: Child,
    said: PathBuf,
}

impl Smtpd {
    #[track_caller]
    fn start(lab: &Lab, options: &[&str]) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = std::env::var_os("RECOLTE_TEST_PYTHON")
            .map_or_else(|| root.join("target/venv/bin/python"), PathBuf::from);
        let venv = "python3 -m venv target/venv && target/venv/bin/pip install -r tests/requirements.txt";
        assert!(python.exists(), "{} is missing: run `{venv}`, or set RECOLTE_TEST_PYTHON", python.display());
        let said = lab.folder("smtpd").join("said");
        let mut command: Command = lab.command(&python);
        command.arg(root.join("tests/support/smtpd.py")).args(["--port", "2525"]).args(options);
        let child = command.stdin(Stdio::piped()).stdout(File::create(&said).unwrap()).spawn().unwrap();
        let server = Self { child, said };
        wait::until("the mail server", || (!server.facts().is_empty()).then_some(()));
        server
    }

    /// What it told so far.
    fn facts(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.said).unwrap();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The messages it took, with who they were for.
    fn messages(&self) -> Vec<(Vec<String>, Mail)> {
        let facts = self.facts().into_iter().filter(|fact| fact["event"] == "message");
        let read = |fact: Value| {
            let hex = fact["data"].as_str().unwrap().to_owned();
            let bytes: Vec<u8> = (0..hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
                .collect();
            let to = fact["to"].as_array().unwrap().iter().map(|to| to.as_str().unwrap().to_owned());
            (to.collect(), Mail::read(&bytes))
        };
        facts.map(read).collect()
    }
}

impl Drop for Smtpd {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

const SMTP: &str = "smtp://127.0.0.1:2525";

/// `recolte send` of a run.
fn send(lab: &Lab, run: &Run) -> Run {
    lab.words(&["send", run.path("").to_str().unwrap()])
}

#[test]
fn a_dead_mail_server_costs_nothing_but_time_and_send_delivers_later() {
    let lab = Lab::with(&["h1"]);
    let run = lab.recolte(&mailed(lab.job(), SMTP));
    run.exits(3);
    run.host("h1").succeeded();
    assert_eq!(run.collected("h1", "fichier_log.txt"), b"h1 SOC_PRODUCTION\n");
    let mail = &run.report()["mail"];
    assert_eq!((&mail["sent"], &mail["parts"]), (&Value::from(false), &Value::from(0)));
    assert!(mail["error"].as_str().unwrap().contains("127.0.0.1:2525"), "{mail:#}");
    assert!(run.stdout.contains("recolte send"), "the way out: {run}");
    let list = lab.words(&["runs", "--output", run.path("..").to_str().unwrap()]);
    assert!(list.stdout.contains("the mail did not leave"), "{list}");
    let log = || fs::read_to_string(lab.path("lab/hosts/h1/sshd.log")).unwrap();
    let (connections, archive) = (log().matches("Accepted").count(), run.read("JGE.tar.gz"));

    let server = Smtpd::start(&lab, &[]);
    send(&lab, &run).exits(0);
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
fn a_refused_recipient_does_not_cost_the_other_its_mail() {
    let lab = Lab::with(&["h1"]);
    let server = Smtpd::start(&lab, &["--refuse", "two@example.fr"]);
    let run = lab.recolte(&mailed(lab.job(), SMTP));
    run.exits(3);
    let messages = server.messages();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].0, ["one@example.fr"]);
    let error = run.report()["mail"]["error"].as_str().unwrap().to_owned();
    assert!(error.contains("two@example.fr: ") && !error.contains("one@example.fr"), "{error}");
    assert!(!run.stdout.contains('\u{1b}') && !run.stderr.contains('\u{1b}'), "{run}");
}

#[test]
fn a_slow_goodbye_is_no_failure_and_nobody_gets_it_twice() {
    let lab = Lab::with(&["h1"]);
    let server = Smtpd::start(&lab, &["--slow-quit", "30"]);
    let run = lab.recolte(&mailed(lab.job(), SMTP));
    run.succeeded();
    assert_eq!(server.messages().len(), 1);
}

#[test]
fn a_server_that_is_busy_at_first_gets_it_on_a_later_try_once() {
    let lab = Lab::with(&["h1"]);
    let server = Smtpd::start(&lab, &["--busy", "2"]);
    let run = lab.recolte(&mailed(lab.job(), SMTP));
    run.succeeded();
    assert_eq!(server.messages().len(), 1);
    assert!(server.facts().iter().filter(|fact| fact["event"] == "connection").count() > 2);
}

#[test]
fn a_message_refused_for_good_is_told_and_the_harvest_is_kept() {
    let lab = Lab::with(&["h1"]);
    let server = Smtpd::start(&lab, &["--spam"]);
    let run = lab.recolte(&mailed(lab.job(), SMTP));
    run.exits(3);
    assert!(run.report()["mail"]["error"].as_str().unwrap().contains("looks like spam"), "{run}");
    assert_eq!(server.messages().len(), 1, "what is refused for good is not tried again");
    assert_eq!(unpack(&run.path("JGE.tar.gz")).len(), 3);
    // Not delivered goes before a host that failed.
    let run = lab.recolte(&mailed(lab.job().script("#!/bin/sh\nexit 1\n"), SMTP));
    run.exits(3);
    run.host("h1").ended("failed", "execute", "script_failed");
}

#[test]
fn signals_while_the_mail_waits_for_a_silent_server() {
    let lab = Lab::with(&["h1"]);
    let silent = Smtpd::start(&lab, &["--silent"]);
    let running = lab.start(&mailed(lab.job(), SMTP));
    running.says("sending the mail");
    running.signal("INT");
    running.signal("TERM");
    let run = lab.tidy_after(running);
    // Whichever was heard first; the other one left at once.
    assert!([130, 143].contains(&run.code()), "{run}");
    run.host("h1").succeeded();
    assert_eq!(unpack(&run.path("JGE.tar.gz")).len(), 3);
    assert_ne!(run.report()["mail"]["sent"], true);
    // The lock is free, and the mail can still be sent.
    drop(silent);
    let server = Smtpd::start(&lab, &[]);
    send(&lab, &run).exits(0);
    assert_eq!(server.messages().len(), 1);
}
