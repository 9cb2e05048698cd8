//! `recolte sudoers`: the rule that it prints, and what sudo permits and refuses under that rule alone.

use std::fs;

use crate::lab::{Job, Lab, LabBuilder, Run, WRITE_ARGUMENTS};

/// Settings of sudoers that hold for everything that no rule excepts.
const HOSTS: [(&str, &str); 5] = [
    ("plain", "!use_pty"),
    ("pty", "use_pty"),
    ("noexec", "noexec"),
    ("tty", "requiretty"),
    ("three", "use_pty, noexec, requiretty"),
];

/// Starts a lab with these hosts, without any rule for the login user.
fn start_lab() -> Lab {
    let hosts = HOSTS.map(|(host, _)| host);
    let with = |lab: LabBuilder, (host, setting): &(&str, &str)| {
        // Before the rule's own Defaults: the last that fits counts.
        lab.setup(host, &format!("sed -i '/^root/i Defaults {setting}' /etc/sudoers; : >/etc/sudoers.d/vip"))
    };
    HOSTS.iter().fold(Lab::builder(&hosts), with).up()
}

/// Returns the rule that recolte prints for a job.
#[track_caller]
fn rule_of(lab: &Lab, job: Job) -> String {
    let run = lab.start(&job.subcommand("sudoers")).wait();
    run.assert_exit_code(0);
    run.stdout
}

/// Makes a text the only rule of the login user on some hosts; visudo must accept it.
#[track_caller]
fn install_rule(lab: &Lab, hosts: &[&str], rule: &str) {
    for host in hosts {
        fs::write(lab.host_path(host, "/etc/sudoers.d/vip"), rule).unwrap();
        lab.host_sh(host, "visudo -c");
    }
}

#[track_caller]
fn assert_refused(run: &Run, host: &str, hint: &str) {
    run.host(host).assert_ended("failed", "execute", "sudo_denied").assert_hint(hint);
    assert_eq!(run.host(host).0["began"], false, "{run}");
}

#[test]
fn the_printed_rule_is_enough_and_permits_nothing_else() {
    let lab = start_lab();
    let hosts = HOSTS.map(|(host, _)| host);
    let run = lab.run_checked(&lab.job());
    for host in hosts {
        let hint = if ["tty", "three"].contains(&host) { "requiretty" } else { "recolte sudoers" };
        assert_refused(&run, host, hint);
    }
    let rule = rule_of(&lab, lab.job());
    assert!(!rule.contains('*'), "{rule}");
    install_rule(&lab, &hosts, &rule);
    lab.run_checked(&lab.job().subcommand("check")).assert_exit_code(0);
    lab.run_checked(&lab.job()).assert_succeeded();

    // One more argument, one less, another one, another script.
    for args in [["SOC_PRODUCTION", "more"].as_slice(), &[], &["SOC_PRODUCTIO?"], &["SOC_PRODUCTION "]] {
        let run = lab.run_checked(&lab.job_for(&["plain", "pty"]).set("script.args", args));
        for host in ["plain", "pty"] {
            assert_refused(&run, host, "recolte sudoers");
        }
    }
    let other = lab.job_for(&["plain"]);
    fs::write(other.folder().join("Autre.sh"), "#!/bin/sh\n").unwrap();
    let run = lab.run_checked(&other.set("script.file", "Autre.sh"));
    assert_refused(&run, "plain", "recolte sudoers");

    // By hand, as the login user. The launcher alone is permitted: at the end of its input it runs nothing.
    let launcher =
        "/home/User_VIP/script/.recolte-run-1 /home/User_VIP/script/Fichier_fourni.sh SOC_PRODUCTION";
    let sudo = |options: &str, command: &str| {
        let line = format!("sudo -n su {options} -c \"{command}\" </dev/null 2>&1; echo \"status $?\"");
        lab.host_sh("plain", &format!("su -s /bin/sh User_VIP -c '{line}'"))
    };
    lab.host_sh("plain", "rm /tmp/fichier_log.txt");
    let said = sudo("- User_DollarU", launcher);
    assert!(said.contains("recolte-ready-1 2") && said.ends_with("status 0"), "{said}");
    for (options, command) in [
        ("- User_DollarU -g root", launcher),
        ("-g root - User_DollarU", launcher),
        ("- root", launcher),
        ("- User_DollarU", "id"),
        ("- User_DollarU", &format!("{launcher}; id")),
    ] {
        let said = sudo(options, command);
        assert!(said.contains("sudo: ") && said.ends_with("status 1"), "{options} {command}: {said}");
    }
    assert!(!lab.host_path("plain", "/tmp/fichier_log.txt").exists());
}

