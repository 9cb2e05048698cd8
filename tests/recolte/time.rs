//! Time: what bounds a connection, a script and a run, and that one host's wait is nobody else's.

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
    let hosts = ["silent", "mute", "stalls", "well"];
    let lab = Lab::of(&hosts)
        .setup("silent", &listener(""))
        .setup("mute", &listener("SSH-2.0-OpenSSH_9.2\r\n"))
        .setup("stalls", STALLS)
        .up();
    let job = lab.job().set("ssh.connect_timeout", "3s").set("ssh.retries", 1).options(&["-v"]);
    let begun = Instant::now();
    let running = lab.start(&job);
    running.says("well: succeeded");
    let run = lab.tidy_after(running);
    run.exits(1);
    for host in ["silent", "mute", "stalls"] {
        run.host(host).ended("unreachable", "connect", "connect_timeout").says("within 3s").hints("");
    }
    run.host("well").succeeded();
    assert_eq!(run.collected("well", "fichier_log.txt"), b"well SOC_PRODUCTION\n");
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
        .ended("timed_out", "execute", "script_timeout")
        .says("longer than 2s; it was ended")
        .hints("timeout");
    assert_eq!(run.host(host).exit_status(), None);
    assert_eq!(run.collected(host, "fichier_log.txt"), b"half\n");
}

#[test]
fn a_script_that_ignores_term_is_killed_with_its_children_after_the_grace() {
    let lab = Lab::with(&["h1", "h2"]);
    let script = STUBBORN.replace("\nsh -c", "\n[ $(hostname) = h2 ] && exit 0\nsh -c");
    for run_as in [true, false] {
        let job = lab.job().script(&script).set("script.timeout", "2s").options(&["-v"]);
        let job = if run_as { job } else { job.without("script.run_as") };
        for host in ["h1", "h2"] {
            lab.on_host(host, "rm -f /tmp/up /tmp/fichier_log.txt");
        }
        let running = lab.start(&job);
        running.says("h2: succeeded");
        lab.appears("h1", "/tmp/up");
        let run = running.end();
        assert!(lab.processes("h1").is_empty(), "right after the run: {:?}", lab.processes("h1"));
        run.exits(1);
        ended_by_its_timeout(&run, "h1");
        lab.gateway_is_tidy(&run);
        lab.nothing_staged("h1", &run);
    }
}

#[test]
fn a_script_that_ended_in_time_is_not_timed_out_by_what_it_left_behind() {
    let lab = Lab::with(&["h1"]);
    let script = "#!/bin/sh\necho whole >/tmp/fichier_log.txt\nsleep 1000 &\n";
    let run = lab.start(&lab.job().script(script).set("script.timeout", "1s")).end();
    run.succeeded();
    assert_eq!(run.host("h1").exit_status(), Some(0));
    lab.gateway_is_tidy(&run);
}

#[test]
fn at_the_deadline_what_is_there_is_archived_and_every_host_says_how_far_it_came() {
    let lab = Lab::with(&["quick", "slow", "late"]);
    let script = STUBBORN.replace("\nsh -c", "\n[ $(hostname) = quick ] && exit 0\nsh -c");
    let job = lab.job().script(script).set("deadline", "4s").set("parallel", 1);
    let run = lab.tidy_after(lab.start(&job));
    run.exits(1);
    run.host("quick").succeeded();
    run.host("slow")
        .ended("timed_out", "execute", "deadline")
        .says("still ran at the run's deadline; it was ended")
        .hints("resume");
    let late = run.host("late");
    assert_eq!((late.word("outcome"), late.word("cause")), ("not_started", "deadline"), "{run}");
    assert!(late.0["step"].is_null() && late.0["started"].is_null());
    late.says("deadline").hints("resume");
    let archive = unpack(&run.path("JGE.tar.gz"));
    assert_eq!(archive["JGE/quick/fichier_log.txt"].bytes, b"half\n");
    assert!(!lab.on("late", "/tmp/fichier_log.txt").exists(), "its script ran: {run}");
}

#[test]
fn a_link_that_dies_in_silence_is_noticed_within_a_minute_and_holds_nobody_up() {
    let lab = Lab::with(&["dead", "well"]);
    let script = "#!/bin/sh\necho half >/tmp/fichier_log.txt\n[ $(hostname) = well ] && exit 0\n\
                  echo up >/tmp/up; sleep 1000\n";
    let running = lab.start(&lab.job().script(script).options(&["-v"]));
    lab.appears("dead", "/tmp/up");
    let begun = Instant::now();
    lab.on_host("dead", "ip link set eth0 down");
    running.says("well: succeeded");
    let run = running.end();
    assert!(begun.elapsed() < Duration::from_secs(75), "{:?}: {run}", begun.elapsed());
    run.exits(1);
    run.host("dead").ended("failed", "execute", "connection_lost").hints("resume");
    run.host("well").succeeded();
    lab.gateway_is_tidy(&run);
}
