//! Limits over all hosts: `parallel`, `handshakes`, open files, `canary`, `max_failures`.

use std::fs;

use serde_json::Value;

use crate::lab::{Lab, Run, wait};

#[test]
fn parallel_limits_hosts_in_flight_and_handshakes_does_not_wait_for_scripts() {
    let lab = Lab::with(&["h1", "h2", "h3"]);
    // Each script waits until all three have begun, which `handshakes = 1` must not prevent.
    let script =
        "#!/bin/sh\n: >/tmp/began; until [ -e /tmp/go ]; do sleep 0.1; done; echo x >/tmp/fichier_log.txt\n";
    let running = lab.start(&lab.job().script(script).set("handshakes", 1));
    for host in ["h1", "h2", "h3"] {
        lab.wait_for_file(host, "/tmp/began");
    }
    for host in ["h1", "h2", "h3"] {
        lab.host_sh(host, "touch /tmp/go");
    }
    lab.wait_checked(running).assert_succeeded();
    let run = lab.run_checked(&lab.job().options(&["-p", "1"]));
    run.assert_succeeded();
    let report = run.report();
    let mut visits: Vec<(&str, &str)> =
        report["hosts"].as_array().unwrap().iter().map(start_and_end).collect();
    visits.sort_unstable();
    assert!(visits.windows(2).all(|pair| pair[0].1 <= pair[1].0), "one after the other: {visits:?}");
}

fn start_and_end(host: &Value) -> (&str, &str) {
    (host["started"].as_str().unwrap(), host["ended"].as_str().unwrap())
}

#[test]
fn a_low_limit_of_open_files_reduces_the_hosts_in_flight_with_a_note() {
    let lab = Lab::with(&["h1", "h2", "h3", "h4"]);
    let script = "#!/bin/sh\numask 077; for n in $(seq 30); do echo $n >/tmp/fichier_${n}_log.txt; done\n";
    for (limit, reported) in [(384, true), (4096, false)] {
        let job = lab.job().script(script).set("output", lab.new_folder("runs").as_path());
        let recolte = env!("CARGO_BIN_EXE_recolte");
        let printed =
            lab.sh(&format!("ulimit -n {limit}; exec {recolte} {} 2>&1", job.arguments().join(" ")));
        assert_eq!(printed.contains("4 hosts at a time instead of 32"), reported, "{printed}");
        assert!(printed.contains("4 succeeded of 4 hosts · 120 files"), "{printed}");
    }
}

/// Fails on hosts where /tmp/fail exists.
const FAIL_IF_ASKED: &str = "#!/bin/sh\necho ran >/tmp/fichier_log.txt; [ ! -e /tmp/fail ]\n";

/// Starts a lab where the script fails on some hosts.
fn lab(hosts: &[&str], fail: &[&str]) -> Lab {
    fail.iter().fold(Lab::builder(hosts), |lab, host| lab.setup(host, ": >/tmp/fail")).up()
}

/// Returns the outcomes of all hosts, and checks that those not started say why and were not contacted.
#[track_caller]
fn checked_outcomes(lab: &Lab, run: &Run) -> Vec<String> {
    let report = run.report();
    let hosts = report["hosts"].as_array().unwrap();
    for host in hosts.iter().filter(|host| host["outcome"] == "not_started") {
        assert_eq!(host["cause"], "stopped", "{host:#}");
        assert!(host["step"].is_null() && host["started"].is_null(), "{host:#}");
        assert!(host["message"].as_str().unwrap().contains("too many hosts failed"), "{host:#}");
        assert!(host["hint"].as_str().unwrap().contains("recolte resume"), "{host:#}");
        assert!(!lab.host_path(host["host"].as_str().unwrap(), "/tmp/fichier_log.txt").exists(), "{host:#}");
        let log = lab.path(&format!("lab/hosts/{}/sshd.log", host["host"].as_str().unwrap()));
        assert!(!fs::read_to_string(log).unwrap().contains("Connection from"), "{host:#}");
    }
    hosts.iter().map(|host| host["outcome"].as_str().unwrap().to_owned()).collect()
}

const FIVE_HOSTS: [&str; 5] = ["h1", "h2", "h3", "h4", "h5"];

