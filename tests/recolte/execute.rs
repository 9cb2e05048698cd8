//! The script on a host: exit statuses, signals, output of any size, processes that it leaves running.

use std::fs;

use crate::lab::{Lab, Run, wait};

/// Returns a script that writes its file, then runs a given end.
fn script_with_end(last: &str) -> String {
    format!("#!/bin/bash\necho whole >/tmp/fichier_log.txt\n{last}\n")
}

#[track_caller]
fn assert_file_collected(run: &Run, host: &str) {
    assert_eq!(run.read_collected(host, "fichier_log.txt"), b"whole\n");
}

#[test]
fn a_failing_script_is_reported_with_its_status_and_its_files_are_collected() {
    let lab = Lab::with(&["h1"]);
    for supervise in [true, false] {
        for status in [1, 2, 126, 127, 255] {
            let job = lab.job().script(script_with_end(&format!("echo why >&2; exit {status}")));
            let run = lab.run_checked(&job.set("script.supervise", supervise));
            run.assert_exit_code(1);
            let host = run.host("h1");
            host.assert_ended("failed", "execute", "script_failed")
                .assert_message(&format!("status {status}"))
                .assert_message("why")
                .assert_hint("");
            assert_eq!(host.exit_status(), Some(status), "supervise = {supervise}: {run}");
            assert_eq!(run.report()["totals"]["failed"], 1);
            assert_file_collected(&run, "h1");
        }
    }
}

#[test]
fn a_script_killed_by_a_signal_has_failed() {
    let lab = Lab::with(&["h1"]);
    for supervise in [true, false] {
        let run = lab.run_checked(
            &lab.job().script(script_with_end("kill -KILL $$")).set("script.supervise", supervise),
        );
        run.assert_exit_code(1);
        run.host("h1")
            .assert_ended("failed", "execute", "script_failed")
            .assert_message("signal")
            .assert_hint("");
        // Known is what the shell in between reports: 128 + the signal number, or nothing.
        assert!([Some(137), None].contains(&run.host("h1").exit_status()), "{run}");
        assert_file_collected(&run, "h1");
    }
}

#[test]
fn a_script_that_cannot_be_executed_has_failed() {
    let lab = Lab::with(&["h1"]);
    let run = lab.run_checked(&lab.job().script("#!/opt/dollaru/bin/uxshell\n"));
    run.assert_exit_code(1);
    let host = run.host("h1");
    host.assert_ended("failed", "execute", "script_failed").assert_hint("interpreter");
    assert!([Some(126), Some(127)].contains(&host.exit_status()));
    let run = lab.run_checked(&lab.job().script(b"\x7fELF\x02\x01\x01\0no program of this machine"));
    run.assert_exit_code(1);
    run.host("h1").assert_ended("failed", "execute", "script_failed").assert_hint("");
}

#[test]
fn ten_megabytes_on_both_streams_arrive_complete_and_separate() {
    let lab = Lab::with(&["h1"]);
    let script =
        script_with_end("{ yes out | head -c 10485760; } & { yes err | head -c 10485760 >&2; } & wait");
    for supervise in [true, false] {
        let run = lab.run_checked(&lab.job().script(&script).set("script.supervise", supervise));
        run.assert_succeeded();
        for (name, word) in [("stdout", "out\n"), ("stderr", "err\n")] {
            let all = run.read(&format!("hosts/h1/{name}"));
            assert_eq!(all.len(), 10_485_760, "{name}, supervise = {supervise}");
            assert!(all == word.repeat(2_621_440).as_bytes(), "{name} holds something else");
        }
        assert!(run.stdout.len() < 4096, "a script's output is no answer of ours");
    }
}

#[test]
fn output_beyond_max_file_is_truncated_and_reported_and_the_script_goes_on() {
    let lab = Lab::with(&["h1"]);
    let script = script_with_end(
        "yes | head -c 3000000; yes | head -c 3000000 >&2; echo end >/tmp/fichier_end_log.txt",
    );
    let run = lab.run_checked(&lab.job().script(script).set("collect.max_file", "1MB"));
    run.assert_succeeded();
    assert_eq!(run.read_collected("h1", "fichier_end_log.txt"), b"end\n");
    for name in ["stdout", "stderr"] {
        assert_eq!(run.read(&format!("hosts/h1/{name}")).len(), 1_000_000);
        let why = run.host("h1").skip_reason(name).to_owned();
        assert!(why.contains("1000000 of 3000000") && why.contains("max_file"), "{why}");
    }
}

#[test]
fn a_gigabyte_of_output_is_read_to_its_end_and_stored_up_to_max_file() {
    let lab = Lab::with(&["h1", "h2"]);
    let script = script_with_end(
        "[ $(hostname) = h2 ] || head -c 1000000000 /dev/zero; echo end >/tmp/fichier_end_log.txt",
    );
    let run = lab.run_checked(&lab.job().script(script).set("collect.max_file", "1MB"));
    run.assert_succeeded();
    assert_file_collected(&run, "h1");
    assert_eq!(run.read_collected("h1", "fichier_end_log.txt"), b"end\n", "it was not cut short");
    assert_eq!(run.read("hosts/h1/stdout").len(), 1_000_000);
    let why = run.host("h1").skip_reason("stdout").to_owned();
    assert!(why.contains("1000000 of 1000000000") && why.contains("max_file"), "{why}");
    assert_file_collected(&run, "h2");
}

