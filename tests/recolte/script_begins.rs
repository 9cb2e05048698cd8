//! Whether the script began: logins that refuse, wait or redirect, and how often it ran after `recolte resume`.

use serde_json::{Value, json};

use crate::lab::{Lab, Run};

/// Adds a line to /tmp/count, writes its file, and then does what its host is there for. No program is run before:
/// one host has no PATH.
const COUNT_RUNS: &str = "#!/bin/sh\necho ran >>/tmp/count\nread -r host </proc/sys/kernel/hostname\n\
                          echo \"$host $1\" >/tmp/fichier_log.txt\n\
                          case $host in\n\
                          tmout) sleep 2 ;;\n\
                          likesudo) echo 'sudo: a password is required' >&2; exit 1 ;;\n\
                          unresolved) exit 3 ;;\n\
                          esac\n";

/// The rule that permits what these jobs do.
const PERMIT: &str = "User_VIP ALL=(root) NOPASSWD: /usr/bin/su - User_DollarU -c *";

/// A host whose login does not come to the launcher.
struct NotBegun {
    host: &'static str,
    /// Runs on the host before its sshd starts.
    setup: String,
    /// Makes the host a good one.
    mend: String,
    cause: &'static str,
    message: &'static str,
    hint: &'static str,
}

/// Returns a host whose profile of the `run_as` user ends with a line.
fn profile(host: &'static str, line: &str, cause: &'static str, message: &'static str) -> NotBegun {
    let (setup, mend) = (add_to_profile(line), "sed -i '$d' /home/User_DollarU/.profile".to_owned());
    NotBegun { host, setup, mend, cause, message, hint: "sudo su - User_DollarU" }
}

/// Returns a host with an account of the `run_as` user that is changed by one command, and changed back by another.
fn account(
    host: &'static str,
    [setup, mend]: [&str; 2],
    cause: &'static str,
    message: &'static str,
) -> NotBegun {
    NotBegun { host, setup: setup.to_owned(), mend: mend.to_owned(), cause, message, hint: "User_DollarU" }
}

/// Returns a host with this line in place of the rule.
fn sudoers(host: &'static str, line: &str, message: &'static str, hint: &'static str) -> NotBegun {
    let write = |line: &str| format!("printf '%s\\n' '{line}' >/etc/sudoers.d/vip");
    NotBegun { host, setup: write(line), mend: write(PERMIT), cause: "sudo_denied", message, hint }
}

fn add_to_profile(line: &str) -> String {
    format!("printf '%s\\n' '{line}' >>/home/User_DollarU/.profile")
}

fn login_shell(shell: &str) -> String {
    format!("sed -i '/^User_DollarU/s,[^:]*$,{shell},' /etc/passwd")
}

#[track_caller]
fn assert_began(run: &Run, host: &str, began: &Value) {
    let report = run.host(host).0;
    assert_eq!(&report["began"], began, "{report:#}: {run}");
}

/// Starts a lab of these hosts and of a good one.
fn start_lab<'a>(hosts: impl Iterator<Item = (&'a str, &'a str)>) -> Lab {
    let hosts: Vec<_> = hosts.chain([("good", ":")]).collect();
    let names: Vec<&str> = hosts.iter().map(|(host, _)| *host).collect();
    hosts.iter().fold(Lab::builder(&names), |lab, (host, setup)| lab.setup(host, setup)).up()
}

/// Checks that no host begins the script within a time-out, and that each runs it once at `resume`, mended.
fn check_not_begun(hosts: &[NotBegun], start_timeout: &str) {
    let lab = start_lab(hosts.iter().map(|row| (row.host, row.setup.as_str())));
    let job = lab.job().script(COUNT_RUNS).set("script.start_timeout", start_timeout);
    let run = lab.run_checked(&job);
    run.assert_others_unharmed(&["good"]);
    for row in hosts {
        let report = run.host(row.host);
        report.assert_ended("failed", "execute", row.cause).assert_message(row.message).assert_hint(row.hint);
        assert!(!report.field("hint").contains("requiretty"), "{run}");
        assert_eq!(report.exit_status(), None, "no script, no status: {run}");
        assert_began(&run, row.host, &json!(false));
        assert_eq!(lab.count_script_runs(row.host), 0, "{}: {run}", row.host);
        lab.host_sh(row.host, &row.mend);
    }
    // `resume` reads the job file again.
    let job = job.without("script.start_timeout");
    job.arguments();
    let resumed = lab.resume(&job, &[]);
    resumed.assert_succeeded();
    for host in lab.hosts() {
        assert_began(&resumed, host, &json!(true));
        assert_eq!(lab.count_script_runs(host), 1, "{host}: {resumed}");
    }
}