#[test]
fn after_a_canary_that_fails_no_host_is_started_until_resume() {
    let lab = lab(&FIVE_HOSTS, &["h1"]);
    let job = lab.job().script(FAIL_IF_ASKED).set("canary", 1);
    let run = lab.run_checked(&job);
    run.assert_exit_code(1);
    assert_eq!(
        checked_outcomes(&lab, &run),
        ["failed", "not_started", "not_started", "not_started", "not_started"]
    );
    run.host("h1").assert_ended("failed", "execute", "script_failed");
    assert!(run.stdout.contains("4 not started"), "{run}");
    assert_eq!(run.collected_files(), ["h1/fichier_log.txt"]);
    // As the hint says. A canary that failed in the earlier attempt does not hold the other hosts back again.
    let resumed = lab.run_args(&["resume", run.path("").to_str().unwrap(), "--parallel", "1"]);
    resumed.assert_exit_code(1);
    let hosts = run.report()["hosts"].clone();
    let all: Vec<&str> = hosts.as_array().unwrap().iter().map(|h| h["outcome"].as_str().unwrap()).collect();
    assert_eq!(all, ["failed", "succeeded", "succeeded", "succeeded", "succeeded"], "{resumed}");
}

#[test]
fn after_a_canary_that_succeeds_the_others_follow() {
    let lab = lab(&FIVE_HOSTS, &["h4"]);
    let run = lab.run_checked(&lab.job().script(FAIL_IF_ASKED).set("canary", 2));
    run.assert_exit_code(1);
    assert_eq!(checked_outcomes(&lab, &run), ["succeeded", "succeeded", "succeeded", "failed", "succeeded"]);
    let ended = |host| run.host(host).field("ended").parse::<jiff::Timestamp>().unwrap();
    let started = |host| run.host(host).field("started").parse::<jiff::Timestamp>().unwrap();
    for rest in ["h3", "h4", "h5"] {
        assert!(started(rest) >= ended("h1") && started(rest) >= ended("h2"), "{rest} did not wait: {run}");
    }
    assert!(started("h2") < ended("h1"), "both canaries at once: {run}");
}

#[test]
fn beyond_max_failures_no_host_is_started() {
    let lab = lab(&FIVE_HOSTS, &["h1", "h3"]);
    let job = || lab.job().script(FAIL_IF_ASKED).set("parallel", 1);
    for (most, whole) in [("0", 1), ("1", 3), ("19%", 1), ("20%", 3), ("40%", 5)] {
        for host in FIVE_HOSTS {
            let log = lab.path(&format!("lab/hosts/{host}/sshd.log"));
            fs::write(log, "").unwrap();
            lab.host_sh(host, "rm -f /tmp/fichier_log.txt");
        }
        let count: Option<i64> = most.parse().ok();
        let job = match count {
            Some(count) => job().set("max_failures", count),
            None => job().set("max_failures", most),
        };
        let run = lab.run_checked(&job);
        run.assert_exit_code(1);
        let all = checked_outcomes(&lab, &run);
        let wanted = ["failed", "succeeded", "failed", "succeeded", "succeeded"];
        assert_eq!(all[..whole], wanted[..whole], "max_failures = {most}: {run}");
        assert!(all[whole..].iter().all(|outcome| outcome == "not_started"), "max_failures = {most}: {run}");
    }
}

#[test]
fn hosts_in_flight_go_on_beyond_the_threshold() {
    let lab = lab(&["bad", "slow", "late"], &["bad"]);
    let script = "#!/bin/sh\necho ran >/tmp/fichier_log.txt; [ ! -e /tmp/fail ] || exit 1\n\
                  : >/tmp/up; until [ -e /tmp/go ]; do sleep 0.1; done; echo last >>/tmp/fichier_log.txt\n";
    let job = lab.job().script(script).set("parallel", 2).set("max_failures", 0);
    let running = lab.start(&job);
    lab.wait_for_file("slow", "/tmp/up");
    running.wait_for_stderr("bad: failed");
    lab.host_sh("slow", "touch /tmp/go");
    let run = lab.wait_checked(running);
    run.assert_exit_code(1);
    assert_eq!(checked_outcomes(&lab, &run), ["failed", "succeeded", "not_started"]);
    assert_eq!(run.read_collected("slow", "fichier_log.txt"), b"ran\nlast\n");
    // `resume` visits the hosts that were not started, and does not run the failed script again.
    lab.host_sh("late", "touch /tmp/go");
    let args = ["resume", run.path("").to_str().unwrap()].map(str::to_owned);
    let resumed = lab.run_args(&[&args[0], &args[1]]);
    resumed.assert_exit_code(1);
    run.host("late").assert_succeeded();
    run.host("bad").assert_ended("failed", "execute", "script_failed");
    wait::until("no process", || lab.host_processes("late").is_empty().then_some(()));
}
