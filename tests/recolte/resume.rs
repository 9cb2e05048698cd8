//! `recolte resume` after every kind of end: no collected file is lost, and no script runs twice unless asked to.

use std::fs::{self, OpenOptions};
use std::io::Write as _;

use serde_json::Value;

use crate::lab::{Job, Lab, Run, Running, files, unpack, wait};

/// Adds a line to /tmp/count, writes its file, and sleeps on hosts where /tmp/stay exists.
const COUNT_AND_SLEEP: &str = "#!/bin/sh\necho ran >>/tmp/count\necho \"$(hostname) whole\" >/tmp/fichier_log.txt\n\
                      if [ -e /tmp/stay ]; then sleep 1000 & echo up >/tmp/up; wait; fi\n";

/// Starts a lab where the script sleeps on some hosts.
fn lab(hosts: &[&str], stay: &[&str]) -> Lab {
    stay.iter().fold(Lab::builder(hosts), |lab, host| lab.setup(host, ": >/tmp/stay")).up()
}

/// Starts a run, and waits until the script sleeps on some hosts and others have succeeded.
fn start_and_wait(lab: &Lab, job: &Job, stay: &[&str], done: &[&str]) -> Running {
    let running = lab.start(job);
    stay.iter().for_each(|host| lab.wait_for_file(host, "/tmp/up"));
    done.iter().for_each(|host| running.wait_for_stderr(&format!("{host}: succeeded")));
    running
}

/// Kills a run with SIGKILL, and waits for the end of its scripts.
fn kill(lab: &Lab, running: Running, stay: &[&str]) -> Run {
    running.send_signal("KILL");
    let run = running.wait();
    assert_eq!(run.exit_code(), 1009);
    for host in stay {
        let gone = || !lab.host_processes(host).iter().any(|line| line.contains("sleep 1000"));
        wait::until("the end of the script", || gone().then_some(()));
    }
    run
}

#[track_caller]
fn assert_archived(run: &Run, hosts: &[&str]) {
    let archive = unpack(&run.path("JGE.tar.gz"));
    for host in hosts {
        let packed = archive.get(&format!("JGE/{host}/fichier_log.txt"));
        let bytes = &packed.unwrap_or_else(|| panic!("no {host} in {:?}: {run}", archive.keys())).bytes;
        assert_eq!(String::from_utf8_lossy(bytes), format!("{host} whole\n"));
    }
    assert_eq!(archive.len(), hosts.len() + 2, "{:?}", archive.keys());
    let manifest: Value = serde_json::from_slice(&archive["JGE/manifest.json"].bytes).unwrap();
    assert_eq!(manifest["hosts"], run.report()["hosts"]);
}

fn count_attempts(run: &Run) -> usize {
    run.report()["resumed"].as_array().map_or(0, Vec::len)
}

