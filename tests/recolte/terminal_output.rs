//! The output on stdout and on stderr: `--json`, `-q`, `-v`, colours, a reader that goes away.

use std::path::Path;

use serde_json::Value;

use crate::lab::{Job, Lab};

#[test]
fn answers_go_to_stdout_and_progress_to_stderr() {
    let lab = Lab::with(&["h1"]);
    let run = lab.run_checked(&lab.job());
    run.assert_succeeded();
    assert!(run.stdout.starts_with("HOST") && !run.stdout.contains("visiting"), "{run}");
    assert!(run.stderr.contains("visiting 1 host: h1") && !run.stderr.contains("HOST"), "{run}");
}

#[test]
fn json_on_stdout_is_the_report_and_nothing_else() {
    let lab = Lab::builder(&["good", "bad"]).setup("bad", "rm /etc/sudoers.d/vip").up();
    let run = lab.run_checked(&lab.job().options(&["--json"]));
    run.assert_exit_code(1);
    let answered: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(answered, run.report());
    assert!(run.stderr.contains("good: succeeded") && run.stderr.contains("bad: failed"), "{run}");
}

#[test]
fn quiet_reports_only_hosts_that_did_not_succeed() {
    let lab = Lab::builder(&["good", "bad"]).setup("bad", "rm /etc/sudoers.d/vip").up();
    for option in ["-q", "--quiet"] {
        let run = lab.run_checked(&lab.job_for(&["good"]).options(&[option]));
        run.assert_succeeded();
        assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    }
    let run = lab.run_checked(&lab.job().options(&["-q"]));
    run.assert_exit_code(1);
    assert!(run.stderr.lines().all(|line| line.starts_with("bad: ")) && !run.stderr.is_empty(), "{run}");
    assert!(run.stdout.contains("bad"), "{run}");
}

#[test]
fn verbose_reports_each_step() {
    let lab = Lab::with(&["h1"]);
    let run = lab.run_checked(&lab.job().options(&["-v"]));
    run.assert_succeeded();
    for step in ["connect", "upload", "install", "execute", "collect"] {
        assert!(run.stderr.lines().any(|line| line == format!("h1: {step}")), "{step}: {run}");
    }
    assert!(!run.stdout.contains("h1: "), "{run}");
}

/// Runs a job in a pseudo-terminal, and returns what that received.
fn run_in_terminal(lab: &Lab, job: &Job, variables: &str) -> String {
    let recolte = format!("env {variables} {} {}", env!("CARGO_BIN_EXE_recolte"), job.arguments().join(" "));
    let mut script = lab.command("/usr/bin/script");
    script.args(["-qefc", &recolte, "/dev/null"]).env("TERM", "xterm-256color").env("COLUMNS", "100");
    let output = script.output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn escape_sequences_go_to_terminals_only_and_never_come_from_a_host() {
    let lab = Lab::with(&["h1", "h2"]);
    let hostile = "#!/bin/sh\necho x >/tmp/fichier_log.txt; printf '\\033]0;gotcha\\007' >&2; exit 3\n";
    let job = lab.job().script(hostile);
    let run = lab.run_checked(&job);
    run.assert_exit_code(1);
    assert!(!run.stdout.contains('\x1b') && !run.stderr.contains('\x1b'), "{run}");
    let seen = run_in_terminal(&lab, &job, "A=b");
    assert!(seen.contains('\x1b'), "no live display and no colour: {seen:?}");
    assert!(seen.contains("gotcha") && !seen.contains("\x1b]0;gotcha") && !seen.contains('\x07'), "{seen:?}");
    let seen = run_in_terminal(&lab, &job, "NO_COLOR=1");
    assert!(!seen.contains("\x1b[3"), "colour in spite of NO_COLOR: {seen:?}");
    lab.assert_gateway_clean(&run);
}

#[test]
fn a_closed_pipe_on_stdout_does_not_end_the_run() {
    let lab = Lab::with(&["h1"]);
    let job = lab.job();
    let line = format!("{} {} 2>&1 | true", env!("CARGO_BIN_EXE_recolte"), job.arguments().join(" "));
    lab.sh(&line);
    assert!(Path::new(&job.output()).join("latest/report.json").exists());
}
