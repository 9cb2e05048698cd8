//! `recolte check`: finds what is missing on a host, and leaves nothing there but the launcher.

use std::cmp::Ordering;
use std::path::Path;

use crate::lab::{Lab, Run, wait};

/// The checks, in the order of the columns.
const ITEMS: [&str; 7] = ["connect", "shell", "sftp", "staging", "install", "sudo", "files"];

/// A host where something is missing: its setup, the check that fails, and texts of the message and the hint.
struct NotReady {
    host: &'static str,
    setup: &'static str,
    item: &'static str,
    message: &'static str,
    hint: &'static str,
}

const NOT_READY: [NotReady; 9] = [
    NotReady {
        host: "closed",
        setup: ": >/etc/ssh/sshd_not_to_be_run",
        item: "connect",
        message: "refused",
        hint: "",
    },
    NotReady {
        host: "denied",
        setup: "rm /home/User_VIP/.ssh/authorized_keys",
        item: "connect",
        message: "denied",
        hint: "",
    },
    NotReady {
        host: "talks",
        setup: "sed -i '1i echo welcome' /home/User_VIP/.bashrc",
        item: "shell",
        message: "prints",
        hint: "print nothing",
    },
    NotReady {
        host: "nostaging",
        setup: "chmod 755 /tmp",
        item: "staging",
        message: "/tmp",
        hint: "staging",
    },
    NotReady {
        host: "full",
        setup: "mount -t tmpfs -o size=64k,mode=1777 none /tmp; dd if=/dev/zero of=/tmp/x bs=1k count=64 || :",
        item: "staging",
        message: "no space",
        hint: "room",
    },
    NotReady {
        host: "nofolder",
        setup: "rm -r /home/User_VIP/script",
        item: "install",
        message: "/home/User_VIP/script",
        hint: "install",
    },
    NotReady {
        host: "foreign",
        setup: "chown root /home/User_VIP/script",
        item: "install",
        message: "Permission denied",
        hint: "install",
    },
    NotReady {
        host: "nosudo",
        setup: "rm /etc/sudoers.d/vip",
        item: "sudo",
        message: "sudo",
        hint: "recolte sudoers",
    },
    NotReady {
        host: "nouser",
        setup: "sed -i /^User_DollarU/d /etc/passwd",
        item: "sudo",
        message: "User_DollarU",
        hint: "create User_DollarU",
    },
];

/// Checks whether a line is the row of a host, alone or with others that have the same results.
fn is_row_of(line: &str, host: &str) -> bool {
    line.split_whitespace().next().is_some_and(|hosts| hosts.split(',').any(|name| name == host))
}

/// Returns the cells of a host's row.
#[track_caller]
fn cells_of(run: &Run, host: &str) -> Vec<String> {
    let line = run.stdout.lines().find(|line| is_row_of(line, host));
    let line = line.unwrap_or_else(|| panic!("no {host}: {run}"));
    line.split_whitespace().skip(1).map(str::to_owned).collect()
}

/// Returns the lines below a host's row.
fn lines_below(run: &Run, host: &str) -> String {
    let mut lines = run.stdout.lines().skip_while(|line| !is_row_of(line, host));
    lines.next();
    lines.take_while(|line| line.starts_with(' ')).collect::<Vec<_>>().join("\n")
}

/// Lists the folders that a job writes to, with permissions, owners, and sizes and times of files.
fn list_files(lab: &Lab, host: &str) -> String {
    lab.host_sh(
        host,
        "find /tmp /home -printf '%p %m %u' \\( -type f -printf ' %s %T@\\n' -o -printf '\\n' \\) | sort",
    )
}

/// Checks that a host's files are as they were, but for the launcher where there is one.
#[track_caller]
fn assert_unchanged(lab: &Lab, host: &str, before: &str, launcher: bool) {
    let launcher_line = "/home/User_VIP/script/.recolte-run-1 755 User_VIP ";
    let after = list_files(lab, host);
    let (launchers, others): (Vec<&str>, Vec<&str>) =
        after.lines().partition(|line| line.starts_with(launcher_line));
    assert_eq!(others, before.lines().collect::<Vec<_>>(), "{host}");
    assert_eq!(launchers.len(), usize::from(launcher), "{host}: {after}");
}