#[test]
fn control_characters_of_a_script_are_escaped_in_all_reports() {
    let lab = Lab::with(&["h1"]);
    let text = "\\033[2J\\033]0;gotcha\\007\\r\\230\\302\\233 31m\\342\\200\\256 spoof\\n";
    let hostile = format!("printf '{text}'; printf '{text}' >&2; exit 1");
    for options in [&[][..], &["-v"], &["--json"], &["-q"]] {
        let run = lab.run_checked(&lab.job().script(script_with_end(&hostile)).options(options));
        run.assert_exit_code(1);
        run.host("h1").assert_ended("failed", "execute", "script_failed").assert_message("gotcha");
        let texts = [run.stdout.clone(), run.stderr.clone(), run.text("report.txt"), run.text("report.json")];
        for text in texts.iter().chain([&run.text("report.html")]) {
            let raw =
                text.chars().find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}' || *c == '\u{fffd}');
            assert_eq!(raw, None, "{text:?}");
        }
        // The file of the stream keeps every byte.
        assert!(run.read("hosts/h1/stdout").starts_with(b"\x1b[2J\x1b]0;gotcha\x07\r\x98\xc2\x9b"));
    }
}

#[test]
fn output_that_imitates_our_messages_is_kept_as_output() {
    let lab = Lab::with(&["h1"]);
    let script = script_with_end("echo 'recolte-0123456789abcdef0123456789abcdef=0;' >&2; exit 3");
    let run = lab.run_checked(&lab.job().script(script));
    run.assert_exit_code(1);
    assert_eq!(run.host("h1").exit_status(), Some(3));
    assert_eq!(
        run.text("hosts/h1/stderr"),
        "recolte-0123456789abcdef0123456789abcdef=0;\n",
        "kept as it was printed"
    );
}

#[test]
fn a_daemon_that_keeps_the_output_open_delays_nothing_and_lives_on() {
    let lab = Lab::with(&["h1"]);
    let script = script_with_end(
        "setsid sh -c 'echo $$ >/tmp/daemon; exec sleep 1000' & \
                       until [ -s /tmp/daemon ]; do :; done; echo said; exit 0",
    );
    let run = lab.start(&lab.job().script(script)).wait();
    run.assert_succeeded();
    assert_eq!(run.script_stdout("h1"), "said\n");
    assert_file_collected(&run, "h1");
    lab.assert_gateway_clean(&run);
    lab.assert_nothing_staged("h1", &run);
    lab.host_sh("h1", "kill -0 $(cat /tmp/daemon)");
}

#[test]
fn a_daemon_that_goes_on_printing_does_not_disturb_the_next_steps() {
    let lab = Lab::with(&["h1"]);
    let prints = "setsid sh -c 'while :; do echo recolte:/tmp/noise; echo noise >&2; done' & \
                  for n in $(seq 300); do echo $n >/tmp/fichier_${n}_log.txt; done; echo said; exit 0";
    for supervise in [true, false] {
        let run =
            lab.start(&lab.job().script(script_with_end(prints)).set("script.supervise", supervise)).wait();
        run.assert_succeeded();
        assert!(run.script_stdout("h1").contains("said\n"));
        assert_file_collected(&run, "h1");
        assert_eq!(run.host("h1").remote_files().len(), 301, "{run}");
        assert_eq!(run.host("h1").0["skipped"], serde_json::json!([]));
        lab.assert_gateway_clean(&run);
        lab.assert_nothing_staged("h1", &run);
        lab.host_sh("h1", "rm /tmp/fichier_*");
    }
}

#[test]
fn a_background_process_without_our_output_is_left_alone() {
    let lab = Lab::with(&["h1"]);
    let script = script_with_end("setsid sleep 1000 >/dev/null 2>&1 </dev/null &\nexit 0");
    let run = lab.start(&lab.job().script(script)).wait();
    run.assert_succeeded();
    assert!(!run.stderr.contains("left a process"), "{run}");
    lab.assert_gateway_clean(&run);
    assert_eq!(lab.host_processes("h1"), ["sleep 1000"]);
}

#[test]
fn output_is_on_disk_while_the_script_still_runs() {
    let lab = Lab::with(&["h1"]);
    let script = script_with_end("echo first; until [ -e /tmp/go ]; do sleep 0.1; done; echo last");
    let job = lab.job().script(script);
    let running = lab.start(&job);
    wait::until("the first line on disk", || {
        let so_far = fs::read_to_string(job.output().join("latest/hosts/h1/stdout")).ok()?;
        (so_far == "first\n").then_some(())
    });
    lab.host_sh("h1", "touch /tmp/go");
    let run = lab.wait_checked(running);
    run.assert_succeeded();
    assert_eq!(run.script_stdout("h1"), "first\nlast\n");
}