#[test]
fn a_login_that_is_refused_does_not_begin_and_resume_runs_the_script_once() {
    let nothing_permitted = "Defaults:User_VIP !authenticate";
    let not_su = "User_VIP ALL=(ALL) NOPASSWD: ALL, !/usr/bin/su";
    let noexec = "Defaults noexec\nUser_VIP ALL=(root) NOPASSWD: /usr/bin/su - User_DollarU -c *";
    let no_sudo = ["mv /usr/bin/sudo /usr/bin/sudo.away", "mv /usr/bin/sudo.away /usr/bin/sudo"];
    let shell = |shell| [login_shell(shell), login_shell("/bin/bash")];
    let (nologin, rbash) = (shell("/usr/sbin/nologin"), shell("/bin/rbash"));
    check_not_begun(
        &[
            account(
                "password",
                ["chage -d 0 User_DollarU", "chage -d 19000 User_DollarU"],
                "password_expired",
                "urrent password:",
            ),
            account(
                "expired",
                ["chage -E 0 User_DollarU", "chage -E -1 User_DollarU"],
                "account_locked",
                "expired",
            ),
            account(
                "nologin",
                nologin.each_ref().map(String::as_str),
                "account_locked",
                "This account is currently not available",
            ),
            account("rbash", rbash.each_ref().map(String::as_str), "login_failed", "restricted"),
            profile("notty", "[ -t 0 ] || exit 0", "login_failed", "no word was said"),
            profile("stty", "stty erase ^H || exit 1", "login_failed", "stty"),
            sudoers("notsu", not_su, "not allowed to execute", "recolte sudoers"),
            sudoers("unauthenticated", nothing_permitted, "User_VIP", "recolte sudoers"),
            sudoers("noexec", noexec, "su: failed to execute", "EXEC:"),
            NotBegun { hint: "install sudo", ..account("nosudo", no_sudo, "sudo_denied", "not found") },
        ],
        "60s",
    );
}

#[test]
fn a_login_that_waits_does_not_begin_and_resume_runs_the_script_once() {
    check_not_begun(
        &[
            profile("reads", "echo Which environment?; read -r env", "login_stuck", "Which environment?"),
            NotBegun {
                hint: "/etc/pam.d/su",
                ..account(
                    "rootok",
                    [
                        "sed -i /rootok/d /etc/pam.d/su-l",
                        "sed -i '1i auth sufficient pam_rootok.so' /etc/pam.d/su-l",
                    ],
                    "login_stuck",
                    "Password:",
                )
            },
            profile("shell", "exec /bin/bash", "login_stuck", "the login waits"),
        ],
        "3s",
    );
}

#[test]
fn a_host_that_looks_refused_or_is_odd_runs_the_script_once() {
    let minutes = "ln -sf bash /bin/sh; echo 'readonly TMOUT=1; export TMOUT' >/etc/profile.d/tmout.sh";
    let lab = start_lab(
        [
            ("tmout", minutes),
            ("likesudo", ":"),
            ("err", &add_to_profile("exec 2>>/tmp/fichier_err")),
            ("out", &add_to_profile("exec >>/tmp/fichier_out")),
            ("prints", &add_to_profile("printf Bienvenue; printf recolte-ready-1 >&2")),
            ("nopath", &add_to_profile("PATH=/opt/nothing")),
            ("fish", &login_shell("/usr/bin/fish")),
        ]
        .into_iter(),
    );
    let job = lab.job().script(COUNT_RUNS).set("script.args", &["SOC_PRODUCTION", "it's"]);
    let run = lab.run_checked(&job);
    run.host("likesudo")
        .assert_ended("failed", "execute", "script_failed")
        .assert_message("sudo: a password is required");
    assert_eq!(run.host("likesudo").exit_status(), Some(1));
    for host in lab.hosts().iter().filter(|host| *host != "likesudo") {
        run.host(host).assert_succeeded();
        assert_eq!(
            run.read_collected(host, "fichier_log.txt"),
            format!("{host} SOC_PRODUCTION\n").as_bytes()
        );
    }
    for (host, stream) in [("err", "stderr"), ("out", "stdout")] {
        let note = format!("{host}: a profile redirects the script's {stream}");
        assert!(run.stderr.contains(&note), "{note}: {run}");
    }
    for stream in ["stdout", "stderr"] {
        assert_eq!(run.text(&format!("hosts/prints/{stream}")), "", "a profile's text is not the script's");
    }
    let resumed = lab.resume(&job, &[]);
    resumed.host("likesudo").assert_ended("failed", "execute", "script_failed");
    for host in lab.hosts() {
        assert_began(&run, host, &json!(true));
        assert_began(&resumed, host, &json!(true));
        assert_eq!(lab.count_script_runs(host), 1, "{host}: {resumed}");
    }
}

#[test]
fn a_bare_command_whose_status_may_be_that_of_sudo_is_never_run_again() {
    let lab =
        start_lab([("unresolved", "echo '127.0.0.1 localhost' >/etc/hosts"), ("likesudo", ":")].into_iter());
    let job = lab.job().script(COUNT_RUNS).set("script.supervise", false);
    let run = lab.run_checked(&job);
    let resumed = lab.resume(&job, &[]);
    assert!(run.text("hosts/unresolved/stderr").contains("unable to resolve host"), "{run}");
    for (host, status) in [("unresolved", 3), ("likesudo", 1)] {
        for run in [&run, &resumed] {
            run.host(host).assert_ended("failed", "execute", "script_failed");
            assert_eq!(run.host(host).exit_status(), Some(status), "{run}");
            assert_began(run, host, &Value::Null);
        }
        assert_eq!(lab.count_script_runs(host), 1, "{host}: {resumed}");
    }
    resumed.assert_others_unharmed(&["good"]);
}
