//! `recolte check`: finds what is missing on a host, and changes nothing there.

use crate::lab::{Lab, Run, wait};

/// The checks, in the order of the columns.
const ITEMS: [&str; 7] = ["connect", "shell", "sftp", "staging", "install", "sudo", "clock"];

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
        hint: "su - User_DollarU",
    },
    NotReady {
        host: "nouser",
        setup: "sed -i /^User_DollarU/d /etc/passwd",
        item: "sudo",
        message: "User_DollarU",
        hint: "create User_DollarU",
    },
];

/// Returns the cells of a host's row.
#[track_caller]
fn cells_of(run: &Run, host: &str) -> Vec<String> {
    let line = run.stdout.lines().find(|line| line.split_whitespace().next() == Some(host));
    let line = line.unwrap_or_else(|| panic!("no {host}: {run}"));
    line.split_whitespace().skip(1).map(str::to_owned).collect()
}

/// Returns the lines below a host's row.
fn lines_below(run: &Run, host: &str) -> String {
    let mut lines = run.stdout.lines().skip_while(|line| line.split_whitespace().next() != Some(host));
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
        assert_eq!(cells[at], "NO", "{}: {cells:?}: {run}", fault.host);
        assert_eq!(cells.iter().filter(|cell| *cell == "NO").count(), 1, "{}: {run}", fault.host);
        let text = lines_below(&run, fault.host);
        assert!(text.contains(&format!("{}: ", fault.item)), "{}: {text}", fault.host);
        assert!(text.contains(fault.message) && text.contains(fault.hint), "{}: {text}", fault.host);
        assert!(text.lines().count() >= 2, "no hint for {}: {text}", fault.host);
    }
    assert_eq!(cells_of(&run, "good"), ["ok"; 7], "{run}");
    let after: Vec<String> = names.iter().map(|host| list_files(&lab, host)).collect();
    assert_eq!(before, after);
    assert!(!job.output().exists(), "a check made a run folder");
}

#[test]
fn ready_hosts_exit_with_0_even_with_notes() {
    let lab = Lab::builder(&["good", "nosftp", "late"])
        .setup("nosftp", "sed -i /^Subsystem/d /etc/ssh/sshd_config")
        .setup(
            "late",
            "printf '#!/bin/sh\\n[ \"$1\" = +%%s ] && echo 1000000000 || exec /bin/date \"$@\"\\n' \
                        >/usr/local/bin/date; chmod 755 /usr/local/bin/date",
        )
        .up();
    let before = ["good", "nosftp", "late"].map(|host| list_files(&lab, host));
    let run = lab.run_checked(&lab.job().subcommand("check"));
    run.assert_exit_code(0);
    assert_eq!(cells_of(&run, "good"), ["ok"; 7]);
    assert_eq!(cells_of(&run, "nosftp")[2], "note");
    assert_eq!(cells_of(&run, "late")[6], "note");
    assert!(lines_below(&run, "late").contains("clock: its clock differs by -"), "{run}");
    assert_eq!(before, ["good", "nosftp", "late"].map(|host| list_files(&lab, host)));
    let json = lab.run_checked(&lab.job().subcommand("check").options(&["--json"]));
    json.assert_exit_code(0);
    let answer: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let hosts = answer["hosts"].as_array().unwrap();
    assert!(hosts.len() == 3 && hosts.iter().all(|host| host["ready"] == true), "{json}");
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
    assert_eq!((cells_of(&run, "h1")[5].as_str(), before), ("NO", list_files(&lab, "h1")));
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