#[test]
fn after_an_interruption_the_remaining_hosts_are_visited_and_the_reports_cover_both_attempts() {
    let lab = lab(&["done", "stay", "late"], &["stay"]);
    let mails = lab.new_folder("mails");
    let transport = format!("file:{}", mails.display());
    let job = lab.job().script(COUNT_AND_SLEEP).set("parallel", 1).set("mail.transport", transport.as_str());
    let job = job.set("mail.from", "recolte@vip.example.fr").set("mail.to", &["x@example.fr"]);
    let running = start_and_wait(&lab, &job, &["stay"], &["done"]);
    running.send_signal("INT");
    let first = lab.wait_checked(running);
    first.assert_exit_code(130);
    assert_eq!(first.host("late").field("outcome"), "not_started");
    assert_eq!(first.host("late").field("cause"), "interrupted");
    assert_eq!(count_attempts(&first), 0);
    let done = first.host("done").0;
    assert_eq!(files(&mails).len(), 1);

    lab.host_sh("stay", "rm /tmp/stay");
    let second = lab.resume(&job, &[]);
    second.assert_exit_code(1);
    assert_eq!(second.path(""), first.path(""), "the same run");
    assert_eq!(second.host("done").0, done, "left alone");
    second.host("late").assert_succeeded();
    second.host("stay").assert_ended("cancelled", "execute", "interrupted").assert_hint("--execute-again");
    assert_eq!(["done", "stay", "late"].map(|host| lab.count_script_runs(host)), [1, 1, 1]);
    assert_archived(&second, &["done", "stay", "late"]);
    assert_eq!(count_attempts(&second), 1);
    assert!(second.text("report.txt").contains("resumed"), "{}", second.text("report.txt"));
    assert_eq!(files(&mails).len(), 2, "the mail goes again, with all of it");

    let third = lab.resume(&job, &["--execute-again"]);
    third.assert_succeeded();
    assert_eq!(third.host("done").0, done);
    assert_eq!(["done", "stay", "late"].map(|host| lab.count_script_runs(host)), [1, 2, 1]);
    assert_archived(&third, &["done", "stay", "late"]);
    assert_eq!((count_attempts(&third), files(&mails).len()), (2, 3));
}

#[test]
fn after_sigkill_a_script_that_began_is_not_run_again_and_its_files_are_collected() {
    let lab = lab(&["done", "stay", "late"], &["stay"]);
    let job = lab.job().script(COUNT_AND_SLEEP).set("parallel", 1);
    let first = kill(&lab, start_and_wait(&lab, &job, &["stay"], &["done"]), &["stay"]);
    assert!(!first.path("report.json").exists() && first.path("journal.jsonl").exists());
    assert_eq!(
        first.read_collected("done", "fichier_log.txt"),
        b"done whole\n",
        "collected when the visit ended"
    );
    let listed = lab.run_args(&["runs", "--output", job.output().to_str().unwrap()]);
    assert!(listed.stdout.contains("broken off: 1 of 3 hosts ended"), "{listed}");

    let second = lab.resume(&job, &[]);
    second.assert_exit_code(1);
    second.host("done").assert_succeeded();
    second.host("late").assert_succeeded();
    second.host("stay").assert_ended("cancelled", "execute", "interrupted").assert_hint("--execute-again");
    assert_eq!(["done", "stay", "late"].map(|host| lab.count_script_runs(host)), [1, 1, 1]);
    assert_archived(&second, &["done", "stay", "late"]);
    assert_eq!(second.collected_files().len(), 3);

    // The script runs again if asked for; here the run is named by its folder.
    lab.host_sh("stay", "rm /tmp/stay");
    let third = lab.resume(&job, &["--execute-again", second.path("").to_str().unwrap()]);
    third.assert_succeeded();
    assert_eq!(["done", "stay", "late"].map(|host| lab.count_script_runs(host)), [1, 2, 1]);
    assert_archived(&third, &["done", "stay", "late"]);
}

