//! Jump hosts: they are used as ssh_config says, what they say is told, and one that refuses is not asked again.

use crate::lab::Lab;

/// Makes a host refuse the user's key.
const FORGET_KEYS: &str = ": >/home/User_VIP/.ssh/authorized_keys";

#[test]
fn a_jump_host_is_used_as_ssh_config_says() {
    let lab = Lab::with(&["inner", "jump"]);
    lab.prepend_ssh_config("Host inner\n  ProxyJump jump\n");
    lab.run_checked(&lab.job_for(&["inner"])).assert_succeeded();
    let log = lab.sshd_log("inner");
    assert!(log.contains(&format!("Connection from {} ", lab.address("jump"))), "{log}");
}

#[test]
fn a_jump_host_with_max_startups_2_serves_all_hosts_in_the_end() {
    let names = ["h1", "h2", "h3", "h4", "h5", "h6", "h7", "h8"];
    let all: Vec<&str> = names.into_iter().chain(["jump"]).collect();
    let lab = Lab::builder(&all).setup("jump", "echo MaxStartups 2 >>/etc/ssh/sshd_config").up();
    lab.prepend_ssh_config("Host h?\n  ProxyJump jump\n");
    lab.run_checked(&lab.job_for(&names).options(&["--parallel", "8"])).assert_succeeded();
    let log = lab.sshd_log("jump");
    assert!(log.contains("MaxStartups"), "nobody was refused: {log}");
}

#[test]
fn what_a_jump_host_says_is_told_for_the_hosts_behind_it() {
    let gates = ["refuses", "stranger", "changed", "closed", "forbids", "open"];
    let all: Vec<&str> = gates.into_iter().chain(["down", "good"]).collect();
    let lab = Lab::builder(&all)
        .setup("refuses", FORGET_KEYS)
        .setup("closed", ": >/etc/ssh/sshd_not_to_be_run")
        .setup("forbids", "echo AllowTcpForwarding no >>/etc/ssh/sshd_config")
        .setup("down", ": >/etc/ssh/sshd_not_to_be_run")
        .up();
    lab.confuse_known_hosts("changed", "good", "stranger");
    let mut config = String::new();
    for gate in gates.into_iter().chain(["nowhere"]) {
        config += &format!(
            "Host by-{gate}\n  HostName {}\n  HostKeyAlias good\n  ProxyJump {gate}\n",
            lab.address("good")
        );
    }
    config += &format!("Host behind-open\n  HostName {}\n  ProxyJump open\n", lab.address("down"));
    config += "Host unknown-there\n  HostName unknown.invalid\n  ProxyJump open\n";
    config += "Host no-program\n  ProxyCommand no-such-program %h %p\n";
    let (key, known) = (lab.path("lab/id_ed25519"), lab.path("lab/known_hosts"));
    config += &format!(
        "Host by-* behind-* unknown-* nowhere\n  User User_VIP\n  IdentityFile \"{}\"\n  UserKnownHostsFile \"{}\"\n",
        key.display(),
        known.display()
    );
    lab.prepend_ssh_config(&format!("{config}Host nowhere\n  HostName nowhere.invalid\n"));
    let rows = [
        ("by-refuses", "jump_failed", "jump host refuses: ", "refuses true"),
        ("by-stranger", "jump_failed", "Host key verification failed", "stranger true"),
        ("by-changed", "jump_failed", "has changed", "ssh-keygen -f "),
        ("by-closed", "jump_failed", "Connection refused", "sshd"),
        ("by-forbids", "jump_failed", "administratively prohibited", "AllowTcpForwarding"),
        ("by-nowhere", "jump_failed", "Could not resolve hostname", "name"),
        ("behind-open", "refused", "Connection refused", "sshd"),
        ("unknown-there", "unresolved", "Name or service not known", "jump host must know"),
        ("no-program", "jump_failed", "no-such-program", "ProxyCommand"),
    ];
    let hosts: Vec<&str> = rows.iter().map(|row| row.0).chain(["by-open"]).collect();
    for quiet in ["", "Host *\n  LogLevel QUIET\n"] {
        lab.prepend_ssh_config(quiet);
        let job = lab.job_for(&hosts).options(&["--allow-duplicates"]).set("ssh.retries", 0);
        let run = lab.run_checked(&job);
        for (host, cause, message, hint) in rows {
            let report = run.host(host);
            report.assert_ended("unreachable", "connect", cause).assert_message(message).assert_hint(hint);
        }
        run.host("by-open").assert_succeeded();
    }
}

#[test]
fn a_jump_host_that_refuses_is_not_asked_again_for_the_hosts_behind_it() {
    let names = ["h1", "h2", "h3", "h4"];
    let all: Vec<&str> = names.into_iter().chain(["gate"]).collect();
    let lab = Lab::builder(&all).setup("gate", FORGET_KEYS).up();
    lab.prepend_ssh_config("Host h?\n  ProxyJump gate\nHost *\n  ControlPersist 10m\n");
    let run = lab.run_checked(&lab.job_for(&names).set("parallel", 1).set("ssh.retries", 3));
    run.assert_exit_code(1);
    for host in names {
        let report = run.host(host);
        report
            .assert_ended("unreachable", "connect", "jump_failed")
            .assert_message("Permission denied (publickey)");
    }
    assert_eq!(lab.count_log_lines("gate", "Connection from"), 1);
}

#[test]
fn a_jump_host_that_forbids_one_host_still_leads_to_the_others() {
    let lab = Lab::with(&["h1", "h2", "gate"]);
    let permit = format!("echo PermitOpen {}:22 >>/etc/ssh/sshd_config", lab.address("h2"));
    lab.host_sh("gate", &format!("{permit}; kill -HUP $(cat /run/sshd.pid)"));
    lab.prepend_ssh_config("Host h?\n  ProxyJump gate\n");
    let run = lab.run_checked(&lab.job_for(&["h1", "h2"]).set("parallel", 1).set("ssh.retries", 0));
    run.host("h1").assert_ended("unreachable", "connect", "jump_failed").assert_hint("PermitOpen");
    run.host("h2").assert_succeeded();
}
