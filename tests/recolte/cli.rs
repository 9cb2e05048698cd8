//! The command line: what was asked for, and who hears what.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::lab::{Gateway, Job, Lab, Run, files, unpack};

/// Nobody has spoken to a host.
#[track_caller]
fn untouched(lab: &Lab, host: &str) {
    let log = fs::read_to_string(lab.path(&format!("lab/hosts/{host}/sshd.log"))).unwrap();
    assert!(!log.contains("Connection from"), "{log}");
}

#[test]
fn a_dry_run_prints_each_steps_commands_and_touches_nothing() {
    let lab = Lab::with(&["h1", "h2"]);
    let job = lab.job().options(&["--dry-run"]);
    let run = lab.recolte(&job);
    run.exits(0);
    for host in ["h1", "h2"] {
        let at = run.stdout.find(&format!("## {host}\n")).unwrap_or_else(|| panic!("no {host}: {run}"));
        let section = &run.stdout[at..];
        for step in ["# connect", "# upload", "# install", "# execute", "# collect"] {
            assert!(section.contains(step), "{host} {step}: {run}");
        }
        untouched(&lab, host);
    }
    for word in [
        "Fichier_fourni.sh",
        "chmod 775",
        "sudo -n su - User_DollarU -c",
        "SOC_PRODUCTION",
        "/tmp/fichier_*log.txt",
    ] {
        assert!(run.stdout.contains(word), "{word}: {run}");
    }
    assert!(!job.output().exists());
    assert_eq!(files(&lab.path("home")), Vec::<String>::new());
}

#[test]
fn a_dry_run_pasted_into_a_shell_does_the_job() {
    let lab = Lab::with(&["h1"]);
    let arguments = ["SOC_PRODUCTION", "it's \"two\" $words\n*"];
    for supervise in [true, false] {
        let script = "#!/bin/sh\nprintf '%s\\0' \"$(id -un)\" \"$@\" >'/tmp/fichier_de log.txt'\n";
        let job = lab.job().script(script).set("script.args", &arguments).set("script.supervise", supervise);
        let run = lab.recolte(&job.options(&["--dry-run"]));
        run.exits(0);
        let folder = lab.folder("pasted");
        let pasted = lab.write("pasted.sh", &run.stdout);
        let mut shell = lab.command("/usr/bin/timeout");
        let done = shell.args(["120", "/bin/sh", "-eu"]).arg(pasted).current_dir(&folder).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{}: {said}\n{}", done.status, run.stdout);
        let got = fs::read(folder.join("JGE/h1/fichier_de log.txt")).unwrap();
        let wanted = format!("User_DollarU\0{}\0{}\0", arguments[0], arguments[1]);
        assert_eq!(String::from_utf8_lossy(&got), wanted, "supervise = {supervise}\n{said}");
        fs::remove_dir_all(lab.path("tmp/recolte-dry-run")).unwrap();
        lab.gateway_is_tidy(&run);
        lab.hosts_are_tidy(&run);
        lab.on_host("h1", "rm '/tmp/fichier_de log.txt'");
    }
}

#[test]
fn json_on_stdout_is_the_report_and_nothing_else() {
    let lab = Lab::of(&["good", "bad"]).setup("bad", "rm /etc/sudoers.d/vip").up();
    let run = lab.recolte(&lab.job().options(&["--json"]));
    run.exits(1);
    let answered: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(answered, run.report());
    assert!(run.stderr.contains("good: succeeded") && run.stderr.contains("bad: failed"), "{run}");
}

#[test]
fn quiet_tells_only_what_did_not_succeed() {
    let lab = Lab::of(&["good", "bad"]).setup("bad", "rm /etc/sudoers.d/vip").up();
    for option in ["-q", "--quiet"] {
        let run = lab.recolte(&lab.job_for(&["good"]).options(&[option]));
        run.succeeded();
        assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    }
    let run = lab.recolte(&lab.job().options(&["-q"]));
    run.exits(1);
    assert!(run.stderr.lines().all(|line| line.starts_with("bad: ")) && !run.stderr.is_empty(), "{run}");
    assert!(run.stdout.contains("bad"), "{run}");
}