#[test]
fn each_missing_requirement_says_no_with_a_hint_and_nothing_is_left_behind() {
    let names: Vec<&str> = NOT_READY.iter().map(|fault| fault.host).chain(["good"]).collect();
    let lab =
        NOT_READY.iter().fold(Lab::builder(&names), |lab, fault| lab.setup(fault.host, fault.setup)).up();
    let before: Vec<String> = names.iter().map(|host| list_files(&lab, host)).collect();
    let job = lab.job().subcommand("check").set("ssh.retries", 0);
    let run = lab.run_checked(&job);
    run.assert_exit_code(1);
    for item in ITEMS {
        let head = run.stdout.lines().next().unwrap().to_lowercase();
        assert!(head.contains(item), "{item}: {run}");
    }
    for fault in &NOT_READY {
        let cells = cells_of(&run, fault.host);
        let at = ITEMS.iter().position(|item| *item == fault.item).unwrap();
        // The checks after one that failed are not made.
        let wanted: Vec<&str> = (0..ITEMS.len())
            .map(|number| match number.cmp(&at) {
                Ordering::Less => "ok",
                Ordering::Equal => "NO",
                Ordering::Greater => "-",
            })
            .collect();
        assert_eq!(cells, wanted, "{}: {run}", fault.host);
        let text = lines_below(&run, fault.host);
        assert!(text.contains(&format!("{}: ", fault.item)), "{}: {text}", fault.host);
        // Long lines are folded.
        let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(joined.contains(fault.message) && joined.contains(fault.hint), "{}: {text}", fault.host);
        assert!(text.lines().count() >= 2, "no hint for {}: {text}", fault.host);
    }
    assert_eq!(cells_of(&run, "good"), ["ok"; 7], "{run}");
    for (host, before) in names.iter().zip(&before) {
        let reached_sudo = ["nosudo", "nouser", "good"].contains(host);
        assert_unchanged(&lab, host, before, reached_sudo);
    }
    assert!(!job.output().exists(), "a check made a run folder");
}

/// Returns the setup of a host whose install folder is `folder` of this machine.
fn share(folder: &Path) -> String {
    // While the setup runs, process 1 of the host still has this machine's root.
    format!(
        "mount --bind /proc/1/root{} /home/User_VIP/script; chown User_VIP /home/User_VIP/script",
        folder.display()
    )
}

