//! Hosts that are lost in the middle of their visit: told, and no neighbour notices.

use std::fs;

use crate::faults::neighbours_are_whole;
use crate::hold::{COLLECT, CONNECT, EXECUTE, Hold, INSTALL, UPLOAD};
use crate::lab::{Lab, unpack, wait};

#[test]
fn a_connection_that_breaks_while_the_script_runs_ends_the_script_and_is_told() {
    let lab = Lab::with(&["broken", "good"]);
    let script = "#!/bin/sh\n[ $(hostname) = good ] || { : >/tmp/began; sleep 1000; }\n\
                  echo \"$(hostname) $1\" >/tmp/fichier_log.txt\n";
    let running = lab.start(&lab.job().script(script));
    lab.appears("broken", "/tmp/began");
    lab.on_host("broken", "pkill -KILL -u User_VIP sshd");
    let run = running.end();
    run.host("broken").ended("failed", "execute", "connection_lost").hints("resume");
    assert_eq!(run.host("broken").exit_status(), None);
    neighbours_are_whole(&run, &["good"]);
    lab.gateway_is_tidy(&run);
    wait::until("the end of the script", || lab.processes("broken").is_empty().then_some(()));
}

#[test]
fn a_network_that_goes_silent_is_noticed_by_the_users_own_keepalive() {
    let lab = Lab::with(&["silent", "good"]);
    lab.configure("Host *\n  ServerAliveInterval 1\n  ServerAliveCountMax 2\n");
    let script = "#!/bin/sh\n[ $(hostname) = good ] || { : >/tmp/began; sleep 1000; }\n\
                  echo \"$(hostname) $1\" >/tmp/fichier_log.txt\n";
    let running = lab.start(&lab.job().script(script));
    lab.appears("silent", "/tmp/began");
    lab.on_host("silent", "ip link set eth0 down");
    let run = running.end();
    run.host("silent").ended("failed", "execute", "connection_lost").hints("");
    neighbours_are_whole(&run, &["good"]);
    lab.gateway_is_tidy(&run);
}

#[test]
fn a_host_that_loses_its_power_while_its_files_are_read_leaves_no_half_copy() {
    let lab = Lab::with(&["dies", "good"]);
    lab.configure("Host *\n  ServerAliveInterval 1\n  ServerAliveCountMax 2\n");
    let script = "#!/bin/sh\n[ $(hostname) = good ] || head -c 2000000000 /dev/zero >/tmp/fichier_big_log.txt\n\
                  echo \"$(hostname) $1\" >/tmp/fichier_log.txt\n";
    let job = lab.job().script(script).set("collect.max_file", "4GiB");
    let running = lab.start(&job);
    let folder = job.output().join("latest/JGE/dies");
    wait::until("a copy under way", || {
        let parts = fs::read_dir(&folder).ok()?.flatten();
        parts.filter_map(|part| part.metadata().ok()).any(|meta| meta.len() > 1_000_000).then_some(())
    });
    lab.sh(&format!("kill -9 {}", lab.pid("dies")));
    let run = running.end();
    run.host("dies").ended("failed", "collect", "connection_lost").hints("resume");
    neighbours_are_whole(&run, &["good"]);
    let left = run.harvest();
    assert!(left.iter().all(|name| !name.contains("big") && !name.contains(".part")), "{left:?}");
    lab.gateway_is_tidy(&run);
}

/// Kills all of sshd on the held host.
fn kill_sshd(hold: &Hold, outcome: &str) {
    let lab = hold.lab();
    let running = hold.start(&lab);
    lab.on_host("held", "pkill -KILL sshd");
    let run = running.end();
    run.exits(1);
    run.host("held").ended(outcome, hold.step, "connection_lost").hints("");
    run.host("well").succeeded();
    let archive = unpack(&run.path("JGE.tar.gz"));
    assert_eq!(archive["JGE/well/fichier_log.txt"].bytes, b"whole\n");
    assert_eq!(run.harvest(), ["well/fichier_log.txt"], "half a file: {run}");
    lab.gateway_is_tidy(&run);
    wait::until("no process on the host", || lab.processes("held").is_empty().then_some(()));
}

#[test]
fn sshd_is_killed_while_a_connection_is_made() {
    kill_sshd(&CONNECT, "unreachable");
}

#[test]
fn sshd_is_killed_while_the_script_is_uploaded() {
    kill_sshd(&UPLOAD, "failed");
}

#[test]
fn sshd_is_killed_while_the_script_is_installed() {
    kill_sshd(&INSTALL, "failed");
}

#[test]
fn sshd_is_killed_while_the_script_runs() {
    kill_sshd(&EXECUTE, "failed");
}

#[test]
fn sshd_is_killed_while_files_are_collected() {
    kill_sshd(&COLLECT, "failed");
}
