//! `recolte check`: finds what is missing on a host, and changes nothing there.

use crate::lab::{Lab, Run, wait};

/// The items of the grid, in its order.
const ITEMS: [&str; 7] = ["connect", "shell", "sftp", "staging", "install", "sudo", "clock"];

/// A host that wants something: how it is made so, the item that says NO, what is said of it, and the way out.
struct Wants {
    host: &'static str,
    setup: &'static str,
    item: &'static str,
    says: &'static str,
    hints: &'static str,
}

const WANTING: [Wants; 9] = [
    Wants {
        host: "closed",
        setup: ": >/etc/ssh/sshd_not_to_be_run",
        item: "connect",
        says: "refused",
        hints: "",
    },
    Wants {
        host: "denied",
        setup: "rm /home/User_VIP/.ssh/authorized_keys",
        item: "connect",
        says: "denied",
        hints: "",
    },
    Wants {
        host: "talks",
        setup: "sed -i '1i echo welcome' /home/User_VIP/.bashrc",
        item: "shell",
        says: "prints",
        hints: "print nothing",
    },
    Wants { host: "nostaging", setup: "chmod 755 /tmp", item: "staging", says: "/tmp", hints: "staging" },
    Wants {
        host: "full",
        setup: "mount -t tmpfs -o size=64k,mode=1777 none /tmp; dd if=/dev/zero of=/tmp/x bs=1k count=64 || :",
        item: "staging",
        says: "no space",
        hints: "room",
    },
    Wants {
        host: "nofolder",
        setup: "rm -r /home/User_VIP/script",
        item: "install",
        says: "/home/User_VIP/script",
        hints: "install",
    },
    Wants {
        host: "foreign",
        setup: "chown root /home/User_VIP/script",
        item: "install",
        says: "Permission denied",
        hints: "install",
    },
    Wants {
        host: "nosudo",
        setup: "rm /etc/sudoers.d/vip",
        item: "sudo",
        says: "sudo",
        hints: "su - User_DollarU",
    },
    Wants {
        host: "nouser",
        setup: "sed -i /^User_DollarU/d /etc/passwd",
        item: "sudo",
        says: "User_DollarU",
        hints: "create User_DollarU",
    },
];

/// The words of a host's row.
#[track_caller]
fn row(run: &Run, host: &str) -> Vec<String> {
    let line = run.stdout.lines().find(|line| line.split_whitespace().next() == Some(host));
    let line = line.unwrap_or_else(|| panic!("no {host}: {run}"));
    line.split_whitespace().skip(1).map(str::to_owned).collect()
}

/// What stands below a host's row.
fn below(run: &Run, host: &str) -> String {
    let mut lines = run.stdout.lines().skip_while(|line| line.split_whitespace().next() != Some(host));
    lines.next();
    lines.take_while(|line| line.starts_with(' ')).collect::<Vec<_>>().join("\n")
}

/// What is in the folders of a host that a job writes to; of files also when they were changed.
fn listing(lab: &Lab, host: &str) -> String {
    lab.host_sh(
        host,
        "find /tmp /home -printf '%p %m %u' \\( -type f -printf ' %s %T@\\n' -o -printf '\\n' \\) | sort",
    )
}

#[test]
fn what_is_wanting_says_no_with_its_way_out_and_nothing_is_left() {
    let names: Vec<&str> = WANTING.iter().map(|wants| wants.host).chain(["good"]).collect();
    let lab = WANTING.iter().fold(Lab::builder(&names), |lab, wants| lab.setup(wants.host, wants.setup)).up();
    let before: Vec<String> = names.iter().map(|host| listing(&lab, host)).collect();
    let job = lab.job().subcommand("check").set("ssh.retries", 0);
    let run = lab.run_checked(&job);
    run.assert_exit_code(1);
    for item in ITEMS {
        let head = run.stdout.lines().next().unwrap().to_lowercase();
        assert!(head.contains(item), "{item}: {run}");
    }
    for wants in &WANTING {
        let cells = row(&run, wants.host);
        let at = ITEMS.iter().position(|item| *item == wants.item).unwrap();
        assert_eq!(cells[at], "NO", "{}: {cells:?}: {run}", wants.host);
        assert_eq!(cells.iter().filter(|cell| *cell == "NO").count(), 1, "{}: {run}", wants.host);
        let text = below(&run, wants.host);
        assert!(text.contains(&format!("{}: ", wants.item)), "{}: {text}", wants.host);
        assert!(text.contains(wants.says) && text.contains(wants.hints), "{}: {text}", wants.host);
        assert!(text.lines().count() >= 2, "no way out for {}: {text}", wants.host);
    }
    assert_eq!(row(&run, "good"), ["ok"; 7], "{run}");
    let after: Vec<String> = names.iter().map(|host| listing(&lab, host)).collect();
    assert_eq!(before, after);
    assert!(!job.output().exists(), "a check is no run");
}

