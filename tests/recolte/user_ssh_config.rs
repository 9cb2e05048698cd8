//! The user's ssh_config counts: live masters, options, keys, host keys.

use std::fs;

use crate::lab::Lab;

#[test]
fn a_host_is_visited_over_one_connection() {
    let lab = Lab::with(&["h1", "h2"]);
    lab.run_checked(&lab.job()).assert_succeeded();
    assert_eq!((lab.count_logins("h1"), lab.count_logins("h2")), (1, 1));
}

#[test]
fn the_users_live_master_is_used_and_left_alive() {
    let lab = Lab::with(&["h1", "h2"]);
    lab.prepend_ssh_config(&format!("Host h?\n  ControlPath {}\n", lab.path("own-%C").display()));
    let ssh = format!("ssh -F {} -o BatchMode=yes", lab.ssh_config().display());
    lab.sh(&format!("{ssh} -MNf h2 >/dev/null 2>&1"));
    let run = lab.start(&lab.job()).wait();
    run.assert_succeeded();
    assert_eq!((lab.count_logins("h1"), lab.count_logins("h2")), (1, 1), "no second login beside the master");
    lab.assert_gateway_clean(&run);
    lab.sh(&format!("{ssh} -O check h2 2>&1"));
    assert_eq!(lab.sh(&format!("{ssh} h2 hostname")), "h2");
    lab.sh(&format!("{ssh} -O exit h2 2>&1"));
    lab.assert_hosts_clean(&run);
}

#[test]
fn a_script_timeout_over_the_users_master_leaves_the_master_alive() {
    let lab = Lab::with(&["h1"]);
    lab.prepend_ssh_config(&format!("Host h1\n  ControlPath {}\n", lab.path("own").display()));
    let ssh = format!("ssh -F {} -o BatchMode=yes", lab.ssh_config().display());
    lab.sh(&format!("{ssh} -MNf h1 >/dev/null 2>&1"));
    let job = lab.job().script("#!/bin/sh\nsleep 1000\n").set("script.timeout", "1s");
    let run = lab.start(&job).wait();
    run.assert_exit_code(1);
    run.host("h1").assert_ended("timed_out", "execute", "script_timeout");
    lab.sh(&format!("{ssh} -O check h1 2>&1"));
    assert!(
        !lab.host_processes("h1").iter().any(|line| line.contains("sleep")),
        "{:?}",
        lab.host_processes("h1")
    );
    lab.sh(&format!("{ssh} -O exit h1 2>&1"));
    lab.assert_hosts_clean(&run);
}

#[test]
fn a_stale_control_socket_is_reported_and_left() {
    let lab = Lab::with(&["h1"]);
    let socket = lab.path("stale");
    lab.prepend_ssh_config(&format!("Host h1\n  ControlPath {}\n  ControlMaster auto\n", socket.display()));
    lab.sh(&format!(
        "python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"{}\")'",
        socket.display()
    ));
    let run = lab.run_checked(&lab.job());
    run.assert_succeeded();
    let note = format!(
        "h1: nobody answers at your control socket; a connection of our own was made; rm {}",
        socket.display()
    );
    assert!(run.stderr.contains(&note), "{run}");
    let check = lab.run_checked(&lab.job().subcommand("check"));
    check.assert_exit_code(0);
    assert!(check.stdout.contains("connect: nobody answers at your control socket"), "{check}");
    assert!(socket.exists(), "what is the user's stays");
}

#[test]
fn a_host_key_is_added_only_if_ssh_config_says_so() {
    let lab = Lab::with(&["h1"]);
    let known = lab.path("lab/known_hosts");
    let own = fs::read_to_string(lab.ssh_config()).unwrap();
    for (checking, learned) in [("yes", false), ("ask", false), ("accept-new", true)] {
        fs::write(&known, "").unwrap();
        fs::write(lab.ssh_config(), format!("Host *\n  StrictHostKeyChecking {checking}\n{own}")).unwrap();
        let run = lab.run_checked(&lab.job().set("ssh.retries", 0));
        if learned {
            run.assert_succeeded();
        } else {
            run.assert_exit_code(1);
            run.host("h1").assert_ended("unreachable", "connect", "host_key_unknown").assert_hint(" h1 true");
        }
        assert_eq!(!fs::read(&known).unwrap().is_empty(), learned, "StrictHostKeyChecking {checking}");
    }
}

#[test]
fn interactive_options_of_ssh_config_have_no_effect() {
    let lab = Lab::with(&["h1", "h2"]);
    let touched = lab.path("touched");
    lab.prepend_ssh_config(&format!(
        "Host *\n  RemoteCommand sleep 1000\n  RequestTTY force\n  LocalForward 127.0.0.1:7007 127.0.0.1:22\n  \
         RemoteForward 7008 127.0.0.1:22\n  ExitOnForwardFailure yes\n  PermitLocalCommand yes\n  LocalCommand touch {}\n  \
         ForwardAgent yes\n  ControlMaster auto\n  ControlPersist yes\n  SessionType none\n  ForkAfterAuthentication yes\n",
        touched.display()
    ));
    lab.run_checked(&lab.job()).assert_succeeded();
    assert!(!touched.exists());
}

#[test]
fn the_key_of_the_job_and_the_config_of_the_command_line_are_used() {
    let lab = Lab::with(&["h1"]);
    let config = format!(
        "Host h1\n  HostName {}\n  User User_VIP\n  UserKnownHostsFile {}\n  IdentitiesOnly yes\n",
        lab.address("h1"),
        lab.path("lab/known_hosts").display()
    );
    let config = lab.write_file("other_config", config);
    let job = lab.job().without("ssh.config").options(&["-F", config.to_str().unwrap()]);
    let job = job.set("ssh.identity", lab.path("lab/id_ed25519").as_path());
    lab.run_checked(&job).assert_succeeded();
    let run = lab.run_checked(&job.without("ssh.identity"));
    run.assert_exit_code(1);
    run.host("h1").assert_ended("unreachable", "connect", "auth_denied");
}

#[test]
fn a_passphrase_is_never_asked_for() {
    let lab = Lab::with(&["h1"]);
    lab.sh(&format!("ssh-keygen -q -p -N secret -P '' -f {}", lab.path("lab/id_ed25519").display()));
    let run = lab.run_checked(&lab.job());
    run.assert_exit_code(1);
    run.host("h1").assert_ended("unreachable", "connect", "auth_denied").assert_hint("");
}
