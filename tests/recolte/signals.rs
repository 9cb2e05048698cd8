//! INT and TERM in every step, a second one, and KILL: what is there is archived, and nothing is left running.

use std::time::{Duration, Instant};

use crate::hold::{COLLECT, CONNECT, EXECUTE, Hold, INSTALL, PROGRAM, UPLOAD};
use crate::lab::{Lab, Run, files, unpack, wait};

/// Each signal, one after the other.
fn interrupt(hold: &Hold) {
    let lab = hold.lab();
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let running = hold.start(&lab);
        running.signal(signal);
        let run = lab.tidy_after(running);
        run.exits(code);
        every_host_has_one_outcome(&run, hold.step);
    }
}

#[track_caller]
fn every_host_has_one_outcome(run: &Run, step: &str) {
    assert_eq!(run.report()["hosts"].as_array().unwrap().len(), 2, "{run}");
    run.host("well").succeeded();
    // The word of the outcome is the operator's, in whatever step; of a connection that did not come about as well.
    run.host("held").ended("cancelled", step, "interrupted").hints("resume");
    let archive = unpack(&run.path("JGE.tar.gz"));
    assert_eq!(archive["JGE/well/fichier_log.txt"].bytes, b"whole\n");
    assert!(!archive.contains_key("JGE/held/fichier_log.txt"), "half a file: {run}");
    assert_eq!(run.harvest(), ["well/fichier_log.txt"]);
    assert!(run.stdout.contains("1 succeeded") && run.stdout.contains("1 cancelled"), "{run}");
    assert!(run.text("report.html").contains("held") && run.text("report.txt").contains("held"));
}

#[test]
fn a_signal_while_a_connection_is_made() {
    interrupt(&CONNECT);
}

#[test]
fn a_signal_while_the_script_is_uploaded() {
    interrupt(&UPLOAD);
}

#[test]
fn a_signal_while_the_script_is_installed() {
    interrupt(&INSTALL);
}

#[test]
fn a_signal_while_the_script_runs_ends_it_on_the_host() {
    interrupt(&EXECUTE);
}

#[test]
fn a_signal_while_files_are_collected() {
    interrupt(&COLLECT);
}

/// A script that only KILL ends: its grace is there to see.
const STUBBORN: &str = "#!/bin/sh\ntrap '' TERM HUP INT\necho half >/tmp/fichier_log.txt\n\
                        sleep 1000 & : >/tmp/up; while :; do sleep 1001; done\n";

#[test]
fn a_second_signal_leaves_at_once_and_nothing_is_left_all_the_same() {
    let lab = Lab::of(&["held", "stubborn"]).setup("held", &format!("{PROGRAM}\n{}", CONNECT.setup)).up();
    let running = lab.start(&lab.job().script(STUBBORN).options(&["-v"]));
    lab.appears("held", "/tmp/held");
    lab.appears("stubborn", "/tmp/up");
    running.signal("INT");
    // By now the first signal was heard; the stubborn script has its grace.
    running.says("held: cancelled");
    let begun = Instant::now();
    running.signal("TERM");
    let run = running.end();
    assert!(begun.elapsed() < Duration::from_secs(7), "{:?}: {run}", begun.elapsed());
    run.exits(130);
    wait::until("no ssh of ours", || lab.connections().is_empty().then_some(()));
    lab.gateway_is_tidy(&run);
    // Its lifeline is cut: the script goes as well.
    wait::until("no script", || lab.processes("stubborn").is_empty().then_some(()));
    let half = files(&run.path("")).into_iter().find(|name| name.contains(".part-"));
    assert_eq!(half, None, "half an archive");
    // What is known is on disk, and the lock is free.
    let resumed = lab.start(&lab.job_for(&[]).words(&["resume", run.path("").to_str().unwrap()])).end();
    assert!(resumed.stderr.contains("their script began before, only collected from: stubborn"), "{resumed}");
}

#[test]
fn after_kill_the_script_ends_the_masters_end_by_themselves_and_the_next_run_is_undisturbed() {
    let lab = Lab::with(&["h1", "h2"]);
    let script = "#!/bin/sh\necho whole >/tmp/fichier_log.txt\n[ -e /tmp/again ] && exit 0\n\
                  (trap '' TERM; sleep 1000; :) & : >/tmp/up; wait\n";
    let job = lab.job().script(script);
    let running = lab.start(&job);
    for host in ["h1", "h2"] {
        lab.appears(host, "/tmp/up");
    }
    running.signal("KILL");
    assert_eq!(running.end().code(), 1009);
    let begun = Instant::now();
    for host in ["h1", "h2"] {
        wait::until("no script", || lab.processes(host).iter().all(|p| p.starts_with("sshd")).then_some(()));
        lab.on_host(host, ": >/tmp/again");
    }
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    // The masters of the dead are still there; they are no matter.
    let old = lab.connections();
    let run = lab.start(&job).end();
    run.succeeded();
    assert!(!old.is_empty());
    let gone = wait::within(Duration::from_secs(130), || lab.connections().is_empty().then_some(()));
    assert!(gone.is_some() && begun.elapsed() < Duration::from_secs(120), "{:?}", lab.connections());
    for host in ["h1", "h2"] {
        wait::until("no sshd of the dead", || lab.processes(host).is_empty().then_some(()));
    }
    // The next one also removes the empty folder of the dead.
    lab.recolte(&job).succeeded();
}