#[test]
fn a_fleet_that_is_ready_exits_0_and_a_note_does_not_matter() {
    let lab = Lab::builder(&["good", "nosftp", "late"])
        .setup("nosftp", "sed -i /^Subsystem/d /etc/ssh/sshd_config")
        .setup(
            "late",
            "printf '#!/bin/sh\\n[ \"$1\" = +%%s ] && echo 1000000000 || exec /bin/date \"$@\"\\n' \
                        >/usr/local/bin/date; chmod 755 /usr/local/bin/date",
        )
        .up();
    let before = ["good", "nosftp", "late"].map(|host| listing(&lab, host));
    let run = lab.run_checked(&lab.job().subcommand("check"));
    run.assert_exit_code(0);
    assert_eq!(row(&run, "good"), ["ok"; 7]);
    assert_eq!(row(&run, "nosftp")[2], "note");
    assert_eq!(row(&run, "late")[6], "note");
    assert!(below(&run, "late").contains("clock: its clock differs by -"), "{run}");
    assert_eq!(before, ["good", "nosftp", "late"].map(|host| listing(&lab, host)));
    let json = lab.run_checked(&lab.job().subcommand("check").options(&["--json"]));
    json.assert_exit_code(0);
    let answer: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let hosts = answer["hosts"].as_array().unwrap();
    assert!(hosts.len() == 3 && hosts.iter().all(|host| host["ready"] == true), "{json}");
}

#[test]
fn a_rule_that_pins_the_bare_command_is_checked_without_running_it() {
    let rule = "User_VIP ALL=(root) NOPASSWD: \
                /usr/bin/su - User_DollarU -c /home/User_VIP/script/Fichier_fourni.sh\\ SOC_PRODUCTION";
    let lab = Lab::builder(&["h1"]).setup_all(&format!("printf '%s\\n' '{rule}' >/etc/sudoers.d/vip")).up();
    let before = listing(&lab, "h1");
    let run = lab.run_checked(&lab.job().subcommand("check").set("script.supervise", false));
    run.assert_exit_code(0);
    assert_eq!(row(&run, "h1"), ["ok"; 7], "{run}");
    let run = lab.run_checked(&lab.job().subcommand("check"));
    run.assert_exit_code(1);
    assert_eq!(row(&run, "h1")[5], "NO");
    assert!(below(&run, "h1").contains("supervise = false"), "{run}");
    let other = lab.job().subcommand("check").set("script.supervise", false).set("script.args", &["OTHER"]);
    let run = lab.run_checked(&other);
    run.assert_exit_code(1);
    assert_eq!((row(&run, "h1")[5].as_str(), before), ("NO", listing(&lab, "h1")));
}

#[test]
fn a_live_master_is_noted_used_and_left_alive() {
    let lab = Lab::with(&["h1"]);
    lab.prepend_ssh_config(&format!("Host *\n  ControlPath {}/%n", lab.path("home").display()));
    let config = lab.ssh_config();
    let ssh = |words: &str| lab.sh(&format!("ssh -F {} {words} h1 2>&1", config.display()));
    lab.sh(&format!("ssh -F {} -fNM h1 >/dev/null 2>&1", config.display()));
    let before = ssh("-O check");
    assert!(before.contains("Master running"), "{before}");
    let run = lab.start(&lab.job().subcommand("check")).wait();
    run.assert_exit_code(0);
    assert_eq!(row(&run, "h1")[0], "note", "{run}");
    assert!(below(&run, "h1").contains("your live master is used"), "{run}");
    let log = lab.sshd_log("h1");
    assert_eq!(log.matches("Accepted publickey").count(), 1, "{log}");
    assert_eq!(ssh("-O check"), before, "the same master is alive");
    lab.assert_gateway_clean(&run);
    lab.assert_nothing_staged("h1", &run);
    ssh("-O exit");
    wait::until("the end of the master", || lab.host_processes("h1").is_empty().then_some(()));
}
