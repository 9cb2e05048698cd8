//! The lock of an output folder: one run of a job at a time.

use std::fs;

use crate::lab::{Job, Lab};

/// Adds a line to /tmp/count, then waits until /tmp/go exists.
const COUNT_AND_WAIT: &str = "#!/bin/sh\necho ran >>/tmp/count; echo x >/tmp/fichier_log.txt\n\
                     until [ -e /tmp/go ]; do sleep 0.1; done\n";

/// Returns the same job from another job file: the lock belongs to the output folder and the job's name.
fn same_job(lab: &Lab, job: &Job) -> Job {
    lab.job().script(COUNT_AND_WAIT).set("output", job.output().as_path())
}

fn count_run_folders(job: &Job) -> usize {
    let entries = fs::read_dir(job.output()).unwrap().flatten();
    entries.filter(|entry| entry.file_type().unwrap().is_dir()).count()
}

#[test]
fn a_second_run_names_the_process_that_holds_the_lock_and_contacts_no_host() {
    let lab = Lab::with(&["h1"]);
    let job = lab.job().script(COUNT_AND_WAIT);
    let running = lab.start(&job);
    lab.wait_for_file("h1", "/tmp/count");
    let holder = format!("process {} of", running.pid());
    let output = job.output();
    let resume = ["resume", "--output", output.to_str().unwrap()];
    let day = jiff::Timestamp::now().strftime("since %Y-%m-").to_string();
    for refused in [same_job(&lab, &job), lab.job_for(&[]).raw_args(&resume)] {
        let run = lab.start(&refused).wait();
        run.assert_exit_code(4);
        assert!(run.stderr.contains(&holder) && run.stderr.contains(&day), "{run}");
        assert!(run.stdout.is_empty(), "{run}");
    }
    assert_eq!(count_run_folders(&job), 1, "a refused run made a folder");
    // A job of another name runs in the same output folder.
    let mut other = same_job(&lab, &job).set("name", "other").set("targets.hosts", &["h1"]);
    other = other.script("#!/bin/sh\necho y >/tmp/fichier_other_log.txt\n").set("script.staging", "/var/tmp");
    lab.start(&other.set("collect.files", &["/tmp/fichier_other*"])).wait().assert_exit_code(0);
    lab.host_sh("h1", "touch /tmp/go");
    let run = lab.wait_checked(running);
    run.assert_succeeded();
    assert_eq!(fs::read_to_string(lab.host_path("h1", "/tmp/count")).unwrap(), "ran\n");
    // The run has ended: the lock is free.
    lab.run_checked(&same_job(&lab, &job)).assert_succeeded();
}

#[test]
fn the_lock_of_a_killed_run_is_free() {
    let lab = Lab::with(&["h1"]);
    let job = lab.job().script(COUNT_AND_WAIT);
    let running = lab.start(&job);
    lab.wait_for_file("h1", "/tmp/count");
    running.send_signal("KILL");
    assert_eq!(running.wait().exit_code(), 1009);
    lab.host_sh("h1", "touch /tmp/go");
    let run = lab.start(&same_job(&lab, &job)).wait();
    run.assert_succeeded();
    assert_eq!(count_run_folders(&job), 2);
}

#[test]
fn of_runs_that_start_together_one_runs_and_the_others_are_refused() {
    let lab = Lab::with(&["h1"]);
    let job = lab.job().script(COUNT_AND_WAIT);
    let all: Vec<_> = (0..4).map(|_| lab.start(&same_job(&lab, &job))).collect();
    lab.wait_for_file("h1", "/tmp/count");
    lab.host_sh("h1", "touch /tmp/go");
    let mut codes: Vec<i32> = all.into_iter().map(|running| running.wait().exit_code()).collect();
    codes.sort_unstable();
    assert_eq!(codes[0], 0, "{codes:?}");
    // One that started late may have found the lock free again.
    let ran = codes.iter().filter(|code| **code == 0).count();
    assert!(codes.iter().all(|code| [0, 4].contains(code)), "{codes:?}");
    assert_eq!(fs::read_to_string(lab.host_path("h1", "/tmp/count")).unwrap().lines().count(), ran);
    assert_eq!(count_run_folders(&job), ran);
}

#[test]
fn a_second_run_of_the_same_job_exits_with_4() {
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
