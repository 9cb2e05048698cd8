//! Invalid job files and command lines: refused with exit code 2 before any host is contacted.

use crate::lab::{Gateway, IntoValue, Job, Run};

/// A value as it stands in a job file.
struct Toml(&'static str);

impl IntoValue for Toml {
    fn into_value(self) -> toml::Value {
        let mut table: toml::Table = toml::from_str(&format!("value = {}", self.0)).unwrap();
        table.remove("value").unwrap()
    }
}

/// Refused before anything was touched: exit code 2, nothing answered, no folder made, one message on stderr.
#[track_caller]
fn refused(run: &Run, job: &Job) {
    run.assert_exit_code(2);
    assert_eq!(run.stdout, "", "{run}");
    assert!(
        !run.stderr.is_empty() && !run.stderr.contains('\x1b') && !run.stderr.contains("panicked"),
        "{run}"
    );
    assert!(!job.output().exists(), "no host was touched, so there is no run");
}

/// The line of a job file that begins with a key, counted from 1.
fn line_of(job: &Job, key: &str) -> usize {
    let text = job.text();
    let at =
        text.lines().position(|line| line.starts_with(&format!("{key} =")) || line == format!("[{key}]"));
    at.unwrap_or_else(|| panic!("no {key} in {text}")) + 1
}

/// Key, what it is set to, what the message must hold besides the line.
const WRONG: [(&str, &str, &str); 54] = [
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
    ("script.args", "\"SOC_PRODUCTION\"", "sequence"),
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
    ("collect.files", "\"/tmp/x\"", "sequence"),
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
    ("targets.exclude", "[\"a b\"]", "blank"),
    ("mail.to", "[\"nobody\"]", "nobody"),
    ("mail.to", "[\"a b@example.fr\"]", "a b@example.fr"),
    ("mail.to", "[\"a@example.fr\\r\\nBcc: b@example.fr\"]", "not valid"),
    ("mail.to", "[]", "name who"),
    ("mail.to", "\"a@example.fr\"", "sequence"),
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
fn a_wrong_job_is_refused_by_file_line_and_way_out() {
    let gateway = Gateway::new();
    let mut wrong = Vec::new();
    for (key, value, said) in WRONG {
        let mut job = gateway.job_for(&["host1"]);
        if key.starts_with("mail.") {
            job = job.set("mail.to", &["a@example.fr"]).set("mail.from", "b@example.fr");
        }
        let job = job.set(key, Toml(value));
        let run = gateway.run(&job);
        refused(&run, &job);
        let (table, last) = key.rsplit_once('.').unwrap_or(("", key));
        let line = if table == "scripts" { line_of(&job, table) } else { line_of(&job, last) };
        let place = format!("JGE.toml:{line}: ");
        let rust = ["usize", "u64", "i64"].iter().any(|word| run.stderr.contains(word));
        if !run.stderr.contains(&place) || !run.stderr.contains(said) || rust {
            wrong.push(format!("{key} = {value}: wanted {place:?} and {said:?}, got {}", run.stderr));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_job_that_lacks_what_is_needed_is_refused_by_the_name_of_what_it_lacks() {
    let gateway = Gateway::new();
    for (key, said) in [
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
        refused(&run, &job);
        assert!(run.stderr.contains(said), "{key}: {run}");
        assert!(run.stderr.contains("JGE.toml") || key.starts_with("targets"), "{run}");
    }
    let job = gateway.job_for(&[]);
    refused(&gateway.run(&job), &job);
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
    refused(&run, &job);
    assert!(
        run.stderr.contains("JGE.toml:") && run.stderr.contains("starttls") && !run.stderr.contains("s3cret"),
        "{run}"
    );
}

#[test]
fn a_job_file_that_is_none_is_refused() {
    let gateway = Gateway::new();
    let torn = gateway.write_file("torn.toml", "name = \"JGE\"\n[script\n");
    let binary = gateway.write_file("binary.toml", b"name = \"\xff\"\n");
    for (file, said) in [
        (torn.to_str().unwrap(), "torn.toml:2: "),
        (binary.to_str().unwrap(), "binary.toml"),
        ("nowhere.toml", "nowhere.toml"),
        ("/tmp", "not a regular file"),
        ("/dev/zero", "not a regular file"),
    ] {
        let run = gateway.run_args(&["run", file]);
        run.assert_exit_code(2);
        assert!(run.stderr.contains(said), "{run}");
    }
    let run = gateway.run_args(&["run"]);
    run.assert_exit_code(2);
    assert!(run.stderr.contains("recolte.toml"), "the job that was looked for: {run}");
}

#[test]
fn a_wrong_command_line_is_refused() {
    let gateway = Gateway::new();
    for (options, said) in [
        (&["--hosts", "-x"][..], "begins with `-`"),
        (&["--hosts", "@/nowhere"], "/nowhere"),
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
        refused(&run, &job);
        assert!(run.stderr.contains(said), "{options:?}: {run}");
    }
    let job = gateway.job_for(&["host1"]).env("LIST_SERVEUR", "a;b");
    let run = gateway.run(&job);
    refused(&run, &job);
    for words in [&["harvest"][..], &[], &["run", "a", "b"]] {
        gateway.run_args(words).assert_exit_code(2);
    }
}

#[test]
fn a_place_where_no_run_can_be_kept_is_refused() {
    let gateway = Gateway::new();
    let file = gateway.write_file("file", "");
    let job = gateway.job_for(&["host1"]).set("output", file.join("runs").as_path());
    let run = gateway.run(&job);
    refused(&run, &job);
    assert!(run.stderr.contains("file/runs") && run.stderr.contains("output"), "{run}");
}
