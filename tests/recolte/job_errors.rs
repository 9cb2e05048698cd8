//! Invalid job files and command lines: refused with exit code 2 before any host is contacted.

use crate::lab::{Gateway, IntoValue, Job, Run};

/// A value in TOML syntax.
struct Toml(&'static str);

impl IntoValue for Toml {
    fn into_value(self) -> toml::Value {
        let mut table: toml::Table = toml::from_str(&format!("value = {}", self.0)).unwrap();
        table.remove("value").unwrap()
    }
}

/// Checks for a refusal before any host is contacted: exit code 2, a message, no stdout, no output folder.
#[track_caller]
fn assert_refused(run: &Run, job: &Job) {
    run.assert_exit_code(2);
    assert_eq!(run.stdout, "", "{run}");
    assert!(
        !run.stderr.is_empty() && !run.stderr.contains('\x1b') && !run.stderr.contains("panicked"),
        "{run}"
    );
    assert!(!job.output().exists(), "no host was touched, so there is no run");
}

/// Returns the line number of a key in a job file, counted from 1.
fn line_number(job: &Job, key: &str) -> usize {
    let text = job.text();
    let at =
        text.lines().position(|line| line.starts_with(&format!("{key} =")) || line == format!("[{key}]"));
    at.unwrap_or_else(|| panic!("no {key} in {text}")) + 1
}

/// Key, value, and what the message must hold besides the line number.
const INVALID: [(&str, &str, &str); 64] = [
    ("script.instal", "\"/opt\"", "install"),
    ("scripts.file", "\"x\"", "script"),
    ("colour", "true", "unknown field"),
    ("parallel", "\"many\"", "number"),
    ("parallel", "0", "at least 1"),
    ("parallel", "-1", "number"),
    ("ssh.retries", "\"2\"", "number"),
    ("ssh.connect_timeout", "10", "quotes"),
    ("ssh.connect_timeout", "\"soon\"", "30s"),
    ("ssh.connect_timeout", "\"0s\"", "1s"),
    ("ssh.identity", "\"/nowhere/id_rsa.nokey\"", "/nowhere/id_rsa.nokey"),
    ("ssh.identity", "\".\"", "not a regular file"),
    ("ssh.config", "\"nowhere\"", "nowhere"),
    ("script.file", "\"nowhere.sh\"", "nowhere.sh"),
    ("script.file", "\"/tmp\"", "not a regular file"),
    ("script.args", "\"SOC_PRODUCTION tout\"", "args takes a list; write [\"SOC_PRODUCTION\", \"tout\"]"),
    ("script.mode", "\"rwxr-xr-x\"", "775"),
    ("script.mode", "\"79\"", "775"),
    ("script.mode", "\"778\"", "775"),
    ("script.mode", "775", "string"),
    ("script.install", "\"script\"", "absolute"),
    ("script.staging", "\"~/tmp\"", "absolute"),
    ("script.run_as", "\"root; reboot\"", "no user name"),
    ("script.run_as", "\"-c\"", "no user name"),
    ("script.timeout", "\"-1s\"", "30s"),
    ("script.supervise", "\"yes\"", "boolean"),
    ("collect.files", "[]", "name what comes back"),
    ("collect.files", "[\"fichier_*log.txt\"]", "absolute"),
    ("collect.files", "\"/tmp/x\"", "files takes a list; write [\"/tmp/x\"]"),
    ("collect.layout", "\"by_host\"", "by-host"),
    ("collect.max_file", "\"huge\"", "10MiB"),
    ("collect.max_host", "-1", "quotes"),
    ("name", "\"../JGE\"", "slash"),
    ("name", "\"\"", "letters"),
    ("targets.hosts", "[\"-oProxyCommand=touch /tmp/x\"]", "begins with `-`"),
    ("targets.hosts", "[\"a b\"]", "blank"),
    ("targets.hosts", "[\"machine[1-\"]", "machine[1-"),
    ("targets.hosts", "[\"$(id)\"]", "$"),
    ("targets.hosts", "[1]", "string"),
    ("targets.hosts", "\"a b[1,2];c\"", "hosts takes a list; write [\"a\", \"b[1,2]\", \"c\"]"),
    ("targets.hosts", "[\"a:22\"]", "targets.hosts: a:22: holds a port; write a;"),
    ("targets.hosts", "[\"a\", \"n{1..3}\"]", "targets.hosts: n{1..3}: is no range here; write n[1-3]"),
    ("targets.hosts", "[\"@hosts.txt\"]", "a file of hosts is named on the command line"),
    ("targets.exclude", "[\"n1;n2\"]", "targets.exclude: n1;n2: holds a blank, `,`, `;` or `|`"),
    ("targets.exclude", "\"n1\"", "exclude takes a list; write [\"n1\"]"),
    ("targets.exclude", "[\"a b\"]", "blank"),
    ("mail.to", "[\"root\"]", "\"root@localhost\" is the mailbox on this machine"),
    ("mail.to", "[\"a@x.fr, b@y.fr\"]", "several addresses; write [\"a@x.fr\", \"b@y.fr\"]"),
    ("mail.to", "[\"a@x.fr;b@y.fr\"]", "several addresses; write [\"a@x.fr\", \"b@y.fr\"]"),
    ("mail.to", "[\"a@x.fr b@y.fr\"]", "several addresses; write [\"a@x.fr\", \"b@y.fr\"]"),
    ("mail.to", "[\"a b@example.fr\"]", "a b@example.fr"),
    ("mail.to", "[\"A <a@x.fr>, B <b@y.fr>\"]", "write one address in each string"),
    ("mail.to", "[\"a@example.fr\\r\\nBcc: b@example.fr\"]", "not valid"),
    ("mail.to", "[]", "name who"),
    (
        "mail.to",
        "\"a@example.fr, b@example.fr\"",
        "to takes a list; write [\"a@example.fr\", \"b@example.fr\"]",
    ),
    ("mail.from", "\"recolte@\"", "recolte@"),
    ("mail.transport", "\"pigeon\"", "smtp"),
    ("mail.transport", "\"smtp://\"", "smtp://"),
    ("mail.password_file", "\"/nowhere/smtp\"", "/nowhere/smtp"),
    ("mail.password", "\"secret\"", "password_file"),
    ("mail.max_size", "\"10 apples\"", "10MiB"),
    ("deadline", "\"tomorrow\"", "2h"),
    ("max_failures", "\"120%\"", "%"),
    ("canary", "\"one\"", "number"),
];

#[test]
fn an_invalid_value_is_refused_with_file_line_and_hint() {
    let gateway = Gateway::new();
    let mut wrong = Vec::new();
    for (key, value, expected) in INVALID {
        let mut job = gateway.job_for(&["host1"]);
        if key.starts_with("mail.") {
            job = job.set("mail.to", &["a@example.fr"]).set("mail.from", "b@example.fr");
        }
        let job = job.set(key, Toml(value));
        let run = gateway.run(&job);
        assert_refused(&run, &job);
        let (table, last) = key.rsplit_once('.').unwrap_or(("", key));
        let line = if table == "scripts" { line_number(&job, table) } else { line_number(&job, last) };
        let location = format!("JGE.toml:{line}: ");
        let rust = ["usize", "u64", "i64"].iter().any(|word| run.stderr.contains(word));
        if !run.stderr.contains(&location) || !run.stderr.contains(expected) || rust {
            wrong.push(format!("{key} = {value}: wanted {location:?} and {expected:?}, got {}", run.stderr));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_missing_key_is_refused_by_its_name() {
    let gateway = Gateway::new();
    for (key, expected) in [
        ("script.file", "file"),
        ("script.install", "install"),
        ("collect.files", "files"),
        ("script", "script"),
        ("collect", "collect"),
        ("targets", "--hosts"),
        ("targets.hosts", "LIST_SERVEUR"),
    ] {
        let job = gateway.job_for(&["host1"]).without(key);
        let run = gateway.run(&job);
        assert_refused(&run, &job);
        assert!(run.stderr.contains(expected), "{key}: {run}");
        assert!(run.stderr.contains("JGE.toml") || key.starts_with("targets"), "{run}");
    }
    let job = gateway.job_for(&[]);
    assert_refused(&gateway.run(&job), &job);
}

#[test]
fn a_password_in_clear_is_refused() {
    let gateway = Gateway::new();
    let job = gateway.job_for(&["host1"]).set("mail.to", &["a@example.fr"]).set("mail.from", "b@example.fr");
    let job = job
        .set("mail.transport", "smtp://relais")
        .set("mail.user", "moi")
        .env("RECOLTE_SMTP_PASSWORD", "s3cret");
    let run = gateway.run(&job);
    assert_refused(&run, &job);
    assert!(
        run.stderr.contains("JGE.toml:") && run.stderr.contains("starttls") && !run.stderr.contains("s3cret"),
        "{run}"
    );
}

#[test]
fn a_job_file_that_is_missing_or_no_toml_is_refused() {
    let gateway = Gateway::new();
    let torn = gateway.write_file("torn.toml", "name = \"JGE\"\n[script\n");
    let binary = gateway.write_file("binary.toml", b"# r\xc3\xa9colte\nname = \"caf\xe9\"\n");
    for (file, expected) in [
        (torn.to_str().unwrap(), "torn.toml:2: "),
        (binary.to_str().unwrap(), "binary.toml:2: is not UTF-8 text; save it as UTF-8"),
        ("nowhere.toml", "nowhere.toml"),
        ("/tmp", "not a regular file"),
        ("/dev/zero", "not a regular file"),
    ] {
        let run = gateway.run_args(&["run", file]);
        run.assert_exit_code(2);
        assert!(run.stderr.contains(expected), "{run}");
    }
    let run = gateway.run_args(&["run"]);
    run.assert_exit_code(2);
    assert!(run.stderr.contains("recolte.toml"), "the job that was looked for: {run}");
}

#[test]
fn a_script_that_no_host_could_run_is_refused() {
    let gateway = Gateway::new();
    for (content, said) in [
        (&b"#!/bin/sh\r\ntrue\r\n"[..], "carriage return, as Windows writes them; convert it: sed -i"),
        (b"\xef\xbb\xbf#!/bin/sh\n", "begins with a byte order mark"),
        (b"\xff\xfe#\0!\0", "is UTF-16"),
        (b"#\0!\0/\0b\0", "is UTF-16"),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"PK\x03\x04\x14\0", "is a zip archive"),
    ] {
        let file = gateway.write_file("supplied.sh", content);
        for (subcommand, options) in [("run", &[][..]), ("run", &["--dry-run"]), ("check", &[])] {
            let job = gateway.job_for(&["host1"]).set("script.file", file.as_path());
            let job = job.subcommand(subcommand).options(options);
            let place = format!("JGE.toml:{}: script.file: ", line_number(&job, "file"));
            let run = gateway.run(&job);
            assert_refused(&run, &job);
            assert!(
                run.stderr.contains(&place) && run.stderr.contains(said),
                "{subcommand} {content:?}: {run}"
            );
        }
    }
}

#[test]
fn invalid_arguments_are_refused() {
    let gateway = Gateway::new();
    for (options, expected) in [
        (&["--hosts", "-x"][..], "begins with `-`"),
        (&["--hosts", "@/nowhere"], "/nowhere"),
        (&["--hosts", "^hosts.txt"], "--hosts: ^hosts.txt: names no host; a file of hosts is named"),
        (&["--hosts", "a,[::1]:22"], "--hosts: [::1]:22: holds a port; write ::1;"),
        (&["--hosts", "a[01:50]"], "--hosts: a[01:50]: is no range here; write a[01-50]"),
        (&["--only", "n[1-9]!n3"], "--only: n[1-9]!n3: `!` excludes nothing here"),
        (&["--exclude", "n{1,2}"], "--exclude: n{1,2}: is no range here; write n[1,2]"),
        (&["--hosts", "machine[1-x]"], "machine[1-x]"),
        (&["--parallel", "0"], "parallel"),
        (&["-p", "many"], "many"),
        (&["-q", "-v"], "cannot be used with"),
        (&["--color"], "--color"),
        (&["-F", "/nowhere/config"], "/nowhere/config"),
        (&["--only", "nobody*"], "no host is left"),
        (&["--exclude", "host*"], "no host is left"),
    ] {
        let job = gateway.job_for(&["host1"]).options(options);
        let run = gateway.run(&job);
        assert_refused(&run, &job);
        assert!(run.stderr.contains(expected), "{options:?}: {run}");
    }
    let job = gateway.job_for(&["host1"]).env("LIST_SERVEUR", "a;b");
    let run = gateway.run(&job);
    assert_refused(&run, &job);
    assert!(run.stderr.contains("$LIST_SERVEUR: a;b: holds a blank, `,`, `;` or `|` between names"), "{run}");
    for args in [&["harvest"][..], &[], &["run", "a", "b"]] {
        gateway.run_args(args).assert_exit_code(2);
    }
}

#[test]
fn an_output_folder_that_cannot_be_made_is_refused() {
    let gateway = Gateway::new();
    let file = gateway.write_file("file", "");
    let job = gateway.job_for(&["host1"]).set("output", file.join("runs").as_path());
    let run = gateway.run(&job);
    assert_refused(&run, &job);
    assert!(run.stderr.contains("file/runs") && run.stderr.contains("output"), "{run}");
}
