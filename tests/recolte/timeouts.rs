//! `connect_timeout`, `[script] timeout` and `deadline`: what they bound, and that no other host waits.

use std::time::{Duration, Instant};

use crate::lab::{Lab, Run, unpack};

/// Takes every connection on port 22 in place of sshd, and says this and no more.
fn listener(says: &str) -> String {
    format!(
        ": >/etc/ssh/sshd_not_to_be_run\n\
         setsid python3 -c '\n\
         import socket, time\n\
         server = socket.create_server((\"\", 22))\n\
         kept = []\n\
         while True:\n    \
             kept.append(server.accept()[0])\n    \
             kept[-1].sendall({says:?}.encode())\n\
         ' >/dev/null 2>&1 </dev/null &"
    )
}

/// sshd that waits for a program before it knows whose key it is.
const STALLS: &str = "printf '#!/bin/sh\\nexec sleep 1000\\n' >/etc/ssh/keys; chmod 755 /etc/ssh/keys\n\
                      sed -i '/^AuthorizedKeys/d' /etc/ssh/sshd_config\n\
                      printf '%s\\n' 'AuthorizedKeysFile none' 'AuthorizedKeysCommand /etc/ssh/keys' \
                      'AuthorizedKeysCommandUser root' >>/etc/ssh/sshd_config";

#[test]
fn connect_timeout_bounds_all_of_the_connecting_and_no_neighbour_waits() {
    let hosts = ["silent", "mute", "stalls", "good"];
    let lab = Lab::builder(&hosts)
        .setup("silent", &listener(""))
        .setup("mute", &listener("SSH-2.0-OpenSSH_9.2\r\n"))
        .setup("stalls", STALLS)
        .up();
    let job = lab.job().set("ssh.connect_timeout", "3s").set("ssh.retries", 1).options(&["-v"]);
    let begun = Instant::now();
    let running = lab.start(&job);
    running.wait_for_stderr("good: succeeded");
    let run = lab.wait_checked(running);
    run.assert_exit_code(1);
    for host in ["silent", "mute", "stalls"] {
        run.host(host)
            .assert_ended("unreachable", "connect", "connect_timeout")
            .assert_message("within 3s")
            .assert_hint("");
    }
    run.host("good").assert_succeeded();
    assert_eq!(run.read_collected("good", "fichier_log.txt"), b"good SOC_PRODUCTION\n");
    // Two tries of three seconds each and a wait between them: twice that and more was some other time-out.
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}: {run}", begun.elapsed());
}

/// A script whose children, and it itself, ignore TERM; it ends only by KILL.
const STUBBORN: &str = "#!/bin/sh\ntrap '' TERM HUP INT\necho half >/tmp/fichier_log.txt\n\
                        sh -c 'trap \"\" TERM HUP INT; sleep 1000; :' & sleep 1001 &\n\
                        echo up >/tmp/up; while :; do sleep 1002; done\n";

/// The script was ended: the report says so, and what it wrote came home.
#[track_caller]
fn ended_by_its_timeout(run: &Run, host: &str) {
    run.host(host)
        .assert_ended("timed_out", "execute", "script_timeout")
        .assert_message("longer than 2s; it was ended")
        .assert_hint("timeout");
    assert_eq!(run.host(host).exit_status(), None);
    assert_eq!(run.read_collected(host, "fichier_log.txt"), b"half\n");
}

#[test]
fn a_script_that_ignores_term_is_killed_with_its_children_after_the_grace() {
    let lab = Lab::with(&["h1", "h2"]);
    let script = STUBBORN.replace("\nsh -c", "\n[ $(hostname) = h2 ] && exit 0\nsh -c");
    for run_as in [true, false] {
        let job = lab.job().script(&script).set("script.timeout", "2s").options(&["-v"]);
        let job = if run_as { job } else { job.without("script.run_as") };
        for host in ["h1", "h2"] {
            lab.host_sh(host, "rm -f /tmp/up /tmp/fichier_log.txt");
        }
        let running = lab.start(&job);
        running.wait_for_stderr("h2: succeeded");
        lab.wait_for_file("h1", "/tmp/up");
        let run = running.wait();
        assert!(lab.host_processes("h1").is_empty(), "right after the run: {:?}", lab.host_processes("h1"));
        run.assert_exit_code(1);
        ended_by_its_timeout(&run, "h1");
        lab.assert_gateway_clean(&run);
        lab.assert_nothing_staged("h1", &run);
    }
}

