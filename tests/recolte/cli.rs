//! The command line: which job, which output folder, `recolte runs`, completions and the manual page.

use std::fs;

use crate::lab::{Gateway, Lab, unpack};

#[test]
fn output_on_the_command_line_overrides_the_job_file() {
    let lab = Lab::with(&["h1"]);
    let elsewhere = lab.path("elsewhere/deep");
    let job = lab.job().options(&["--output", elsewhere.to_str().unwrap()]);
    let run = lab.run_checked(&job);
    run.assert_exit_code(0);
    assert!(!job.output().exists());
    assert!(fs::canonicalize(elsewhere.join("latest")).unwrap().join("JGE/h1/fichier_log.txt").exists());
}

#[test]
fn the_default_output_folder_is_the_users_state_folder() {
    let lab = Lab::with(&["h1"]);
    lab.run_checked(&lab.job().without("output")).assert_exit_code(0);
    let latest = lab.path("home/.local/state/recolte/latest");
    assert!(latest.join("report.json").exists());
    let state = lab.path("state");
    lab.run_checked(&lab.job().without("output").env("XDG_STATE_HOME", state.to_str().unwrap()))
        .assert_exit_code(0);
    assert!(state.join("recolte/latest/report.json").exists());
}

#[test]
fn the_default_job_file_is_recolte_toml_and_the_default_name_its_stem() {
    let lab = Lab::with(&["h1"]);
    let job = lab.job().without("name").set("output", "runs");
    fs::write(job.folder().join("recolte.toml"), job.text()).unwrap();
    let run = lab.run_checked(&job.raw_args(&["run"]));
    run.assert_exit_code(0);
    assert!(unpack(&run.path("recolte.tar.gz")).contains_key("recolte/h1/fichier_log.txt"));
}

#[test]
fn completions_and_the_manual_page_are_printed() {
    let gateway = Gateway::new();
    for shell in ["bash", "zsh", "fish"] {
        let run = gateway.run_args(&["completions", shell]);
        run.assert_exit_code(0);
        assert!(
            run.stdout.contains("recolte") && run.stdout.contains("dry-run") && run.stderr.is_empty(),
            "{run}"
        );
    }
    let syntax = gateway.write_file("completions", gateway.run_args(&["completions", "bash"]).stdout);
    gateway.sh(&format!("bash -n {}", syntax.display()));
    let man = gateway.run_args(&["man"]);
    man.assert_exit_code(0);
    assert!(man.stdout.contains(".TH") && man.stdout.contains("recolte"), "{man}");
    for args in [&["--help"][..], &["--version"], &["run", "--help"]] {
        let run = gateway.run_args(args);
        run.assert_exit_code(0);
        assert!(run.stdout.contains("recolte") && run.stderr.is_empty(), "{run}");
    }
    gateway.run_args(&["completions", "cobol"]).assert_exit_code(2);
}

#[test]
fn runs_lists_each_run_with_its_totals() {
    let lab = Lab::builder(&["h1", "h2"]).setup("h2", ": >/tmp/fail").up();
    let job = lab.job().script("#!/bin/sh\necho x >/tmp/fichier_log.txt; [ ! -e /tmp/fail ]\n");
    let output = job.output();
    let list = || lab.run_args(&["runs", "--output", output.to_str().unwrap()]);
    assert_eq!(list().assert_exit_code(0).stdout, format!("no runs in {}\n", output.display()));
    let first = lab.run_checked(&job);
    first.assert_exit_code(1);
    lab.host_sh("h2", "rm /tmp/fail");
    let job = job.set("archive.copy_to", lab.path("copy.tar.gz").as_path());
    let second = lab.run_checked(&job);
    second.assert_succeeded();
    let answer = list();
    answer.assert_exit_code(0);
    let lines: Vec<&str> = answer.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{answer}");
    for (line, run, totals) in [
        (lines[0], &first, "1 succeeded, 1 failed of 2 hosts"),
        (lines[1], &second, "2 succeeded of 2 hosts"),
    ] {
        let id = run.report()["run"].as_str().unwrap().to_owned();
        assert!(line.starts_with(&id) && line.ends_with(totals), "{answer}");
    }
    lab.run_args(&["resume", first.path("").to_str().unwrap()]).assert_exit_code(1);
    assert!(list().stdout.lines().next().unwrap().contains("; resumed"), "{}", list());
}
