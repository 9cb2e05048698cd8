//! INT, TERM and KILL in each step: what was collected is archived, and nothing is left running.

use std::time::{Duration, Instant};

use crate::lab::stalled_host::StalledHost;
use crate::lab::{Lab, Run, files, stalled_host, unpack, wait};

/// Sends INT to one run and TERM to another while a host stalls, and checks how they end.
fn interrupt_in_step(host: &StalledHost) {
    let lab = host.lab();
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let running = host.start(&lab);
        running.send_signal(signal);
        let run = lab.wait_checked(running);
        run.assert_exit_code(code);
        assert_cancelled(&run, host.step);
    }
}

#[track_caller]
fn assert_cancelled(run: &Run, step: &str) {
    assert_eq!(run.report()["hosts"].as_array().unwrap().len(), 2, "{run}");
    run.host("good").assert_succeeded();
    // In each step the outcome is `cancelled`, also where no connection was made yet.
    run.host("stalled").assert_ended("cancelled", step, "interrupted").assert_hint("resume");
    let archive = unpack(&run.path("JGE.tar.gz"));
    assert_eq!(archive["JGE/good/fichier_log.txt"].bytes, b"whole\n");
    assert!(!archive.contains_key("JGE/stalled/fichier_log.txt"), "a partial file: {run}");
    assert_eq!(run.collected_files(), ["good/fichier_log.txt"]);
    assert!(run.stdout.contains("1 succeeded") && run.stdout.contains("1 cancelled"), "{run}");
    assert!(run.text("report.html").contains("stalled") && run.text("report.txt").contains("stalled"));
}

#[test]
fn a_signal_while_a_connection_is_made() {
    interrupt_in_step(&stalled_host::CONNECT);
}

#[test]
fn a_signal_while_the_script_is_uploaded() {
    interrupt_in_step(&stalled_host::UPLOAD);
}

#[test]
fn a_signal_while_the_script_is_installed() {
    interrupt_in_step(&stalled_host::INSTALL);
}

#[test]
fn a_signal_while_files_are_listed_before_the_script_begins() {
    interrupt_in_step(&stalled_host::LIST_BEFORE);
}

#[test]
fn a_signal_while_the_script_runs_ends_it_on_the_host() {
    interrupt_in_step(&stalled_host::EXECUTE);
}

#[test]
fn a_signal_while_files_are_collected() {
    interrupt_in_step(&stalled_host::COLLECT);
}

/// A script that ignores TERM and lasts until KILL, ten seconds later.
const STUBBORN: &str = "#!/bin/sh\ntrap '' TERM HUP INT\necho half >/tmp/fichier_log.txt\n\
                        sleep 1000 & : >/tmp/up; while :; do sleep 1001; done\n";

#[test]
fn a_second_signal_ends_recolte_at_once_and_leaves_nothing_behind() {
    let lab = Lab::builder(&["stalled", "stubborn"])
        .setup("stalled", &format!("{}\n{}", stalled_host::PROGRAM, stalled_host::CONNECT.setup))
        .up();
    let running = lab.start(&lab.job().script(STUBBORN).options(&["-v"]));
    lab.wait_for_file("stalled", "/tmp/stalled");
    lab.wait_for_file("stubborn", "/tmp/up");
    running.send_signal("INT");
    // The first signal has arrived; recolte now waits for the script that ignores TERM.
    running.wait_for_stderr("stalled: cancelled");
    let begun = Instant::now();
    running.send_signal("TERM");
    let run = running.wait();
    assert!(begun.elapsed() < Duration::from_secs(7), "{:?}: {run}", begun.elapsed());
    run.assert_exit_code(130);
    wait::until("no ssh of ours", || lab.open_connections().is_empty().then_some(()));
    lab.assert_gateway_clean(&run);
    // Its stdin is closed, so the watcher beside it ends the script.
    wait::until("no script", || lab.host_processes("stubborn").is_empty().then_some(()));
    let partial = files(&run.path("")).into_iter().find(|name| name.contains(".part-"));
    assert_eq!(partial, None, "a partial archive");
    // The journal is on disk, and the lock is free.
    let resumed = lab.start(&lab.job_for(&[]).raw_args(&["resume", run.path("").to_str().unwrap()])).wait();
    assert!(resumed.stderr.contains("their script began before, only collected from: stubborn"), "{resumed}");
}

