//! `connect_timeout`, `[script] timeout` and `deadline`: what they bound, and that no other host waits.

use std::time::{Duration, Instant};

use crate::lab::{Lab, Run, unpack};

/// Returns a setup script that replaces sshd by a server which accepts, sends a text, and stays silent.
fn silent_server(says: &str) -> String {
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

/// A setup script for an sshd that stalls in the authentication.
const STALLS: &str = "printf '#!/bin/sh\\nexec sleep 1000\\n' >/etc/ssh/keys; chmod 755 /etc/ssh/keys\n\
                      sed -i '/^AuthorizedKeys/d' /etc/ssh/sshd_config\n\
                      printf '%s\\n' 'AuthorizedKeysFile none' 'AuthorizedKeysCommand /etc/ssh/keys' \
                      'AuthorizedKeysCommandUser root' >>/etc/ssh/sshd_config";

#[test]
fn connect_timeout_covers_the_whole_handshake_and_no_other_host_waits() {
    let hosts = ["silent", "mute", "stalls", "good"];
    let lab = Lab::builder(&hosts)
        .setup("silent", &silent_server(""))
        .setup("mute", &silent_server("SSH-2.0-OpenSSH_9.2\r\n"))
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
    // Two attempts of 3 s and the wait between them stay far below this; another time-out would not.
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}: {run}", begun.elapsed());
}

/// A script that ignores TERM, as do its children; only KILL ends them.
const STUBBORN: &str = "#!/bin/sh\ntrap '' TERM HUP INT\necho half >/tmp/fichier_log.txt\n\
                        sh -c 'trap \"\" TERM HUP INT; sleep 1000; :' & sleep 1001 &\n\
                        echo up >/tmp/up; while :; do sleep 1002; done\n";

/// Checks that the report says that the script was ended, and that what it had written was collected.
#[track_caller]
fn assert_script_timeout(run: &Run, host: &str) {
    run.host(host)
        .assert_ended("timed_out", "execute", "script_timeout")
        .assert_message("longer than 2s; it was ended")
        .assert_hint("timeout");
    assert_eq!(run.host(host).exit_status(), None);
    assert_eq!(run.read_collected(host, "fichier_log.txt"), b"half\n");
}

#[test]
fn a_script_that_ignores_term_is_killed_with_its_children_ten_seconds_later() {
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
        assert_script_timeout(&run, "h1");
        lab.assert_gateway_clean(&run);
        lab.assert_nothing_staged("h1", &run);
    }
}

#[test]
fn a_background_process_does_not_time_out_a_script_that_has_ended() {
    let lab = Lab::with(&["h1"]);
    let script = "#!/bin/sh\necho whole >/tmp/fichier_log.txt\nsleep 1000 &\n";
    let run = lab.start(&lab.job().script(script).set("script.timeout", "1s")).wait();
    run.assert_succeeded();
    assert_eq!(run.host("h1").exit_status(), Some(0));
    lab.assert_gateway_clean(&run);
}

#[test]
fn at_the_deadline_collected_files_are_archived_and_each_host_has_an_outcome() {
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
fn a_script_beyond_its_timeout_is_ended_with_all_its_children() {
    let lab = Lab::with(&["h1", "h2"]);
    let script = "#!/bin/sh\necho half >/tmp/fichier_log.txt\n[ $(hostname) = h2 ] && exit 0\n\
                  sleep 1000 & (trap '' TERM HUP INT; sleep 1001) & echo $$ >/tmp/pid; wait\n";
    let run = lab.run_checked(&lab.job().script(script).set("script.timeout", "2s"));
    run.assert_exit_code(1);
    run.host("h1").assert_ended("timed_out", "execute", "script_timeout").assert_message("it was ended");
    run.host("h2").assert_succeeded();
    // `run_checked` has checked that no process is left; this shows that there was one.
    assert!(lab.host_path("h1", "/tmp/pid").exists());
    assert_eq!(
        run.read_collected("h1", "fichier_log.txt"),
        b"half\n",
        "what was written before is collected"
    );
    assert_eq!(run.host("h1").exit_status(), None);
}

#[test]
fn without_supervise_a_script_beyond_its_timeout_is_left_running_and_reported() {
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
