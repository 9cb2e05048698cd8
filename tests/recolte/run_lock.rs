//! The lock of an output folder: one run of a job at a time.

use std::fs;

use crate::lab::{Job, Lab};

/// Counts its runs, and stays until it may end.
const STAYS: &str = "#!/bin/sh\necho ran >>/tmp/count; echo x >/tmp/fichier_log.txt\n\
                     until [ -e /tmp/go ]; do sleep 0.1; done\n";

/// The same job once more, called in another way.
fn again(lab: &Lab, job: &Job) -> Job {
    lab.job().script(STAYS).set("output", job.output().as_path())
}

fn runs(job: &Job) -> usize {
    let entries = fs::read_dir(job.output()).unwrap().flatten();
    entries.filter(|entry| entry.file_type().unwrap().is_dir()).count()
}

#[test]
fn a_second_run_is_told_who_holds_the_lock_since_when_and_touches_no_host() {
    let lab = Lab::with(&["h1"]);
    let job = lab.job().script(STAYS);
    let running = lab.start(&job);
    lab.wait_for_file("h1", "/tmp/count");
    let holder = format!("process {} of", running.pid());
    let output = job.output();
    let resume = ["resume", "--output", output.to_str().unwrap()];
    let day = jiff::Timestamp::now().strftime("since %Y-%m-").to_string();
    for refused in [again(&lab, &job), lab.job_for(&[]).raw_args(&resume)] {
        let run = lab.start(&refused).wait();
        run.assert_exit_code(4);
        assert!(run.stderr.contains(&holder) && run.stderr.contains(&day), "{run}");
        assert!(run.stdout.is_empty(), "{run}");
    }
    assert_eq!(runs(&job), 1, "no folder of a run that never was");
    // Another job is no concern of this one.
    let mut other = again(&lab, &job).set("name", "other").set("targets.hosts", &["h1"]);
    other = other.script("#!/bin/sh\necho y >/tmp/fichier_other_log.txt\n").set("script.staging", "/var/tmp");
    lab.start(&other.set("collect.files", &["/tmp/fichier_other*"])).wait().assert_exit_code(0);
    lab.host_sh("h1", "touch /tmp/go");
    let run = lab.wait_checked(running);
    run.assert_succeeded();
    assert_eq!(fs::read_to_string(lab.host_path("h1", "/tmp/count")).unwrap(), "ran\n");
    // It is over: the lock is free.
    lab.run_checked(&again(&lab, &job)).assert_succeeded();
}

#[test]
fn a_dead_holder_blocks_nobody() {
    let lab = Lab::with(&["h1"]);
    let job = lab.job().script(STAYS);
    let running = lab.start(&job);
    lab.wait_for_file("h1", "/tmp/count");
    running.send_signal("KILL");
    assert_eq!(running.wait().exit_code(), 1009);
    lab.host_sh("h1", "touch /tmp/go");
    let run = lab.start(&again(&lab, &job)).wait();
    run.assert_succeeded();
    assert_eq!(runs(&job), 2);
}

#[test]
fn two_runs_that_start_together_are_one_run_and_one_refusal() {
    let lab = Lab::with(&["h1"]);
    let job = lab.job().script(STAYS);
    let all: Vec<_> = (0..4).map(|_| lab.start(&again(&lab, &job))).collect();
    lab.wait_for_file("h1", "/tmp/count");
    lab.host_sh("h1", "touch /tmp/go");
    let mut codes: Vec<i32> = all.into_iter().map(|running| running.wait().exit_code()).collect();
    codes.sort_unstable();
    assert_eq!(codes[0], 0, "{codes:?}");
    // One that came late may have found the lock free again, and the script's gate open.
    let ran = codes.iter().filter(|code| **code == 0).count();
    assert!(codes.iter().all(|code| [0, 4].contains(code)), "{codes:?}");
    assert_eq!(fs::read_to_string(lab.host_path("h1", "/tmp/count")).unwrap().lines().count(), ran);
    assert_eq!(runs(&job), ran);
}

#[test]
fn a_second_run_of_a_job_that_is_running_touches_nothing() {
    let lab = Lab::with(&["h1"]);
    let script =
        "#!/bin/sh\necho x >/tmp/fichier_log.txt; : >/tmp/began; until [ -e /tmp/go ]; do sleep 0.1; done\n";
    let job = lab.job().script(script);
    let running = lab.start(&job);
    lab.wait_for_file("h1", "/tmp/began");
    let second = lab.start(&job).wait();
    second.assert_exit_code(4);
    assert_eq!(second.stdout, "");
    lab.host_sh("h1", "touch /tmp/go");
    lab.wait_checked(running).assert_succeeded();
    assert_eq!(
        fs::read_dir(job.output())
            .unwrap()
            .flatten()
            .filter(|e| e.path().join("report.json").exists())
            .count(),
        2
    );
}
