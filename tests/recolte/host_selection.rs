//! The hosts that are visited: `--hosts`, `LIST_SERVEUR`, `targets`, duplicates, `recolte hosts`.

use std::fs;

use serde_json::Value;

use crate::lab::{Job, Lab, Run};

/// Returns the hosts that a run visited, in the order of the report.
fn visited_hosts(run: &Run) -> Vec<String> {
    let report = run.report();
    let hosts = report["hosts"].as_array().unwrap().iter();
    hosts.map(|host| host["host"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn hosts_come_from_the_command_line_then_list_serveur_then_the_job() {
    let lab = Lab::with(&["h1", "h2", "h3"]);
    let list = lab.write_file("list", "# the second\nh2, h3 # and the third\n\n");
    let job = || lab.job_for(&["h1"]);
    let at_file = format!("@{}", list.display());
    let cases: [(Job, &[&str]); 9] = [
        (job(), &["h1"]),
        (job().env("LIST_SERVEUR", "h3 h2"), &["h3", "h2"]),
        (job().env("LIST_SERVEUR", "  "), &["h1"]),
        (job().env("LIST_SERVEUR", "h3").options(&["--hosts", "h2"]), &["h2"]),
        (job().options(&["--hosts", "h2,h3"]), &["h2", "h3"]),
        (job().options(&["--hosts", "h3 h2", "--hosts", "h1"]), &["h3", "h2", "h1"]),
        (job().options(&["--hosts", &at_file]), &["h2", "h3"]),
        (job().options(&["--hosts", "-"]).stdin("h3\nh1\n"), &["h3", "h1"]),
        (job().options(&["--hosts", "h[1-3]", "--exclude", "h2"]), &["h1", "h3"]),
    ];
    for (job, wanted) in cases {
        let run = lab.run_checked(&job);
        run.assert_succeeded();
        assert_eq!(visited_hosts(&run), wanted, "{run}");
    }
}

#[test]
fn a_host_named_twice_is_visited_once_with_a_note() {
    let lab = Lab::with(&["h1", "h2"]);
    let script = "#!/bin/sh\necho x >>/tmp/fichier_log.txt\n";
    let run = lab.run_checked(&lab.job().script(script).options(&["--hosts", "h1 h2 h1", "--hosts", "h1"]));
    run.assert_succeeded();
    assert_eq!(visited_hosts(&run), ["h1", "h2"]);
    let notes: Vec<&str> = run.stderr.lines().filter(|line| line.starts_with("note: ")).collect();
    assert!(notes.len() == 1 && notes[0].contains("once") && notes[0].contains("h1"), "{run}");
    assert_eq!(run.read_collected("h1", "fichier_log.txt"), b"x\n", "the script ran once");
}

#[test]
fn excluded_hosts_are_not_visited() {
    let lab = Lab::with(&["h1", "h2"]);
    let run = lab.run_checked(&lab.job().set("targets.exclude", &["h2"]));
    run.assert_succeeded();
    assert_eq!(visited_hosts(&run), ["h1"]);
    lab.assert_not_contacted("h2");
}

#[test]
fn hosts_prints_which_hosts_would_be_visited_and_contacts_none() {
    let lab = Lab::with(&["h1", "h2"]);
    lab.prepend_ssh_config("Host h2\n  ProxyJump h1\n  Port 2222\n");
    let job = lab.job().subcommand("hosts");
    let run = lab.run_checked(&job);
    run.assert_exit_code(0);
    let address = lab.address("h1");
    let row = run.stdout.lines().find(|line| line.starts_with("h1")).unwrap().to_owned();
    assert!(row.contains(&address) && row.contains("User_VIP"), "{run}");
    let run = lab.run_checked(&job.options(&["--json"]));
    let answered: Value = serde_json::from_str(&run.stdout).unwrap();
    let second = &answered["hosts"][1];
    let mut keys: Vec<&String> = second.as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(keys, ["address", "alias", "jump", "port", "source", "user"]);
    assert_eq!((&second["alias"], &second["port"]), (&Value::from("h2"), &Value::from(2222)));
    assert_eq!((&second["user"], &second["jump"]), (&Value::from("User_VIP"), &Value::from("h1")));
    lab.assert_not_contacted("h1");
}

#[test]
fn two_names_of_one_machine_are_refused_without_allow_duplicates() {
    let lab = Lab::with(&["h1"]);
    let own = fs::read_to_string(lab.ssh_config()).unwrap();
    let alias = own.replace("Host h1", "Host again");
    lab.prepend_ssh_config(&alias);
    let job = || lab.job_for(&["h1", "again"]).script("#!/bin/sh\necho ran >>/tmp/fichier_log.txt\n");
    let shown = lab.run_checked(&job().subcommand("hosts"));
    shown.assert_exit_code(0);
    assert!(shown.stdout.contains("same machine: h1, again"), "{shown}");
    let refused = lab.run_checked(&job());
    refused.assert_exit_code(2);
    assert!(refused.stderr.contains("h1, again: these names lead to the same machine"), "{refused}");
    assert!(!lab.host_path("h1", "/tmp/fichier_log.txt").exists(), "a host was touched: {refused}");
    let meant = lab.run_checked(&job().options(&["--allow-duplicates", "--parallel", "1"]));
    meant.assert_exit_code(0);
    assert_eq!(fs::read(lab.host_path("h1", "/tmp/fichier_log.txt")).unwrap(), b"ran\nran\n");
}