#[test]
fn ready_hosts_exit_with_0_even_with_notes() {
    let shared = tempfile::tempdir_in("/tmp").unwrap();
    let hosts = ["good", "nosftp", "late", "group", "redirected", "nostat", "shared1", "shared2"];
    let lab = Lab::builder(&hosts)
        .setup("nosftp", "sed -i /^Subsystem/d /etc/ssh/sshd_config")
        .setup(
            "late",
            "printf '#!/bin/sh\\n[ \"$1\" = +%%s ] && echo 1000000000 || exec /bin/date \"$@\"\\n' \
                        >/usr/local/bin/date; chmod 755 /usr/local/bin/date",
        )
        .setup("group", "sed -i 's/^User_VIP:.*/&daemon,User_DollarU/' /etc/group")
        .setup("redirected", "echo 'exec 2>/dev/null' >>/home/User_DollarU/.profile")
        .setup("nostat", "rm /usr/bin/stat; echo x >/tmp/fichier_old_log.txt")
        .setup("shared1", &share(shared.path()))
        .setup("shared2", &share(shared.path()))
        .up();
    let before = hosts.map(|host| list_files(&lab, host));
    let run = lab.run_checked(&lab.job().subcommand("check"));
    run.assert_exit_code(0);
    // Nothing depends on a clock.
    for host in ["good", "late", "shared1"] {
        assert_eq!(cells_of(&run, host), ["ok"; 7], "{run}");
    }
    for (host, item, text) in [
        ("nosftp", "sftp", "a command channel will do"),
        ("group", "install", "2 others are in it; a mode such as 755"),
        ("redirected", "sudo", "a profile redirects the script's stderr"),
        ("nostat", "files", "no stat there"),
        ("shared2", "install", "as that of shared1"),
    ] {
        let wanted = ITEMS.map(|name| if name == item { "note" } else { "ok" });
        assert_eq!(cells_of(&run, host), wanted, "{host}: {run}");
        let below = lines_below(&run, host).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(below.contains(&format!("{item}: ")) && below.contains(text), "{host}: {below}");
    }
    for (host, before) in hosts.iter().zip(&before) {
        assert_unchanged(&lab, host, before, true);
    }
    // The group cannot write what runs: no note.
    let run = lab.run_checked(&lab.job_for(&["group"]).subcommand("check").set("script.mode", "755"));
    run.assert_exit_code(0);
    assert_eq!(cells_of(&run, "group"), ["ok"; 7], "{run}");
    let json = lab.run_checked(&lab.job().subcommand("check").options(&["--json"]));
    json.assert_exit_code(0);
    let answer: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let answers = answer["hosts"].as_array().unwrap();
    assert!(answers.len() == hosts.len() && answers.iter().all(|host| host["ready"] == true), "{json}");
}

#[test]
fn a_sudoers_rule_for_the_bare_command_is_checked_without_running_it() {
    let rule = "User_VIP ALL=(root) NOPASSWD: \
                /usr/bin/su - User_DollarU -c /home/User_VIP/script/Fichier_fourni.sh\\ SOC_PRODUCTION";
    let lab = Lab::builder(&["h1"]).setup_all(&format!("printf '%s\\n' '{rule}' >/etc/sudoers.d/vip")).up();
    let before = list_files(&lab, "h1");
    let run = lab.run_checked(&lab.job().subcommand("check").set("script.supervise", false));
    run.assert_exit_code(0);
    assert_eq!(cells_of(&run, "h1"), ["ok"; 7], "{run}");
    let run = lab.run_checked(&lab.job().subcommand("check"));
    run.assert_exit_code(1);
    assert_eq!(cells_of(&run, "h1")[5], "NO");
    assert!(lines_below(&run, "h1").contains("supervise = false"), "{run}");
    let other = lab.job().subcommand("check").set("script.supervise", false).set("script.args", &["OTHER"]);
    let run = lab.run_checked(&other);
    run.assert_exit_code(1);
    assert_eq!(cells_of(&run, "h1")[5], "NO");
    assert_unchanged(&lab, "h1", &before, true);
}

#[test]
fn a_live_master_of_the_user_is_used_noted_and_left_alive() {
    let lab = Lab::with(&["h1"]);
    lab.prepend_ssh_config(&format!("Host *\n  ControlPath {}/%n", lab.path("home").display()));
    let config = lab.ssh_config();
    let ssh = |args: &str| lab.sh(&format!("ssh -F {} {args} h1 2>&1", config.display()));
    lab.sh(&format!("ssh -F {} -fNM h1 >/dev/null 2>&1", config.display()));
    let before = ssh("-O check");
    assert!(before.contains("Master running"), "{before}");
    let run = lab.start(&lab.job().subcommand("check")).wait();
    run.assert_exit_code(0);
    assert_eq!(cells_of(&run, "h1")[0], "note", "{run}");
    assert!(lines_below(&run, "h1").contains("your live master is used"), "{run}");
    let log = lab.sshd_log("h1");
    assert_eq!(log.matches("Accepted publickey").count(), 1, "{log}");
    assert_eq!(ssh("-O check"), before, "the same master is alive");
    lab.assert_gateway_clean(&run);
    lab.assert_nothing_staged("h1", &run);
    ssh("-O exit");
    wait::until("the end of the master", || lab.host_processes("h1").is_empty().then_some(()));
}
