//! A run that is cut before *go*, and while the script runs: SIGKILL, INT, deadline, lost connection.
//!
//! Each of these is followed by `resume`: the script ran at most once, and again only with `--execute-again`.

use serde_json::{Value, json};

use crate::lab::{Job, Lab, Run, Running, wait};

/// Adds a line to /tmp/count and its file; then lasts where /tmp/stay exists.
const COUNT_AND_STAY: &str = "#!/bin/sh\necho ran >>/tmp/count\necho whole >/tmp/fichier_log.txt\n\
                              if [ -e /tmp/stay ]; then sleep 1000 & : >/tmp/up; wait; fi\n";

/// The hosts that wait before *go*: the login, until its input ends or until a file is there; the listing before.
const WAITING: [&str; 3] = ["reads", "slow", "lists"];

/// Starts hosts that wait before *go*, and one on which the script lasts.
fn start_lab() -> Lab {
    let profile = |line: &str| {
        format!(
            "printf '%s\\n' '[ -e /tmp/open ] || {{ : >/tmp/up; {line}; }}' >>/home/User_DollarU/.profile"
        )
    };
    let stat = "mv /usr/bin/stat /usr/bin/stat.away; : >/tmp/fichier_old_log.txt\n\
                printf '%s\\n' '#!/bin/sh' ': >/tmp/up; until [ -e /tmp/open ]; do sleep 0.1; done' \
                'exec /usr/bin/stat.away \"$@\"' >/usr/bin/stat; chmod 755 /usr/bin/stat";
    Lab::builder(&["reads", "slow", "lists", "runs"])
        .setup("reads", &profile("read -r env"))
        .setup("slow", &profile("until [ -e /tmp/open ]; do sleep 0.1; done"))
        .setup("lists", stat)
        .setup("runs", ": >/tmp/stay")
        .up()
}

/// Starts a job, and waits until all hosts but one wait before *go*, and that one runs the script.
fn start(lab: &Lab, job: &Job) -> Running {
    let running = lab.start(job);
    lab.hosts().iter().for_each(|host| lab.wait_for_file(host, "/tmp/up"));
    running
}

/// Checks the reports of all hosts.
#[track_caller]
fn assert_ended(run: &Run, outcome: &str, cause: &str) {
    for (host, began) in [("reads", false), ("slow", false), ("lists", false), ("runs", true)] {
        run.host(host).assert_ended(outcome, "execute", cause).assert_hint("");
        assert_eq!(run.host(host).0["began"], json!(began), "{host}: {run}");
    }
}

/// Lets the logins go on after the cut: no script begins. Then resumes the run, without and with `--execute-again`.
fn check_never_twice(lab: &Lab, job: Job, run: &Run) {
    for host in lab.hosts() {
        lab.host_sh(host, "rm -f /tmp/stay; : >/tmp/open");
        lab.wait_until_idle(host);
    }
    let counts = || ["reads", "slow", "lists", "runs"].map(|host| lab.count_script_runs(host));
    assert_eq!(counts(), [0, 0, 0, 1], "{run}");
    let job = job.without("deadline");
    job.arguments();
    let resumed = lab.resume(&job, &[]);
    for host in WAITING {
        resumed.host(host).assert_succeeded();
    }
    assert_eq!(resumed.host("runs").0["began"], Value::Bool(true), "{resumed}");
    resumed.host("runs").assert_hint("--execute-again");
    assert_eq!(counts(), [1, 1, 1, 1], "{resumed}");
    assert_eq!(resumed.read_collected("runs", "fichier_log.txt"), b"whole\n");
    lab.resume(&job, &["--execute-again"]).assert_succeeded();
    assert_eq!(counts(), [1, 1, 1, 2]);
}

#[test]
fn after_sigkill_before_go_nothing_begins_and_nothing_runs_twice() {
    let lab = start_lab();
    let job = lab.job().script(COUNT_AND_STAY);
    let running = start(&lab, &job);
    running.send_signal("KILL");
    let run = running.wait();
    assert_eq!(run.exit_code(), 1009);
    check_never_twice(&lab, job, &run);
}

#[test]
fn after_an_interruption_before_go_nothing_begins_and_nothing_runs_twice() {
    let lab = start_lab();
    let job = lab.job().script(COUNT_AND_STAY);
    let running = start(&lab, &job);
    running.send_signal("INT");
    let run = running.wait();
    run.assert_exit_code(130);
    assert_ended(&run, "cancelled", "interrupted");
    lab.assert_gateway_clean(&run);
    check_never_twice(&lab, job, &run);
}

#[test]
fn after_the_deadline_before_go_nothing_begins_and_nothing_runs_twice() {
    let lab = start_lab();
    let job = lab.job().script(COUNT_AND_STAY).set("deadline", "8s");
    let run = start(&lab, &job).wait();
    run.assert_exit_code(1);
    assert_ended(&run, "timed_out", "deadline");
    lab.assert_gateway_clean(&run);
    check_never_twice(&lab, job, &run);
}

#[test]
fn after_a_lost_connection_before_go_nothing_begins_and_nothing_runs_twice() {
    let lab = start_lab();
    let job = lab.job().script(COUNT_AND_STAY);
    let running = start(&lab, &job);
    for host in lab.hosts() {
        lab.host_sh(host, "pkill -KILL -u User_VIP sshd");
    }
    let run = running.wait();
    run.assert_exit_code(1);
    assert_ended(&run, "failed", "connection_lost");
    lab.assert_gateway_clean(&run);
    wait::until("the end of the script", || lab.host_processes("runs").is_empty().then_some(()));
    check_never_twice(&lab, job, &run);
}