#[test]
fn a_script_that_ended_in_time_is_not_timed_out_by_what_it_left_behind() {
    let lab = Lab::with(&["h1"]);
    let script = "#!/bin/sh\necho whole >/tmp/fichier_log.txt\nsleep 1000 &\n";
    let run = lab.start(&lab.job().script(script).set("script.timeout", "1s")).wait();
    run.assert_succeeded();
    assert_eq!(run.host("h1").exit_status(), Some(0));
    lab.assert_gateway_clean(&run);
}

#[test]
fn at_the_deadline_what_is_there_is_archived_and_every_host_says_how_far_it_came() {
    let lab = Lab::with(&["quick", "slow", "late"]);
    let script = STUBBORN.replace("\nsh -c", "\n[ $(hostname) = quick ] && exit 0\nsh -c");
    let job = lab.job().script(script).set("deadline", "4s").set("parallel", 1);
    let run = lab.wait_checked(lab.start(&job));
    run.assert_exit_code(1);
    run.host("quick").assert_succeeded();
    run.host("slow")
        .assert_ended("timed_out", "execute", "deadline")
        .assert_message("still ran at the run's deadline; it was ended")
        .assert_hint("resume");
    let late = run.host("late");
    assert_eq!((late.field("outcome"), late.field("cause")), ("not_started", "deadline"), "{run}");
    assert!(late.0["step"].is_null() && late.0["started"].is_null());
    late.assert_message("deadline").assert_hint("resume");
    let archive = unpack(&run.path("JGE.tar.gz"));
    assert_eq!(archive["JGE/quick/fichier_log.txt"].bytes, b"half\n");
    assert!(!lab.host_path("late", "/tmp/fichier_log.txt").exists(), "its script ran: {run}");
}

#[test]
fn a_script_beyond_its_time_is_ended_with_all_its_children() {
    let lab = Lab::with(&["h1", "h2"]);
    let script = "#!/bin/sh\necho half >/tmp/fichier_log.txt\n[ $(hostname) = h2 ] && exit 0\n\
                  sleep 1000 & (trap '' TERM HUP INT; sleep 1001) & echo $$ >/tmp/pid; wait\n";
    let run = lab.run_checked(&lab.job().script(script).set("script.timeout", "2s"));
    run.assert_exit_code(1);
    run.host("h1").assert_ended("timed_out", "execute", "script_timeout").assert_message("it was ended");
    run.host("h2").assert_succeeded();
    // That no process is left is checked after every run; here, that there was one.
    assert!(lab.host_path("h1", "/tmp/pid").exists());
    assert_eq!(run.read_collected("h1", "fichier_log.txt"), b"half\n", "what was there is brought home");
    assert_eq!(run.host("h1").exit_status(), None);
}

#[test]
fn without_a_supervisor_a_script_beyond_its_time_is_left_running_and_that_is_told() {
    let lab = Lab::with(&["h1"]);
    let script = "#!/bin/sh\necho $$ >/tmp/pid; echo half >/tmp/fichier_log.txt; exec sleep 1000\n";
    let job = lab.job().script(script).set("script.timeout", "2s").set("script.supervise", false);
    let run = lab.start(&job).wait();
    run.assert_exit_code(1);
    run.host("h1")
        .assert_ended("timed_out", "execute", "script_timeout")
        .assert_message("left running")
        .assert_hint("supervise = true");
    lab.assert_gateway_clean(&run);
    lab.assert_nothing_staged("h1", &run);
    lab.host_sh("h1", "kill -0 $(cat /tmp/pid)");
}
