//! The whole job, `check` and the commonest faults on each profile of the lab (docs/lab.md).

use serde_json::Value;

use crate::lab::{Job, Lab, Run, unpack};

/// A host with a fault.
struct Fault {
    host: &'static str,
    /// Makes the fault, on the host.
    setup: &'static str,
    /// Outcome, step and cause.
    ended: [&'static str; 3],
    /// The item of `check` that finds the fault; empty where only a script does.
    item: &'static str,
    hint: &'static str,
}

const fn unreachable(
    host: &'static str,
    setup: &'static str,
    cause: &'static str,
    hint: &'static str,
) -> Fault {
    Fault { host, setup, ended: ["unreachable", "connect", cause], item: "connect", hint }
}

const fn failed(
    host: &'static str,
    setup: &'static str,
    [step, cause]: [&'static str; 2],
    item: &'static str,
    hint: &'static str,
) -> Fault {
    Fault { host, setup, ended: ["failed", step, cause], item, hint }
}

const fn refused(host: &'static str, setup: &'static str, cause: &'static str, hint: &'static str) -> Fault {
    failed(host, setup, ["execute", cause], "sudo", hint)
}

/// Leaves no room where the login user's /tmp is.
const FILL: &str = "tmp=/tmp; [ ! -d /tmp-inst ] || { tmp=/tmp-inst/User_VIP; mkdir $tmp; }\n\
                    mount -t tmpfs -o size=64k,mode=1777 none $tmp\n\
                    dd if=/dev/zero of=$tmp/x bs=1024 count=64 || :";

const FAULTS: [Fault; 15] = [
    unreachable("nokey", "rm /home/User_VIP/.ssh/authorized_keys", "auth_denied", "authorized_keys"),
    // The test forgets its key.
    unreachable("stranger", ":", "host_key_unknown", "verify its key"),
    unreachable("closed", ": >/etc/ssh/sshd_not_to_be_run", "refused", "sshd"),
    failed("readonly", "chmod 755 /tmp", ["upload", "staging_denied"], "staging", "script.staging"),
    failed("full", FILL, ["upload", "disk_full"], "staging", "make room"),
    failed("nofolder", "rm -r /opt/script", ["install", "install_denied"], "install", "script.install"),
    refused("closedfolder", "chmod 700 /opt/script", "not_executable", "enter every folder"),
    refused("nosudo", "rm /etc/sudoers.d/vip", "sudo_denied", "recolte sudoers"),
    refused(
        "nouser",
        "sed -i /^User_DollarU/d /etc/passwd /etc/shadow",
        "no_such_user",
        "create User_DollarU",
    ),
    refused("expired", "sed -i '/^User_DollarU/s/:19000:/:0:/' /etc/shadow", "password_expired", "renew"),
    refused(
        "nologin",
        "sed -i '/^User_DollarU/s,[^:]*$,/usr/sbin/nologin,' /etc/passwd",
        "account_locked",
        "a login shell",
    ),
    refused(
        "noshell",
        "sed -i '/^User_DollarU/s,[^:]*$,/bin/none,' /etc/passwd",
        "login_failed",
        "usermod -s",
    ),
    refused(
        "waits",
        "echo 'echo Which environment?; read -r env' >>/home/User_DollarU/.profile",
        "login_stuck",
        "what it waits for",
    ),
    failed("exits", ":", ["execute", "script_failed"], "", "stderr"),
    failed("silent", ":", ["collect", "no_file"], "", "write elsewhere"),
];

/// Does what its host is there for.
const SCRIPT: &str = "#!/bin/sh\ncase $(uname -n) in\nsilent) exit 0 ;;\nexits) exit 3 ;;\nesac\n\
                      echo \"$(uname -n) $1\" >/tmp/fichier_log.txt\n";

/// The folder of the script where users may not enter each other's homes.
const INSTALL: &str = "/opt/script";

fn start(profile: &str) -> Lab {
    let names: Vec<&str> = FAULTS.iter().map(|fault| fault.host).chain(["good"]).collect();
    let lab = Lab::builder(&names).profile(profile);
    let lab = FAULTS.iter().fold(lab, |lab, fault| lab.setup(fault.host, fault.setup)).up();
    lab.rewrite_known_hosts(|line| (!line.starts_with("stranger,")).then(|| line.to_owned()));
    lab
}

fn job(lab: &Lab, start_timeout: &str) -> Job {
    let job = lab.job().script(SCRIPT).set("script.install", INSTALL).set("ssh.retries", 0);
    job.set("script.start_timeout", start_timeout)
}

/// Checks what a run says of each host, but for those hosts that have no fault in this profile.
fn assert_run(run: &Run, unharmed: &[&str]) {
    run.assert_others_unharmed(unharmed);
    for fault in FAULTS.iter().filter(|fault| !unharmed.contains(&fault.host)) {
        let [outcome, step, cause] = fault.ended;
        let report = run.host(fault.host);
        report.assert_ended(outcome, step, cause).assert_hint(fault.hint);
        let status = [("exits", 3), ("silent", 0)].into_iter().find(|(host, _)| *host == fault.host);
        assert_eq!(report.exit_status(), status.map(|(_, status)| status), "{run}");
    }
    let archive = unpack(&run.path("JGE.tar.gz"));
    for host in unharmed {
        let text = format!("{host} SOC_PRODUCTION\n");
        assert_eq!(archive[&format!("JGE/{host}/fichier_log.txt")].bytes, text.as_bytes());
    }
}

/// Checks that the first item with `NO` of each host in `recolte check` is the one where a run ends.
fn assert_check(check: &Run, unharmed: &[&str]) {
    check.assert_exit_code(1);
    let answer: Value = serde_json::from_str(&check.stdout).unwrap();
    for host in answer["hosts"].as_array().unwrap() {
        let name = host["host"].as_str().unwrap();
        let wanted = FAULTS.iter().find(|fault| fault.host == name && !unharmed.contains(&name));
        let failed = host["items"].as_array().unwrap().iter().find(|item| item[1] == "NO");
        let failed = failed.map_or("", |item| item[0].as_str().unwrap());
        assert_eq!(failed, wanted.map_or("", |fault| fault.item), "{host:#}");
    }
}

/// Checks a profile in which these hosts are without a fault.
fn check_profile(profile: &str, start_timeout: &str, unharmed: &[&str]) {
    let lab = start(profile);
    let check = lab.run_checked(&job(&lab, start_timeout).subcommand("check").options(&["--json"]));
    assert_check(&check, unharmed);
    let run = lab.run_checked(&job(&lab, start_timeout));
    assert_run(&run, unharmed);
}

#[test]
fn hardened_hosts_do_the_job_and_each_fault_is_told() {
    check_profile("hardened", "3s", &["good"]);
}

#[test]
fn posix_hosts_do_the_job_and_each_fault_is_told() {
    check_profile("posix", "3s", &["good"]);
}

#[test]
fn busybox_hosts_do_the_job_and_each_fault_is_told() {
    // Its nologin ends after five seconds; its su asks nobody how old a password is.
    check_profile("busybox", "9s", &["good", "expired"]);
}

#[test]
fn french_hosts_do_the_job_and_each_fault_is_told() {
    check_profile("french", "3s", &["good"]);
}

#[test]
fn old_hosts_do_the_job_and_each_fault_is_told() {
    check_profile("old", "3s", &["good"]);
}

#[test]
fn the_command_against_a_password_that_must_be_changed_leads_out() {
    let expire = |user: &str| format!("sed -i '/^{user}/s/:19000:/:0:/' /etc/shadow");
    let lab = Lab::builder(&["login", "run_as"])
        .profile("hardened")
        .setup("login", &expire("User_VIP"))
        .setup("run_as", &expire("User_DollarU"))
        .up();
    let run = lab.run_checked(&job(&lab, "60s"));
    for (host, step) in [("login", "upload"), ("run_as", "execute")] {
        let report = run.host(host);
        report.assert_ended("failed", step, "password_expired").assert_hint("chage ");
        let hint = report.field("hint");
        lab.host_sh(host, &hint[hint.find("chage ").unwrap()..].replace("USER", "User_VIP"));
    }
    lab.run_checked(&job(&lab, "60s")).assert_succeeded();
}

/// What sudo, su and PAM refuse, each with the cause.
const REFUSALS: [(&str, &str, &str); 10] = [
    ("setuid", "chmod u-s /usr/bin/sudo", "sudo_denied"),
    ("writable", "chmod 666 /etc/sudoers", "sudo_denied"),
    ("nosudoers", "rm /etc/sudoers", "sudo_denied"),
    ("requiretty", "echo 'Defaults requiretty' >>/etc/sudoers.d/vip", "sudo_denied"),
    ("sudopam", "echo 'account requisite pam_deny.so' >/etc/pam.d/sudo", "account_locked"),
    ("auth", "sed -i '1i auth requisite pam_deny.so' /etc/pam.d/su-l", "login_failed"),
    ("session", "echo 'session requisite pam_deny.so' >>/etc/pam.d/su-l", "login_failed"),
    ("logins", "echo 'User_DollarU - maxlogins 0' >>/etc/security/limits.conf", "login_failed"),
    // No rule of sudo is to blame.
    ("processes", "echo 'User_DollarU hard nproc 0' >>/etc/security/limits.conf", "login_failed"),
    (
        "nosuid",
        "mkdir /opt/nosuid; mount -t tmpfs -o nosuid none /opt/nosuid; cp -p /usr/bin/sudo /opt/nosuid\n\
         ln -sf /opt/nosuid/sudo /usr/bin/sudo",
        "sudo_denied",
    ),
];

#[test]
fn what_sudo_su_and_pam_refuse_in_french_has_the_cause_and_the_hint_that_it_has_in_english() {
    let names = REFUSALS.map(|(host, ..)| host);
    let told = |profile: &str| {
        let lab = Lab::builder(&names).profile(profile);
        let lab = REFUSALS.iter().fold(lab, |lab, (host, setup, _)| lab.setup(host, setup)).up();
        let run = lab.run_checked(&job(&lab, "60s"));
        names.map(|host| {
            let report = run.host(host);
            (host, report.field("cause").to_owned(), report.field("hint").to_owned())
        })
    };
    let (plain, french) = (told("plain"), told("french"));
    assert_eq!(french, plain);
    for ((host, cause, _), (_, _, wanted)) in plain.iter().zip(REFUSALS) {
        assert_eq!(cause, wanted, "{host}");
    }
}
