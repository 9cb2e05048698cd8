//! Time: what bounds a connection, a script and a run, and that one host's wait is nobody else's.

use std::time::{Duration, Instant};

use crate::lab::{Job, Lab, Run, unpack, wait};

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
