//! What a host or a login says before it ends reaches the report, with the cause and a way out that
//! leads out: it is followed, and the next run succeeds.

use std::fs;

use crate::lab::{Lab, Run};

/// A host with a fault.
struct Fault {
    host: &'static str,
    /// Makes the fault, on the host.
    setup: &'static str,
    /// Follows the hint, on the host.
    mend: &'static str,
    /// The step in which a run ends.
    step: &'static str,
    cause: &'static str,
    message: &'static str,
    hint: &'static str,
}

const fn fault(
    [host, setup, mend]: [&'static str; 3],
    [step, cause]: [&'static str; 2],
    message: &'static str,
    hint: &'static str,
) -> Fault {
    Fault { host, setup, mend, step, cause, message, hint }
}

const KEYS: &str = "/home/User_VIP/.ssh/authorized_keys";

/// Logins that let the user in and run none of its commands.
const LOGINS: [Fault; 14] = [
    fault(
        [
            "expired",
            "chage -d 0 User_VIP; sed -i 's/UsePAM no/UsePAM yes/' /etc/ssh/sshd_config",
            "chage -M -1 -d -1 User_VIP",
        ],
        ["upload", "password_expired"],
        "password",
        "chage -M -1",
    ),
    fault(
        ["closed", "echo 'Back at 18:00' >/etc/nologin", "rm /etc/nologin"],
        ["upload", "login_refused"],
        "Back at 18:00",
        "/etc/nologin",
    ),
    fault(
        [
            "sftponly",
            "echo 'ForceCommand internal-sftp' >>/etc/ssh/sshd_config",
            "sed -i /ForceCommand/d /etc/ssh/sshd_config; kill -HUP $(cat /run/sshd.pid)",
        ],
        ["install", "login_refused"],
        "ran no command",
        "ForceCommand",
    ),
    fault(
        [
            "chroot",
            "mkdir -p /srv/files; printf '%s\\n' 'ForceCommand internal-sftp' 'ChrootDirectory /srv/files' \
             >>/etc/ssh/sshd_config",
            "sed -i '/ForceCommand/d;/ChrootDirectory/d' /etc/ssh/sshd_config; kill -HUP $(cat /run/sshd.pid)",
        ],
        ["upload", "login_refused"],
        "ran no command",
        "ForceCommand",
    ),
    fault(
        ["exits", "sed -i '1i exit 0' /home/User_VIP/.bashrc", "sed -i 1d /home/User_VIP/.bashrc"],
        ["upload", "login_refused"],
        "no word was said",
        ".bashrc that exits",
    ),
    fault(
        ["forced", r#"sed -i 's,^,command="/bin/false" ,' "$K""#, r#"sed -i 's,^command="[^"]*" ,,' "$K""#],
        ["upload", "login_refused"],
        "status 1",
        "command=",
    ),
    fault(
        [
            "git",
            r#"sed -i 's,^,command="echo Only git here." ,' "$K""#,
            r#"sed -i 's,^command="[^"]*" ,,' "$K""#,
        ],
        ["upload", "login_refused"],
        "Only git here.",
        "forced command",
    ),
    fault(
        ["false", "usermod -s /bin/false User_VIP", "usermod -s /bin/bash User_VIP"],
        ["upload", "login_refused"],
        "no word was said",
        "nologin or false",
    ),
    fault(
        ["nologin", "usermod -s /usr/sbin/nologin User_VIP", "usermod -s /bin/bash User_VIP"],
        ["upload", "login_refused"],
        "This account is currently not available.",
        "nologin or false",
    ),
    fault(
        ["sshrc", "echo 'echo Welcome to the host' >/etc/ssh/sshrc", "rm /etc/ssh/sshrc"],
        ["upload", "noisy_shell"],
        "Welcome to the host",
        "print nothing",
    ),
    fault(
        [
            "bashrc",
            "sed -i '1i echo Hello from bashrc' /home/User_VIP/.bashrc",
            "sed -i 1d /home/User_VIP/.bashrc",
        ],
        ["upload", "noisy_shell"],
        "Hello from bashrc",
        "print nothing",
    ),
    fault(
        ["locked", "mv $K $K.away", "mv $K.away $K"],
        ["connect", "auth_denied"],
        "Permission denied",
        "authorized_keys",
    ),
    fault(
        [
            "pam",
            "sed -i 's/UsePAM no/UsePAM yes/' /etc/ssh/sshd_config; chage -E 0 User_VIP",
            "chage -E -1 User_VIP",
        ],
        ["connect", "account_locked"],
        "expired",
        "chage -E -1",
    ),
    fault(
        [
            "maintenance",
            "sed -i 's/UsePAM no/UsePAM yes/' /etc/ssh/sshd_config; echo 'Back at 18:00' >/etc/nologin; \
             sed -i '1i account requisite pam_nologin.so' /etc/pam.d/sshd",
            "rm /etc/nologin",
        ],
        ["connect", "login_refused"],
        "Back at 18:00",
        "/etc/nologin",
    ),
];

fn on_host(line: &str) -> String {
    format!("K={KEYS}; {line}")
}

/// Starts a lab of hosts with faults and of a good one.
fn start(faults: &[Fault]) -> Lab {
    let names: Vec<&str> = faults.iter().map(|fault| fault.host).chain(["good"]).collect();
    let lab = Lab::builder(&names);
    faults.iter().fold(lab, |lab, fault| lab.setup(fault.host, &on_host(fault.setup))).up()
}

fn assert_told(run: &Run, fault: &Fault) {
    let outcome = if fault.step == "connect" { "unreachable" } else { "failed" };
    let report = run.host(fault.host);
    report
        .assert_ended(outcome, fault.step, fault.cause)
        .assert_message(fault.message)
        .assert_hint(fault.hint);
}

#[test]
fn a_login_that_runs_nothing_has_its_words_told_and_its_way_out_leads_out() {
    let lab = start(&LOGINS);
    let run = lab.run_checked(&lab.job());
    for fault in &LOGINS {
        assert_told(&run, fault);
    }
    run.assert_others_unharmed(&["good"]);
    let check = lab.run_checked(&lab.job().subcommand("check").options(&["--json"]));
    check.assert_exit_code(1);
    let answer: serde_json::Value = serde_json::from_str(&check.stdout).unwrap();
    let hosts = answer["hosts"].as_array().unwrap();
    for fault in &LOGINS {
        let report = hosts.iter().find(|report| report["host"] == fault.host).unwrap();
        // What a run finds while it uploads, a check finds before.
        let items = report["items"].as_array().unwrap();
        let failed = items.iter().find(|item| item[1] == "NO").unwrap();
        assert_eq!(failed[0], if fault.step == "connect" { "connect" } else { "shell" }, "{report:#}");
    }
    for fault in &LOGINS {
        lab.host_sh(fault.host, &on_host(fault.mend));
    }
    lab.run_checked(&lab.job()).assert_succeeded();
}

#[test]
fn a_script_without_sftp_is_told_of_a_login_that_runs_nothing() {
    let no_sftp = "sed -i '/^Subsystem/d' /etc/ssh/sshd_config; ";
    let lab = Lab::builder(&["false", "git"])
        .setup("false", &format!("{no_sftp} usermod -s /bin/false User_VIP"))
        .setup("git", &on_host(&format!("{no_sftp} sed -i 's,^,command=\"echo Only git here.\" ,' \"$K\"")))
        .up();
    let run = lab.run_checked(&lab.job());
    run.host("false").assert_ended("failed", "upload", "login_refused").assert_hint("nologin or false");
    run.host("git").assert_ended("failed", "upload", "login_refused").assert_message("Only git here.");
}

#[test]
fn a_quiet_ssh_config_hides_no_cause() {
    let lab = Lab::builder(&["locked", "down"])
        .setup("locked", &format!(": >{KEYS}"))
        .setup("down", ": >/etc/ssh/sshd_not_to_be_run")
        .up();
    lab.prepend_ssh_config("Host *\n  LogLevel QUIET\n");
    let run = lab.run_checked(&lab.job().set("ssh.retries", 0));
    run.host("locked")
        .assert_ended("unreachable", "connect", "auth_denied")
        .assert_message("Permission denied");
    run.host("down").assert_ended("unreachable", "connect", "refused").assert_message("Connection refused");
}

/// Serves port 22 in place of sshd: notes each connection in /tmp/asked, reads a line if it has to, and answers.
fn server(answer: &str, reads_first: bool) -> String {
    let code = format!(
        "import socket,sys\ns=socket.socket()\ns.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1)\n\
         s.bind((\"\",22))\ns.listen(9)\nopen(\"/tmp/listens\",\"w\")\nwhile True:\n c=s.accept()[0]\n \
         open(\"/tmp/asked\",\"a\").write(\"x\")\n if {}: c.recv(100)\n c.sendall({answer:?}.encode())\n c.close()\n",
        if reads_first { "True" } else { "False" },
    );
    format!(
        ": >/etc/ssh/sshd_not_to_be_run\ncat >/tmp/server.py <<'END'\n{code}END\n\
         setsid python3 /tmp/server.py </dev/null >/dev/null 2>&1 &\n\
         while [ ! -e /tmp/listens ]; do sleep 0.1; done"
    )
}

#[test]
fn a_port_that_turns_everybody_away_has_its_words_told_and_is_not_asked_in_vain() {
    let lab = Lab::builder(&["banned", "web", "denied"])
        .setup("banned", &server("Not allowed at this time\r\n", false))
        .setup("web", &server("HTTP/1.0 400 Bad Request\r\n\r\n", true))
        .setup("denied", "echo 'sshd: ALL' >/etc/hosts.deny")
        .up();
    let run = lab.run_checked(&lab.job().set("ssh.retries", 1));
    run.host("banned")
        .assert_ended("unreachable", "connect", "source_banned")
        .assert_message("Not allowed at this time")
        .assert_hint("PerSourcePenaltyExemptList");
    run.host("web")
        .assert_ended("unreachable", "connect", "connection_lost")
        .assert_message("HTTP/1.0 400 Bad Request")
        .assert_hint("no sshd");
    run.host("denied").assert_ended("unreachable", "connect", "connection_lost").assert_hint("hosts.deny");
    // ssh, and the question why it was closed.
    for host in ["banned", "web"] {
        assert_eq!(lab.host_sh(host, "cat /tmp/asked"), "xx", "{host}");
    }
}

#[test]
fn a_key_file_that_ssh_cannot_use_is_named() {
    let lab = Lab::with(&["open", "missing", "good"]);
    let key = lab.path("open key");
    lab.sh(&format!("cp lab/id_ed25519 '{0}' && chmod 644 '{0}'", key.display()));
    let none = lab.path("none");
    let config = fs::read_to_string(lab.ssh_config()).unwrap();
    let common: Vec<&str> = config.lines().filter(|line| !line.contains("IdentityFile")).collect();
    fs::write(lab.ssh_config(), common.join("\n") + "\n").unwrap();
    for (host, file) in [("open", &key), ("missing", &none), ("good", &lab.path("lab/id_ed25519"))] {
        lab.prepend_ssh_config(&format!("Host {host}\n  IdentityFile \"{}\"\n", file.display()));
    }
    let run = lab.run_checked(&lab.job());
    let chmod = format!("chmod 600 '{}'", key.display());
    run.host("open").assert_ended("unreachable", "connect", "auth_denied").assert_hint(&chmod);
    let missing = none.display().to_string();
    run.host("missing").assert_ended("unreachable", "connect", "auth_denied").assert_hint(&missing);
    lab.sh(&chmod);
    lab.sh(&format!("cp lab/id_ed25519 '{missing}'"));
    lab.run_checked(&lab.job()).assert_succeeded();
}

#[test]
fn a_revoked_host_key_is_not_to_be_learnt() {
    let lab = Lab::with(&["revoked"]);
    lab.rewrite_known_hosts(|line| Some(format!("@revoked {line}")));
    let run = lab.run_checked(&lab.job());
    run.host("revoked")
        .assert_ended("unreachable", "connect", "host_key_revoked")
        .assert_hint("do not connect");
}

#[test]
fn the_command_against_an_old_host_key_removes_that_key() {
    let lab = Lab::with(&["other", "good"]);
    let own = lab.write_file("own known hosts", format!("real.name {}\n", lab.known_key("good")));
    lab.prepend_ssh_config(&format!(
        "Host machine\n  HostName {}\n  HostKeyAlias real.name\n  User User_VIP\n  IdentityFile \"{}\"\n  StrictHostKeyChecking yes\n  UserKnownHostsFile \"{}\"\n",
        lab.address("other"),
        lab.path("lab/id_ed25519").display(),
        own.display()
    ));
    let job = || lab.job_for(&["machine"]);
    let run = lab.run_checked(&job());
    let report = run.host("machine");
    report.assert_ended("unreachable", "connect", "host_key_changed").assert_hint("ssh-keygen -f ");
    let hint = report.field("hint").to_owned();
    lab.sh(&hint[hint.find("ssh-keygen").unwrap()..]);
    assert_eq!(fs::read_to_string(&own).unwrap(), "");
    let run = lab.run_checked(&job());
    let report = run.host("machine");
    report.assert_ended("unreachable", "connect", "host_key_unknown").assert_hint("machine true");
    let hint = report.field("hint").to_owned();
    // A person would answer yes.
    let by_hand =
        hint[hint.find("ssh -F").unwrap()..].replacen("ssh ", "ssh -o StrictHostKeyChecking=accept-new ", 1);
    lab.sh(&by_hand);
    lab.run_checked(&job()).assert_succeeded();
}

#[test]
fn an_ssh_before_7_6_is_not_told_of_remote_command() {
    let lab = Lab::with(&["h1"]);
    let ssh = lab.sh("command -v ssh");
    let old = format!(
        "#!/bin/sh\ncase \"$*\" in\n*RemoteCommand*) echo 'command-line: line 0: Bad configuration option: remotecommand' >&2; exit 255 ;;\n\
         -V) echo 'OpenSSH_7.4p1, OpenSSL 1.0.2k-fips  26 Jan 2017' >&2; exit ;;\nesac\nexec {ssh} \"$@\"\n"
    );
    let folder = lab.new_folder("bin");
    fs::write(folder.join("ssh"), old).unwrap();
    lab.sh(&format!("chmod 755 '{}/ssh'", folder.display()));
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    lab.run_checked(&lab.job().env("PATH", &path)).assert_succeeded();
    let dry = lab.run_checked(&lab.job().env("PATH", &path).options(&["--dry-run"]));
    assert!(!dry.stdout.contains("RemoteCommand") && dry.stdout.contains("ControlPersist"), "{dry}");
}