#[test]
fn a_rule_without_its_tag_or_without_its_defaults_does_not_do() {
    let lab = start_lab();
    let rule = rule_of(&lab, lab.job());
    let hosts = ["plain", "noexec", "tty"];
    install_rule(&lab, &hosts, &rule.replace("EXEC: ", ""));
    let run = lab.run_checked(&lab.job_for(&hosts));
    assert_refused(&run, "noexec", "EXEC:");
    run.assert_others_unharmed(&["plain", "tty"]);
    let without_defaults = rule.lines().filter(|line| !line.starts_with("Defaults"));
    install_rule(&lab, &hosts, &without_defaults.map(|line| format!("{line}\n")).collect::<String>());
    let run = lab.run_checked(&lab.job_for(&hosts));
    assert_refused(&run, "tty", "!requiretty");
    run.assert_others_unharmed(&["plain", "noexec"]);
}

#[test]
fn odd_arguments_are_permitted_as_they_stand_and_not_as_patterns() {
    let lab = Lab::builder(&["h1"]).setup_all(": >/etc/sudoers.d/vip").up();
    let odd = [
        "a b  c",
        "it's",
        "say \"so\"",
        "back\\slash\\\\",
        "*?[a-z]!,:=#",
        "$x",
        "é\t€",
        "",
        "^x$",
        "%y",
        "@z(1)",
    ];
    let pattern = odd.map(|text| text.replace("*?[a-z]", "xxa"));
    let pattern: Vec<&str> = pattern.iter().map(String::as_str).collect();
    let wanted: String = odd.iter().map(|text| format!("{text}\0")).collect();
    for supervise in [true, false] {
        let job = || lab.job().script(WRITE_ARGUMENTS).set("script.supervise", supervise);
        install_rule(&lab, &["h1"], &rule_of(&lab, job().set("script.args", &odd)));
        lab.run_checked(&job().set("script.args", &odd).subcommand("check")).assert_exit_code(0);
        let run = lab.run_checked(&job().set("script.args", &odd));
        run.assert_succeeded();
        let got = String::from_utf8(run.read_collected("h1", "fichier_log.txt")).unwrap();
        assert_eq!(got, wanted, "supervise = {supervise}");
        let run = lab.run_checked(&job().set("script.args", pattern.as_slice()));
        assert_refused(&run, "h1", "recolte sudoers");
    }
}

#[test]
fn each_login_user_of_the_hosts_has_a_rule() {
    let lab = Lab::with(&["h1", "h2"]);
    lab.prepend_ssh_config("Host h2\n  User User_DollarU\n");
    let rule = rule_of(&lab, lab.job());
    for user in ["User_VIP", "User_DollarU"] {
        let lines = rule.lines().filter(|line| line.starts_with(&format!("{user} ALL=(root) NOPASSWD: ")));
        assert_eq!(lines.count(), 1, "{rule}");
    }
    install_rule(&lab, &["h1"], &rule);
    for host in ["h1", "h2"] {
        lab.assert_not_contacted(host);
    }
}

#[test]
fn what_sudoers_cannot_express_is_refused_and_named() {
    let lab = Lab::with(&["h1"]);
    for (args, named) in [
        (["first", "two\nlines"].as_slice(), "two"),
        (&["cr\rcr"], "cr"),
        (&["first", "blank at the end "], "end"),
        (&["tab at the end\t"], "end"),
    ] {
        let run = lab.start(&lab.job().set("script.args", args).subcommand("sudoers")).wait();
        run.assert_exit_code(2);
        assert!(run.stderr.contains("script.args") && run.stderr.contains(named), "{run}");
        assert!(run.stderr.contains("a newline, nor a blank at the end"), "{run}");
        assert!(run.stdout.is_empty(), "{run}");
    }
    let run = lab.start(&lab.job().without("script.run_as").subcommand("sudoers")).wait();
    run.assert_exit_code(2);
    assert!(run.stderr.contains("script.run_as is left out") && run.stdout.is_empty(), "{run}");
    lab.assert_not_contacted("h1");
}