#[test]
fn after_sigkill_script_and_masters_end_by_themselves_and_the_next_run_succeeds() {
    let lab = Lab::with(&["h1", "h2"]);
    let script = "#!/bin/sh\necho whole >/tmp/fichier_log.txt\n[ -e /tmp/again ] && exit 0\n\
                  (trap '' TERM; sleep 1000; :) & : >/tmp/up; wait\n";
    let job = lab.job().script(script);
    let running = lab.start(&job);
    for host in ["h1", "h2"] {
        lab.wait_for_file(host, "/tmp/up");
    }
    running.send_signal("KILL");
    assert_eq!(running.wait().exit_code(), 1009);
    let begun = Instant::now();
    for host in ["h1", "h2"] {
        wait::until("no script", || {
            lab.host_processes(host).iter().all(|p| p.starts_with("sshd")).then_some(())
        });
        lab.host_sh(host, ": >/tmp/again");
    }
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    // The masters of the killed run still live; the next run must not mind.
    let old = lab.open_connections();
    let run = lab.start(&job).wait();
    run.assert_succeeded();
    assert!(!old.is_empty());
    let gone = wait::within(Duration::from_secs(130), || lab.open_connections().is_empty().then_some(()));
    assert!(gone.is_some() && begun.elapsed() < Duration::from_secs(120), "{:?}", lab.open_connections());
    for host in ["h1", "h2"] {
        wait::until("the end of the old sshd processes", || {
            lab.host_processes(host).is_empty().then_some(())
        });
    }
    // The next run also removes the empty control directory of the killed one.
    lab.run_checked(&job).assert_succeeded();
}

#[test]
fn an_interrupted_run_ends_the_scripts_and_exits_with_130() {
    let lab = Lab::with(&["h1", "h2", "h3"]);
    let script = "#!/bin/sh\necho half >/tmp/fichier_log.txt\n[ $(hostname) = h1 ] && exit 0\n: >/tmp/began; sleep 1000\n";
    let running = lab.start(&lab.job().script(script).options(&["-p", "2"]));
    running.wait_for_stderr("h1: succeeded");
    lab.wait_for_file("h2", "/tmp/began");
    lab.wait_for_file("h3", "/tmp/began");
    running.send_signal("INT");
    let run = lab.wait_checked(running);
    run.assert_exit_code(130);
    run.host("h1").assert_succeeded();
    for host in ["h2", "h3"] {
        run.host(host)
            .assert_ended("cancelled", "execute", "interrupted")
            .assert_message("it was ended")
            .assert_hint("recolte resume");
    }
    assert!(unpack(&run.path("JGE.tar.gz")).contains_key("JGE/h1/fichier_log.txt"));
}

#[test]
fn a_parent_that_ignores_the_ends_of_its_children_does_not_matter() {
    let lab = Lab::with(&["h1"]);
    let sendmail = lab.write_file("sendmail", "#!/bin/sh\ncat >sent\n");
    lab.sh(&format!("chmod +x {}", sendmail.display()));
    let path = format!("{}:{}", sendmail.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let job = lab.job().set("mail.to", &["a@example.fr"]).set("mail.from", "b@example.fr").env("PATH", &path);
    // dash takes this trap back before it starts a program.
    let mut command = lab.command("/bin/bash");
    command.args(["-c", "trap '' CHLD; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_recolte")]);
    let run = lab.wait_checked(lab.start_with(command, &job));
    run.assert_succeeded();
    assert_eq!(run.report()["mail"]["sent"], true, "{run}");
    assert!(job.folder().join("sent").exists(), "{run}");
}
