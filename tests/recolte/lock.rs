//! One run of a job at a time on a gateway.

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
    lab.appears("h1", "/tmp/count");
    let holder = format!("process {} of", running.pid());
    let output = job.output();
    let resume = ["resume", "--output", output.to_str().unwrap()];
    let day = jiff::Timestamp::now().strftime("since %Y-%m-").to_string();
    for refused in [again(&lab, &job), lab.job_for(&[]).words(&resume)] {
        let run = lab.start(&refused).end();
        run.exits(4);
        assert!(run.stderr.contains(&holder) && run.stderr.contains(&day), "{run}");
        assert!(run.stdout.is_empty(), "{run}");
    }
    assert_eq!(runs(&job), 1, "no folder of a run that never was");
    // Another job is no concern of this one.
    let mut other = again(&lab, &job).set("name", "other").set("targets.hosts", &["h1"]);
    other = other.script("#!/bin/sh\necho y >/tmp/fichier_other_log.txt\n").set("script.staging", "/var/tmp");
    lab.start(&other.set("collect.files", &["/tmp/fichier_other*"])).end().exits(0);
    lab.on_host("h1", "touch /tmp/go");
    let run = lab.tidy_after(running);
    run.succeeded();
    assert_eq!(fs::read_to_string(lab.on("h1", "/tmp/count")).unwrap(), "ran\n");
    // It is over: the lock is free.
    lab.recolte(&again(&lab, &job)).succeeded();
}

#[test]
fn a_dead_holder_blocks_nobody() {
    let lab = Lab::with(&["h1"]);
    let job = lab.job().script(STAYS);
    let running = lab.start(&job);
    lab.appears("h1", "/tmp/count");
    running.signal("KILL");
    assert_eq!(running.end().code(), 1009);
    lab.on_host("h1", "touch /tmp/go");
    let run = lab.start(&again(&lab, &job)).end();
    run.succeeded();
    assert_eq!(runs(&job), 2);
}

#[test]
fn two_runs_that_start_together_are_one_run_and_one_refusal() {
    let lab = Lab::with(&["h1"]);
    let job = lab.job().script(STAYS);
    let all: Vec<_> = (0..4).map(|_| lab.start(&again(&lab, &job))).collect();
    lab.appears("h1", "/tmp/count");
    lab.on_host("h1", "touch /tmp/go");
    let mut codes: Vec<i32> = all.into_iter().map(|running| running.end().code()).collect();
    codes.sort_unstable();
    assert_eq!(codes[0], 0, "{codes:?}");
    // One that came late may have found the lock free again, and the script's gate open.
    let ran = codes.iter().filter(|code| **code == 0).count();
    assert!(codes.iter().all(|code| [0, 4].contains(code)), "{codes:?}");
    assert_eq!(fs::read_to_string(lab.on("h1", "/tmp/count")).unwrap().lines().count(), ran);
    assert_eq!(runs(&job), ran);
}