#[test]
fn a_host_whose_script_had_not_begun_is_visited_again() {
    let keys = "printf '%s\\n' '#!/bin/sh' ': >/tmp/up; while [ -e /tmp/stay ]; do sleep 0.1; done' \
                'cat /home/User_VIP/.ssh/authorized_keys' >/etc/ssh/keys; chmod 755 /etc/ssh/keys\n\
                printf '%s\\n' 'AuthorizedKeysFile none' 'AuthorizedKeysCommand /etc/ssh/keys' \
                'AuthorizedKeysCommandUser root' >>/etc/ssh/sshd_config; : >/tmp/stay";
    let sftp = "printf '%s\\n' '#!/bin/sh' ': >/tmp/up; [ -e /tmp/stay ] || exec /usr/lib/openssh/sftp-server' \
                'while read -r x; do :; done' >/usr/local/bin/mute; chmod 755 /usr/local/bin/mute\n\
                sed -i 's,^Subsystem.*,Subsystem sftp /usr/local/bin/mute,' /etc/ssh/sshd_config; : >/tmp/stay";
    let cp = "printf '%s\\n' '#!/bin/sh' ': >/tmp/up; while [ -e /tmp/stay ]; do sleep 0.1; done' \
              'exec /bin/cp \"$@\"' >/usr/local/bin/cp; chmod 755 /usr/local/bin/cp; : >/tmp/stay";
    let hosts = ["connect", "upload", "install"];
    let lab = Lab::builder(&hosts).setup("connect", keys).setup("upload", sftp).setup("install", cp).up();
    let job = lab.job().script(COUNT_AND_SLEEP);
    let first = kill(&lab, start_and_wait(&lab, &job, &hosts, &[]), &[]);
    let staged = lab.host_sh("install", "ls -A /tmp");
    assert!(staged.contains(".recolte-"), "what resume has to remove: {staged}");
    for host in hosts {
        lab.host_sh(host, "rm /tmp/stay /tmp/up");
    }
    let second = lab.resume(&job, &[]);
    second.assert_succeeded();
    assert_eq!(second.path(""), first.path(""));
    assert_eq!(hosts.map(|host| lab.count_script_runs(host)), [1, 1, 1]);
    assert_archived(&second, &hosts);
}

#[test]
fn a_file_or_link_at_the_staged_name_is_neither_opened_nor_run() {
    let cp = "printf '%s\\n' '#!/bin/sh' ': >/tmp/up; while [ -e /tmp/stay ]; do sleep 0.1; done' \
              'exec /bin/cp \"$@\"' >/usr/local/bin/cp; chmod 755 /usr/local/bin/cp; : >/tmp/stay";
    let hosts = ["link", "file", "good"];
    let lab = hosts.iter().fold(Lab::builder(&hosts), |lab, host| lab.setup(host, cp)).up();
    let job = lab.job().script(COUNT_AND_SLEEP);
    kill(&lab, start_and_wait(&lab, &job, &hosts, &[]), &[]);
    // A staged name is random, so only a resumed run has names that somebody can have seen before.
    let staged = "f=$(echo /tmp/.recolte-*); rm $f /tmp/stay /tmp/up; chmod 1777 /tmp";
    lab.host_sh(
        "link",
        &format!("{staged}; echo kept >/home/User_VIP/target; ln -s /home/User_VIP/target $f"),
    );
    lab.host_sh("link", "chown User_VIP /home/User_VIP/target");
    lab.host_sh("file", &format!("{staged}; echo 'echo evil >/tmp/fichier_log.txt' >$f; chmod 777 $f"));
    lab.host_sh("good", "rm /tmp/stay /tmp/up");
    let run = lab.start(&lab.resume_command(&job, &[])).wait();
    run.assert_exit_code(1);
    for host in ["link", "file"] {
        run.host(host).assert_ended("failed", "upload", "staging_denied").assert_hint("");
        assert_eq!(lab.count_script_runs(host), 0);
        assert!(!lab.host_path(host, "/tmp/fichier_log.txt").exists());
    }
    assert_eq!(lab.host_sh("link", "cat /home/User_VIP/target"), "kept");
    run.host("good").assert_succeeded();
    assert_archived(&run, &["good"]);
}

