//! A connection that is lost, or a host that is, in each step of a visit.

use std::fs;
use std::time::{Duration, Instant};

use crate::lab::stalled_host::StalledHost;
use crate::lab::{Lab, stalled_host, unpack, wait};

#[test]
fn a_connection_lost_while_the_script_runs_ends_the_script_and_is_reported() {
    let lab = Lab::with(&["broken", "good"]);
    let script = "#!/bin/sh\n[ $(hostname) = good ] || { : >/tmp/began; sleep 1000; }\n\
                  echo \"$(hostname) $1\" >/tmp/fichier_log.txt\n";
    let running = lab.start(&lab.job().script(script));
    lab.wait_for_file("broken", "/tmp/began");
    lab.host_sh("broken", "pkill -KILL -u User_VIP sshd");
    let run = running.wait();
    run.host("broken").assert_ended("failed", "execute", "connection_lost").assert_hint("resume");
    assert_eq!(run.host("broken").exit_status(), None);
    run.assert_others_unharmed(&["good"]);
    lab.assert_gateway_clean(&run);
    wait::until("the end of the script", || lab.host_processes("broken").is_empty().then_some(()));
}

#[test]
fn a_silent_network_is_noticed_by_the_keepalive_of_the_users_ssh_config() {
    let lab = Lab::with(&["silent", "good"]);
    lab.prepend_ssh_config("Host *\n  ServerAliveInterval 1\n  ServerAliveCountMax 2\n");
    let script = "#!/bin/sh\n[ $(hostname) = good ] || { : >/tmp/began; sleep 1000; }\n\
                  echo \"$(hostname) $1\" >/tmp/fichier_log.txt\n";
    let running = lab.start(&lab.job().script(script));
    lab.wait_for_file("silent", "/tmp/began");
    lab.host_sh("silent", "ip link set eth0 down");
    let run = running.wait();
    run.host("silent").assert_ended("failed", "execute", "connection_lost").assert_hint("");
    run.assert_others_unharmed(&["good"]);
    lab.assert_gateway_clean(&run);
}

#[test]
fn a_host_that_dies_while_its_files_are_read_leaves_no_partial_copy() {
    let lab = Lab::with(&["dies", "good"]);
    lab.prepend_ssh_config("Host *\n  ServerAliveInterval 1\n  ServerAliveCountMax 2\n");
    let script = "#!/bin/sh\n[ $(hostname) = good ] || head -c 2000000000 /dev/zero >/tmp/fichier_big_log.txt\n\
                  echo \"$(hostname) $1\" >/tmp/fichier_log.txt\n";
    let job = lab.job().script(script).set("collect.max_file", "4GiB");
    let running = lab.start(&job);
    let folder = job.output().join("latest/JGE/dies");
    wait::until("a copy under way", || {
        let parts = fs::read_dir(&folder).ok()?.flatten();
        parts.filter_map(|part| part.metadata().ok()).any(|meta| meta.len() > 1_000_000).then_some(())
    });
    lab.sh(&format!("kill -9 {}", lab.host_pid("dies")));
    let run = running.wait();
    run.host("dies").assert_ended("failed", "collect", "connection_lost").assert_hint("resume");
    run.assert_others_unharmed(&["good"]);
    let left = run.collected_files();
    assert!(left.iter().all(|name| !name.contains("big") && !name.contains(".part")), "{left:?}");
    lab.assert_gateway_clean(&run);
}

/// Kills every sshd process on the stalled host, and checks that only this host is affected.
fn kill_sshd(host: &StalledHost, outcome: &str) {
    let lab = host.lab();
    let running = host.start(&lab);
    lab.host_sh("stalled", "pkill -KILL sshd");
    let run = running.wait();
    run.assert_exit_code(1);
    run.host("stalled").assert_ended(outcome, host.step, "connection_lost").assert_hint("");
    run.host("good").assert_succeeded();
    let archive = unpack(&run.path("JGE.tar.gz"));
    assert_eq!(archive["JGE/good/fichier_log.txt"].bytes, b"whole\n");
    assert_eq!(run.collected_files(), ["good/fichier_log.txt"], "a partial file: {run}");
    lab.assert_gateway_clean(&run);
    wait::until("no process on the host", || lab.host_processes("stalled").is_empty().then_some(()));
}

#[test]
fn sshd_is_killed_while_a_connection_is_made() {
    kill_sshd(&stalled_host::CONNECT, "unreachable");
}

#[test]
fn sshd_is_killed_while_the_script_is_uploaded() {
    kill_sshd(&stalled_host::UPLOAD, "failed");
}

#[test]
fn sshd_is_killed_while_the_script_is_installed() {
    kill_sshd(&stalled_host::INSTALL, "failed");
}

#[test]
fn sshd_is_killed_while_the_script_runs() {
    kill_sshd(&stalled_host::EXECUTE, "failed");
}

#[test]
fn sshd_is_killed_while_files_are_collected() {
    kill_sshd(&stalled_host::COLLECT, "failed");
}

#[test]
fn a_silent_network_is_noticed_within_75_seconds_and_no_other_host_waits() {
    let lab = Lab::with(&["dead", "good"]);
    let script = "#!/bin/sh\necho half >/tmp/fichier_log.txt\n[ $(hostname) = good ] && exit 0\n\
                  echo up >/tmp/up; sleep 1000\n";
    let running = lab.start(&lab.job().script(script).options(&["-v"]));
    lab.wait_for_file("dead", "/tmp/up");
    let begun = Instant::now();
    lab.host_sh("dead", "ip link set eth0 down");
    running.wait_for_stderr("good: succeeded");
    let run = running.wait();
    assert!(begun.elapsed() < Duration::from_secs(75), "{:?}: {run}", begun.elapsed());
    run.assert_exit_code(1);
    run.host("dead").assert_ended("failed", "execute", "connection_lost").assert_hint("resume");
    run.host("good").assert_succeeded();
    lab.assert_gateway_clean(&run);
}