#[test]
fn verbose_tells_each_step() {
    let lab = Lab::with(&["h1"]);
    let run = lab.recolte(&lab.job().options(&["-v"]));
    run.succeeded();
    for step in ["connect", "upload", "install", "execute", "collect"] {
        assert!(run.stderr.lines().any(|line| line == format!("h1: {step}")), "{step}: {run}");
    }
    assert!(!run.stdout.contains("h1: "), "{run}");
}

#[test]
fn output_of_the_command_line_counts_before_that_of_the_job() {
    let lab = Lab::with(&["h1"]);
    let elsewhere = lab.path("elsewhere/deep");
    let job = lab.job().options(&["--output", elsewhere.to_str().unwrap()]);
    let run = lab.recolte(&job);
    run.exits(0);
    assert!(!job.output().exists());
    assert!(fs::canonicalize(elsewhere.join("latest")).unwrap().join("JGE/h1/fichier_log.txt").exists());
}

#[test]
fn without_any_output_runs_live_in_the_users_state_folder() {
    let lab = Lab::with(&["h1"]);
    lab.recolte(&lab.job().without("output")).exits(0);
    let home = lab.path("home/.local/state/recolte/latest");
    assert!(home.join("report.json").exists());
    let state = lab.path("state");
    lab.recolte(&lab.job().without("output").env("XDG_STATE_HOME", state.to_str().unwrap())).exits(0);
    assert!(state.join("recolte/latest/report.json").exists());
}

#[test]
fn the_job_left_out_is_the_one_that_lies_here_and_its_name_is_the_default_one() {
    let lab = Lab::with(&["h1"]);
    let job = lab.job().without("name").set("output", "runs");
    fs::write(job.folder().join("recolte.toml"), job.text()).unwrap();
    let run = lab.recolte(&job.words(&["run"]));
    run.exits(0);
    assert!(unpack(&run.path("recolte.tar.gz")).contains_key("recolte/h1/fichier_log.txt"));
}