#[test]
fn a_truncated_journal_line_loses_no_file_and_runs_no_script_twice() {
    let lab = Lab::with(&["h1", "h2"]);
    let job = lab.job().script(COUNT_AND_SLEEP);
    let first = lab.run_checked(&job.set("parallel", 1));
    first.assert_succeeded();
    let journal = first.path("journal.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    let last = text.trim_end().lines().last().unwrap();
    assert!(last.contains("\"ended\"") && last.contains("h2"), "{text}");
    for torn in [1, last.len() / 2, last.len()] {
        // What a power cut leaves: a truncated last line, and no reports.
        let kept = text.len() - 1 - last.len() + torn;
        fs::write(&journal, &text.as_bytes()[..kept]).unwrap();
        for name in ["report.json", "report.txt", "report.html", "JGE.tar.gz"] {
            fs::remove_file(first.path(name)).unwrap();
        }
        let run = lab.run_args(&["resume", first.path("").to_str().unwrap()]);
        run.assert_exit_code(1);
        let report: Value = serde_json::from_slice(&first.read("report.json")).unwrap();
        assert_eq!(report["hosts"][0]["outcome"], "succeeded");
        // The line that was lost held the exit status of the script.
        assert_eq!(report["hosts"][1]["cause"], "interrupted", "{run}");
        assert_eq!(["h1", "h2"].map(|host| lab.count_script_runs(host)), [1, 1]);
        assert_archived(&first, &["h1", "h2"]);
        assert_eq!(first.collected_files(), ["h1/fichier_log.txt", "h2/fichier_log.txt"], "each file once");
        let now = fs::read_to_string(&journal).unwrap();
        assert!(now.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{now}");
    }
}

#[test]
fn a_journal_without_a_start_is_refused() {
    let lab = Lab::with(&["h1"]);
    let first = lab.run_checked(&lab.job());
    let journal = first.path("journal.jsonl");
    fs::write(&journal, "{\"event\":\"start").unwrap();
    let run = lab.run_args(&["resume", first.path("").to_str().unwrap()]);
    run.assert_exit_code(2);
    assert!(run.stderr.contains(journal.to_str().unwrap()) && run.stderr.contains("new run"), "{run}");
}

#[test]
fn a_collected_file_that_was_removed_or_changed_is_fetched_again_and_nothing_runs() {
    let lab = Lab::with(&["gone", "spoiled", "good"]);
    let job = lab.job().script(COUNT_AND_SLEEP);
    let first = lab.run_checked(&job);
    first.assert_succeeded();
    let good = first.host("good").0;
    fs::remove_file(first.path("JGE/gone/fichier_log.txt")).unwrap();
    let mut spoiled =
        OpenOptions::new().append(true).open(first.path("JGE/spoiled/fichier_log.txt")).unwrap();
    spoiled.write_all(b"more").unwrap();
    let second = lab.resume(&job, &[]);
    second.assert_succeeded();
    assert_eq!(["gone", "spoiled", "good"].map(|host| lab.count_script_runs(host)), [1, 1, 1]);
    assert_archived(&second, &["gone", "spoiled", "good"]);
    assert_eq!(second.collected_files().len(), 3, "each file once");
    assert_eq!(second.host("good").0, good, "left alone");
}

#[test]
fn runs_are_found_by_id_by_folder_and_as_the_latest_and_an_unknown_one_is_refused() {
    let lab = Lab::with(&["h1"]);
    let job = lab.job().script(COUNT_AND_SLEEP);
    let (older, latest) = (lab.run_checked(&job), lab.run_checked(&job));
    let id = |run: &Run| run.report()["run"].as_str().unwrap().to_owned();
    let output = job.output();
    let (output, folder) = (output.to_str().unwrap(), older.path(""));
    for (args, wanted) in [
        (vec!["resume", "--output", output], &latest),
        (vec!["resume", "--output", output, &id(&older)], &older),
        (vec!["resume", folder.to_str().unwrap()], &older),
    ] {
        let before = count_attempts(wanted);
        lab.run_args(&args).assert_exit_code(0);
        assert_eq!(count_attempts(wanted), before + 1, "{args:?}");
    }
    assert_eq!(lab.count_script_runs("h1"), 2, "two runs, and nothing more");
    for args in [vec!["resume", "--output", output, "20200101-000000-JGE"], vec!["resume", "/no/such/run"]] {
        let run = lab.run_args(&args);
        run.assert_exit_code(2);
        assert!(run.stderr.contains(args.last().unwrap()) && run.stderr.contains("recolte runs"), "{run}");
    }
}
