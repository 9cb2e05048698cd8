//! `canary` and `max_failures`: when no further host is started, and what those say that were not.

use crate::lab::{Lab, Run, wait};

/// Fails where it is told to.
const FAILS: &str = "#!/bin/sh\necho ran >/tmp/fichier_log.txt; [ ! -e /tmp/fail ]\n";

/// A lab where the script fails on some hosts.
fn lab(hosts: &[&str], fail: &[&str]) -> Lab {
    fail.iter().fold(Lab::of(hosts), |lab, host| lab.setup(host, ": >/tmp/fail")).up()
}

/// The outcomes of all hosts; those that were not started say why, and were not touched.
#[track_caller]
fn outcomes(lab: &Lab, run: &Run) -> Vec<String> {
    let report = run.report();
    let hosts = report["hosts"].as_array().unwrap();
    for host in hosts.iter().filter(|host| host["outcome"] == "not_started") {
        assert_eq!(host["cause"], "stopped", "{host:#}");
        assert!(host["step"].is_null() && host["started"].is_null(), "{host:#}");
        assert!(host["message"].as_str().unwrap().contains("too many hosts failed"), "{host:#}");
        assert!(host["hint"].as_str().unwrap().contains("recolte resume"), "{host:#}");
        assert!(!lab.on(host["host"].as_str().unwrap(), "/tmp/fichier_log.txt").exists(), "{host:#}");
        let log = lab.path(&format!("lab/hosts/{}/sshd.log", host["host"].as_str().unwrap()));
        assert!(!std::fs::read_to_string(log).unwrap().contains("Connection from"), "{host:#}");
    }
    hosts.iter().map(|host| host["outcome"].as_str().unwrap().to_owned()).collect()
}

const FIVE: [&str; 5] = ["h1", "h2", "h3", "h4", "h5"];

#[test]
fn a_canary_that_fails_keeps_the_others_at_home_until_resume() {
    let lab = lab(&FIVE, &["h1"]);
    let job = lab.job().script(FAILS).set("canary", 1);
    let run = lab.recolte(&job);
    run.exits(1);
    assert_eq!(outcomes(&lab, &run), ["failed", "not_started", "not_started", "not_started", "not_started"]);
    run.host("h1").ended("failed", "execute", "script_failed");
    assert!(run.stdout.contains("4 not started"), "{run}");
    assert_eq!(run.harvest(), ["h1/fichier_log.txt"]);
    // As the hint has it. The canary's failure is known by now; what it said before does not count again.
    let resumed = lab.words(&["resume", run.path("").to_str().unwrap(), "--parallel", "1"]);
    resumed.exits(1);
    let hosts = run.report()["hosts"].clone();
    let all: Vec<&str> = hosts.as_array().unwrap().iter().map(|h| h["outcome"].as_str().unwrap()).collect();
    assert_eq!(all, ["failed", "succeeded", "succeeded", "succeeded", "succeeded"], "{resumed}");
}

#[test]
fn after_a_canary_that_succeeds_the_others_follow() {
    let lab = lab(&FIVE, &["h4"]);
    let run = lab.recolte(&lab.job().script(FAILS).set("canary", 2));
    run.exits(1);
    assert_eq!(outcomes(&lab, &run), ["succeeded", "succeeded", "succeeded", "failed", "succeeded"]);
    let ended = |host| run.host(host).word("ended").parse::<jiff::Timestamp>().unwrap();
    let started = |host| run.host(host).word("started").parse::<jiff::Timestamp>().unwrap();
    for rest in ["h3", "h4", "h5"] {
        assert!(started(rest) >= ended("h1") && started(rest) >= ended("h2"), "{rest} did not wait: {run}");
    }
    assert!(started("h2") < ended("h1"), "both canaries at once: {run}");
}

#[test]
fn beyond_max_failures_no_host_is_started_by_count_and_by_share() {
    let lab = lab(&FIVE, &["h1", "h3"]);
    let job = || lab.job().script(FAILS).set("parallel", 1);
    for (most, whole) in [("0", 1), ("1", 3), ("19%", 1), ("20%", 3), ("40%", 5)] {
        for host in FIVE {
            let log = lab.path(&format!("lab/hosts/{host}/sshd.log"));
            std::fs::write(log, "").unwrap();
            lab.on_host(host, "rm -f /tmp/fichier_log.txt");
        }
        let count: Option<i64> = most.parse().ok();
        let job = match count {
            Some(count) => job().set("max_failures", count),
            None => job().set("max_failures", most),
        };
        let run = lab.recolte(&job);
        run.exits(1);
        let all = outcomes(&lab, &run);
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
    lab.appears("slow", "/tmp/up");
    running.says("bad: failed");
    lab.on_host("slow", "touch /tmp/go");
    let run = lab.tidy_after(running);
    run.exits(1);
    assert_eq!(outcomes(&lab, &run), ["failed", "succeeded", "not_started"]);
    assert_eq!(run.collected("slow", "fichier_log.txt"), b"ran\nlast\n");
    // What was stopped is finished by resume, and what failed is not run again.
    lab.on_host("late", "touch /tmp/go");
    let words = ["resume", run.path("").to_str().unwrap()].map(str::to_owned);
    let resumed = lab.words(&[&words[0], &words[1]]);
    resumed.exits(1);
    run.host("late").succeeded();
    run.host("bad").ended("failed", "execute", "script_failed");
    wait::until("no process", || lab.processes("late").is_empty().then_some(()));
}