/// The hosts that a run visited.
fn visited(run: &Run) -> Vec<String> {
    let report = run.report();
    let hosts = report["hosts"].as_array().unwrap().iter();
    hosts.map(|host| host["host"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn hosts_are_those_of_the_command_line_else_of_list_serveur_else_of_the_job() {
    let lab = Lab::with(&["h1", "h2", "h3"]);
    let list = lab.write("list", "# the second\nh2, h3 # and the third\n\n");
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
        let run = lab.recolte(&job);
        run.succeeded();
        assert_eq!(visited(&run), wanted, "{run}");
    }
}

#[test]
fn a_host_named_twice_is_visited_once_with_a_note() {
    let lab = Lab::with(&["h1", "h2"]);
    let script = "#!/bin/sh\necho x >>/tmp/fichier_log.txt\n";
    let run = lab.recolte(&lab.job().script(script).options(&["--hosts", "h1 h2 h1", "--hosts", "h1"]));
    run.succeeded();
    assert_eq!(visited(&run), ["h1", "h2"]);
    let notes: Vec<&str> = run.stderr.lines().filter(|line| line.starts_with("note: ")).collect();
    assert!(notes.len() == 1 && notes[0].contains("once") && notes[0].contains("h1"), "{run}");
    assert_eq!(run.collected("h1", "fichier_log.txt"), b"x\n", "the script ran once");
}

#[test]
fn excluded_hosts_are_not_visited() {
    let lab = Lab::with(&["h1", "h2"]);
    let run = lab.recolte(&lab.job().set("targets.exclude", &["h2"]));
    run.succeeded();
    assert_eq!(visited(&run), ["h1"]);
    untouched(&lab, "h2");
}

#[test]
fn hosts_prints_who_would_be_visited_and_touches_nobody() {
    let lab = Lab::with(&["h1", "h2"]);
    lab.configure("Host h2\n  ProxyJump h1\n  Port 2222\n");
    let job = lab.job().command("hosts");
    let run = lab.recolte(&job);
    run.exits(0);
    let address = fs::read_to_string(lab.path("lab/hosts/h1/address")).unwrap().trim().to_owned();
    let row = run.stdout.lines().find(|line| line.starts_with("h1")).unwrap().to_owned();
    assert!(row.contains(&address) && row.contains("User_VIP"), "{run}");
    let run = lab.recolte(&job.options(&["--json"]));
    let answered: Value = serde_json::from_str(&run.stdout).unwrap();
    let second = &answered["hosts"][1];
    let mut keys: Vec<&String> = second.as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(keys, ["address", "alias", "jump", "port", "source", "user"]);
    assert_eq!((&second["alias"], &second["port"]), (&Value::from("h2"), &Value::from(2222)));
    assert_eq!((&second["user"], &second["jump"]), (&Value::from("User_VIP"), &Value::from("h1")));
    untouched(&lab, "h1");
}

#[test]
fn completions_and_the_manual_page_are_printed() {
    let gateway = Gateway::new();
    for shell in ["bash", "zsh", "fish"] {
        let run = gateway.words(&["completions", shell]);
        run.exits(0);
        assert!(
            run.stdout.contains("recolte") && run.stdout.contains("dry-run") && run.stderr.is_empty(),
            "{run}"
        );
    }
    let syntax = gateway.write("completions", gateway.words(&["completions", "bash"]).stdout);
    gateway.sh(&format!("bash -n {}", syntax.display()));
    let man = gateway.words(&["man"]);
    man.exits(0);
    assert!(man.stdout.contains(".TH") && man.stdout.contains("recolte"), "{man}");
    for words in [&["--help"][..], &["--version"], &["run", "--help"]] {
        let run = gateway.words(words);
        run.exits(0);
        assert!(run.stdout.contains("recolte") && run.stderr.is_empty(), "{run}");
    }
    gateway.words(&["completions", "cobol"]).exits(2);
}

/// Runs a job at a terminal of its own; what that terminal saw.
fn at_a_terminal(lab: &Lab, job: &Job, variables: &str) -> String {
    let recolte = format!("env {variables} {} {}", env!("CARGO_BIN_EXE_recolte"), job.arguments().join(" "));
    let mut script = lab.command("/usr/bin/script");
    script.args(["-qefc", &recolte, "/dev/null"]).env("TERM", "xterm-256color").env("COLUMNS", "100");
    let output = script.output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn escape_sequences_are_for_terminals_and_never_a_hosts_own() {
    let lab = Lab::with(&["h1", "h2"]);
    let hostile = "#!/bin/sh\necho x >/tmp/fichier_log.txt; printf '\\033]0;gotcha\\007' >&2; exit 3\n";
    let job = lab.job().script(hostile);
    let run = lab.recolte(&job);
    run.exits(1);
    assert!(!run.stdout.contains('\x1b') && !run.stderr.contains('\x1b'), "{run}");
    let seen = at_a_terminal(&lab, &job, "A=b");
    assert!(seen.contains('\x1b'), "a live display, or colour: {seen:?}");
    assert!(seen.contains("gotcha") && !seen.contains("\x1b]0;gotcha") && !seen.contains('\x07'), "{seen:?}");
    let seen = at_a_terminal(&lab, &job, "NO_COLOR=1");
    assert!(!seen.contains("\x1b[3"), "no colour where none is wanted: {seen:?}");
    lab.gateway_is_tidy(&run);
}

#[test]
fn answers_go_to_stdout_and_progress_to_stderr() {
    let lab = Lab::with(&["h1"]);
    let run = lab.recolte(&lab.job());
    run.succeeded();
    assert!(run.stdout.starts_with("HOST") && !run.stdout.contains("visiting"), "{run}");
    assert!(run.stderr.contains("visiting 1 host: h1") && !run.stderr.contains("HOST"), "{run}");
}

#[test]
fn a_reader_that_goes_away_harms_no_run() {
    let lab = Lab::with(&["h1"]);
    let job = lab.job();
    let line = format!("{} {} 2>&1 | true", env!("CARGO_BIN_EXE_recolte"), job.arguments().join(" "));
    lab.sh(&line);
    assert!(Path::new(&job.output()).join("latest/report.json").exists());
}

#[test]
fn an_interrupted_run_tells_ends_the_scripts_and_exits_with_130() {
    let lab = Lab::with(&["h1", "h2", "h3"]);
    let script = "#!/bin/sh\necho half >/tmp/fichier_log.txt\n[ $(hostname) = h1 ] && exit 0\n: >/tmp/began; sleep 1000\n";
    let running = lab.start(&lab.job().script(script).options(&["-p", "2"]));
    running.says("h1: succeeded");
    lab.appears("h2", "/tmp/began");
    lab.appears("h3", "/tmp/began");
    running.signal("INT");
    let run = lab.tidy_after(running);
    run.exits(130);
    run.host("h1").succeeded();
    for host in ["h2", "h3"] {
        run.host(host)
            .ended("cancelled", "execute", "interrupted")
            .says("it was ended")
            .hints("recolte resume");
    }
    assert!(unpack(&run.path("JGE.tar.gz")).contains_key("JGE/h1/fichier_log.txt"));
}

#[test]
fn a_second_run_of_a_job_that_is_running_touches_nothing() {
    let lab = Lab::with(&["h1"]);
    let script =
        "#!/bin/sh\necho x >/tmp/fichier_log.txt; : >/tmp/began; until [ -e /tmp/go ]; do sleep 0.1; done\n";
    let job = lab.job().script(script);
    let running = lab.start(&job);
    lab.appears("h1", "/tmp/began");
    let second = lab.start(&job).end();
    second.exits(4);
    assert_eq!(second.stdout, "");
    lab.on_host("h1", "touch /tmp/go");
    lab.tidy_after(running).succeeded();
    assert_eq!(
        fs::read_dir(job.output())
            .unwrap()
            .flatten()
            .filter(|e| e.path().join("report.json").exists())
            .count(),
        2
    );
}

#[test]
fn as_many_hosts_at_a_time_as_asked_and_no_connection_waits_for_a_script() {
    let lab = Lab::with(&["h1", "h2", "h3"]);
    // Each script waits until all three have begun, which one handshake at a time must not hinder.
    let script =
        "#!/bin/sh\n: >/tmp/began; until [ -e /tmp/go ]; do sleep 0.1; done; echo x >/tmp/fichier_log.txt\n";
    let running = lab.start(&lab.job().script(script).set("handshakes", 1));
    for host in ["h1", "h2", "h3"] {
        lab.appears(host, "/tmp/began");
    }
    for host in ["h1", "h2", "h3"] {
        lab.on_host(host, "touch /tmp/go");
    }
    lab.tidy_after(running).succeeded();
    let run = lab.recolte(&lab.job().options(&["-p", "1"]));
    run.succeeded();
    let report = run.report();
    let mut visits: Vec<(&str, &str)> = report["hosts"].as_array().unwrap().iter().map(times).collect();
    visits.sort_unstable();
    assert!(visits.windows(2).all(|pair| pair[0].1 <= pair[1].0), "one after the other: {visits:?}");
}

#[test]
fn where_few_files_may_be_open_fewer_hosts_are_in_flight_and_that_is_told() {
    let lab = Lab::with(&["h1", "h2", "h3", "h4"]);
    let script = "#!/bin/sh\numask 077; for n in $(seq 30); do echo $n >/tmp/fichier_${n}_log.txt; done\n";
    for (limit, told) in [(384, true), (4096, false)] {
        let job = lab.job().script(script).set("output", lab.folder("runs").as_path());
        let recolte = env!("CARGO_BIN_EXE_recolte");
        let said = lab.sh(&format!("ulimit -n {limit}; exec {recolte} {} 2>&1", job.arguments().join(" ")));
        assert_eq!(said.contains("4 hosts at a time instead of 32"), told, "{said}");
        assert!(said.contains("4 succeeded of 4 hosts · 120 files"), "{said}");
    }
}

fn times(host: &Value) -> (&str, &str) {
    (host["started"].as_str().unwrap(), host["ended"].as_str().unwrap())
}
