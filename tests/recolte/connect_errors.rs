//! Hosts that cannot be reached: each is reported with its cause, and other hosts are not affected.

use std::fs;

use crate::lab::Lab;

#[test]
fn each_host_that_cannot_be_reached_has_its_own_cause() {
    let lab = Lab::builder(&["down", "stranger", "changed", "locked", "good1", "good2"])
        .setup("down", ": >/etc/ssh/sshd_not_to_be_run")
        .setup("locked", ": >/home/User_VIP/.ssh/authorized_keys")
        .up();
    lab.prepend_ssh_config("Host nowhere\n  HostName nowhere.invalid\n");
    let known = lab.confuse_known_hosts("changed", "good1", "stranger");
    let hosts = ["down", "nowhere", "stranger", "changed", "locked", "good1", "good2"];
    let run = lab.run_checked(&lab.job_for(&hosts).set("ssh.retries", 0));
    for (host, cause, hint) in [
        ("down", "refused", "sshd"),
        ("nowhere", "unresolved", "name"),
        ("stranger", "host_key_unknown", " stranger true"),
        ("changed", "host_key_changed", "ssh-keygen -f "),
        ("locked", "auth_denied", "authorized_keys"),
    ] {
        run.host(host).assert_ended("unreachable", "connect", cause).assert_hint(hint);
        assert!(run.stderr.contains(&format!("{host}: unreachable")), "{run}");
    }
    assert_eq!(run.report()["totals"]["unreachable"], 5);
    run.assert_others_unharmed(&["good1", "good2"]);
    assert_eq!(fs::read_to_string(lab.path("lab/known_hosts")).unwrap(), known, "known_hosts was changed");
}

#[test]
fn a_refused_key_is_never_offered_twice() {
    let lab = Lab::builder(&["locked"]).setup_all(": >/home/User_VIP/.ssh/authorized_keys").up();
    let run = lab.run_checked(&lab.job().set("ssh.retries", 3));
    run.assert_exit_code(1);
    run.host("locked").assert_ended("unreachable", "connect", "auth_denied");
    assert_eq!(lab.count_log_lines("locked", "Connection from"), 1);
}

#[test]
fn a_connection_that_fails_for_a_transient_cause_is_retried() {
    let lab = Lab::with(&["h1"]);
    let line = format!("exec 3<>/dev/tcp/{}/22; cat <&3 & cat >&3; kill $!", lab.address("h1"));
    let proxy = lab
        .write_file("proxy", format!("#!/bin/bash\n[ -e $0.tried ] || {{ : >$0.tried; exit 1; }}\n{line}\n"));
    lab.sh(&format!("chmod 755 {}", proxy.display()));
    lab.prepend_ssh_config(&format!("Host h1\n  ProxyCommand {}\n", proxy.display()));
    let run = lab.run_checked(&lab.job().set("ssh.retries", 0));
    run.assert_exit_code(1);
    run.host("h1").assert_ended("unreachable", "connect", "connection_lost").assert_hint("");
    fs::remove_file(lab.path("proxy.tried")).unwrap();
    lab.run_checked(&lab.job().set("ssh.retries", 1)).assert_succeeded();
}

#[test]
fn a_silent_sshd_costs_no_more_than_connect_timeout() {
    let lab = Lab::with(&["silent", "good"]);
    lab.host_sh("silent", "kill -STOP $(cat /run/sshd.pid)");
    let run = lab.run_checked(&lab.job().set("ssh.retries", 0).set("ssh.connect_timeout", "3s"));
    run.host("silent").assert_ended("unreachable", "connect", "connect_timeout").assert_hint("");
    run.assert_others_unharmed(&["good"]);
}

#[test]
fn dropped_packets_cost_one_host_connect_timeout_and_no_other_host_waits() {
    let lab = Lab::with(&["dropped", "good"]);
    let route = lab.sh(&format!("ip -o route get {}", lab.address("dropped")));
    let gateway = route.split_whitespace().skip_while(|word| *word != "src").nth(1).unwrap().to_owned();
    lab.host_sh("dropped", &format!("ip route add blackhole {gateway}"));
    let run = lab.run_checked(&lab.job().set("ssh.retries", 0).set("ssh.connect_timeout", "3s"));
    run.host("dropped").assert_ended("unreachable", "connect", "connect_timeout").assert_hint("");
    run.assert_others_unharmed(&["good"]);
}
