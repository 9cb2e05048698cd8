//! The files of this run: told by comparison with the listing before the script, never by a clock.

use std::fs;

use crate::lab::{Job, Lab, Run, wait};

/// Gives a host the userland of busybox, but for what the lab itself needs.
const ONLY_BUSYBOX: &str = "for c in $(busybox --list); do case $c in busybox|su|mount|umount|ip|login|nologin) continue;; esac\n\
                            [ ! -e /usr/bin/$c ] || ln -sf busybox /usr/bin/$c; done\n";

/// Makes files of 2020 in /tmp/f, for [`CHANGE`]: those named `new_*` will be of the run, those named `old_*` not.
const OLD_FILES: &str = "mkdir -m 777 /tmp/f /tmp/src; usermod -a -G games User_DollarU; cd /tmp/f\n\
    for n in new_overwritten new_longer new_touched new_replaced new_shorter old_untouched old_read old_chmod \
    old_chgrp old_ln old_unln; do echo \"old $n\" >$n.txt; done\n\
    cp new_replaced.txt /tmp/src/replacement; echo copied >/tmp/src/older; echo moved >/tmp/src/moved\n\
    ln old_unln.txt /tmp/src/name; echo same >new_instant.txt\n\
    touch -d '2020-01-01 00:00:00.25' *.txt /tmp/src/*; chown -R User_DollarU /tmp/f /tmp/src\n";

/// Changes them in every way that a script may.
const CHANGE: &str = r#"#!/bin/sh
cd /tmp/f || exit
echo 'NEW new_overwritten' >new_overwritten.txt
echo more >>new_longer.txt
echo x >new_shorter.txt
touch new_touched.txt
mv -f /tmp/src/replacement new_replaced.txt
python3 -c 'import os; os.utime("new_instant.txt", ns=(1577836800500000000, 1577836800500000000))'
echo a >new_plain.txt
echo a >new_yesterday.txt
touch -t 202011250000 new_yesterday.txt
echo a >new_future.txt
touch -t 203701010000 new_future.txt
echo a >new_reference.txt
touch -r /tmp/src/older new_reference.txt
cp -p /tmp/src/older new_copied.txt
mv /tmp/src/moved new_moved.txt
cat old_read.txt >/dev/null
chmod 600 old_chmod.txt
chgrp games old_chgrp.txt
ln old_ln.txt /tmp/src/another
rm /tmp/src/name
"#;

/// The files that are of the run.
const NEW: [&str; 12] = [
    "copied",
    "future",
    "instant",
    "longer",
    "moved",
    "overwritten",
    "plain",
    "reference",
    "replaced",
    "shorter",
    "touched",
    "yesterday",
];

const HOSTS: [&str; 3] = ["busy", "gnu", "posix"];

/// Starts a host with the tools of GNU, one with those of busybox, and one without `stat`.
fn hosts() -> Lab {
    Lab::builder(&HOSTS)
        .setup_all(OLD_FILES)
        .setup("busy", ONLY_BUSYBOX)
        .setup("posix", "rm /usr/bin/stat")
        .up()
}

/// Returns the names of a host's files under /tmp/f that were collected, without path, `.txt` and a prefix.
fn names(run: &Run, host: &str, prefix: &str) -> Vec<String> {
    let host = run.host(host);
    let strip = |file: &&str| {
        Some(file.strip_prefix("/tmp/f/")?.strip_prefix(prefix)?.strip_suffix(".txt")?.to_owned())
    };
    let mut names: Vec<String> = host.remote_files().iter().filter_map(strip).collect();
    names.sort();
    names
}

#[test]
fn a_file_is_of_this_run_if_it_was_not_there_or_its_content_was_changed_on_every_userland() {
    let lab = hosts();
    // The host's own time of change is told by ls in minutes.
    let told =
        |host: &str| NEW.iter().filter(|name| host != "posix" || **name != "instant").collect::<Vec<_>>();
    let job = |script: &str| lab.job().script(script).set("collect.files", &["/tmp/f/*.txt"]);
    let check = lab.run(&job(CHANGE).subcommand("check"));
    check.assert_exit_code(0);
    assert_eq!((check.stdout.clone() + &check.stderr).matches("no stat there").count(), 1, "{check}");
    let run = lab.run_checked(&job(CHANGE));
    run.assert_succeeded();
    for host in HOSTS {
        assert_eq!(names(&run, host, "new_").iter().collect::<Vec<_>>(), told(host), "{host}");
        assert_eq!(names(&run, host, "old_"), [""; 0], "{host}");
        let reason = |name: &str| run.host(host).skip_reason(&format!("/tmp/f/old_{name}.txt")).to_owned();
        for name in ["chmod", "chgrp", "ln", "unln"] {
            assert_eq!(reason(name), "only its rights, owner or names changed", "{host}: {name}");
        }
        for name in ["untouched", "read"] {
            assert!(reason(name).contains("earlier run"), "{host}: {name}");
        }
        assert_eq!(run.read_collected(host, "new_overwritten.txt"), b"NEW new_overwritten\n", "{host}");
        assert_eq!(run.read_collected(host, "new_copied.txt"), b"copied\n", "{host}");
        assert_eq!(run.read_collected(host, "new_replaced.txt"), b"old new_replaced\n", "{host}");
    }
    // Now nothing is changed: all is of an earlier run, also what that left in this very second.
    let run = lab.run_checked(&job("#!/bin/sh\n"));
    run.assert_exit_code(1);
    for host in HOSTS {
        run.host(host).assert_ended("failed", "collect", "no_file").assert_message("18 were left");
    }
    let run = lab.run_checked(&job("#!/bin/sh\n").set("collect.fresh", false));
    run.assert_succeeded();
    for host in HOSTS {
        assert_eq!(names(&run, host, "new_"), NEW, "{host}");
        assert_eq!(
            names(&run, host, "old_"),
            ["chgrp", "chmod", "ln", "read", "unln", "untouched"],
            "{host}"
        );
    }
}

#[test]
fn a_file_that_the_run_before_left_in_the_same_second_is_skipped() {
    let lab = Lab::builder(&["busy", "gnu", "one", "posix"])
        .setup("busy", ONLY_BUSYBOX)
        .setup("one", "echo MaxSessions 1 >>/etc/ssh/sshd_config")
        .setup("posix", "rm /usr/bin/stat")
        .up();
    // Whatever the clock says meanwhile, the time of the file is that of both runs.
    let first = "#!/bin/sh\necho x >/tmp/fichier_log.txt; touch -t 203701010000 /tmp/fichier_log.txt\n";
    lab.run_checked(&lab.job().script(first)).assert_succeeded();
    for script in ["#!/bin/sh\n", "#!/bin/sh\ntouch -t 203701010000 /tmp/fichier_log.txt\n"] {
        let run = lab.run_checked(&lab.job().script(script));
        run.assert_exit_code(1);
        for host in lab.hosts() {
            run.host(host).assert_ended("failed", "collect", "no_file").assert_message("1 were left");
        }
        assert_eq!(run.collected_files(), [""; 0]);
    }
    // Written again, with another length or under another inode, and the same time.
    let again = "#!/bin/sh\ncd /tmp; echo y >new; touch -t 203701010000 new; mv new fichier_log.txt\n";
    for script in
        [again, "#!/bin/sh\necho yy >/tmp/fichier_log.txt; touch -t 203701010000 /tmp/fichier_log.txt\n"]
    {
        lab.run_checked(&lab.job().script(script)).assert_succeeded();
    }
}

#[test]
fn the_login_user_compares_too_where_it_collects() {
    let setup = "cd /tmp; echo old >fichier_old_log.txt; echo old >fichier_chmod_log.txt; echo old >fichier_in_log.txt\n\
                 touch -d yesterday /tmp/*.txt; chown User_DollarU /tmp/*.txt";
    let lab = Lab::builder(&["h1", "nosftp", "one", "posix"])
        .setup_all(setup)
        .setup("one", "echo MaxSessions 1 >>/etc/ssh/sshd_config")
        .setup("nosftp", "sed -i /sftp/d /etc/ssh/sshd_config")
        .setup("posix", "rm /usr/bin/stat")
        .up();
    let script = "#!/bin/sh\ncd /tmp; echo new >fichier_in_log.txt; echo new >fichier_log.txt\n\
                  touch -d '2 days ago' fichier_log.txt; chmod 664 fichier_chmod_log.txt\n";
    for job in [lab.job().set("collect.as", "login"), lab.job().set("script.supervise", false)] {
        let run = lab.run_checked(&job.script(script));
        run.assert_succeeded();
        for host in lab.hosts() {
            let host = run.host(host);
            assert_eq!(host.remote_files(), ["/tmp/fichier_in_log.txt", "/tmp/fichier_log.txt"]);
            assert!(host.skip_reason("/tmp/fichier_old_log.txt").contains("earlier run"));
            assert!(host.skip_reason("/tmp/fichier_chmod_log.txt").contains("only its rights"));
        }
        for host in lab.hosts() {
            lab.host_sh(host, "rm /tmp/*.txt");
            lab.host_sh(host, setup);
        }
    }
}

/// A `stat` that waits while /tmp/block is there, and says so by /tmp/listing.
const BLOCKING_STAT: &str = "mv /usr/bin/stat /usr/bin/stat.real; cat >/usr/bin/stat <<'END'\n#!/bin/sh\n\
    if [ -e /tmp/block ]; then echo >/tmp/listing; while [ -e /tmp/block ]; do sleep 0.1; done; fi\n\
    exec /usr/bin/stat.real \"$@\"\nEND\nchmod 755 /usr/bin/stat\n";

#[test]
fn a_resumed_run_compares_with_the_listing_in_the_journal() {
    let setup = "cd /tmp; for n in old in chmod; do echo old >fichier_${n}_log.txt; done\n\
                 chown User_DollarU /tmp/*.txt; touch -d yesterday /tmp/*.txt";
    // On one host the script has ended and its files are being listed; on the other it is ended as its input ends.
    let lab = Lab::builder(&["listing", "trap"]).setup_all(setup).setup("listing", BLOCKING_STAT).up();
    let script = "#!/bin/sh\ncd /tmp; echo ran >>/tmp/count; cp -p fichier_old_log.txt fichier_log.txt\n\
                  echo new >fichier_in_log.txt; chmod 600 fichier_chmod_log.txt\n\
                  if [ \"$(hostname)\" = listing ]; then : >/tmp/block; exit; fi\n\
                  trap 'echo late >/tmp/fichier_late_log.txt; exit' TERM; echo >/tmp/up; sleep 1000 & wait\n";
    let job: Job = lab.job().script(script);
    let running = lab.start(&job);
    lab.wait_for_file("listing", "/tmp/listing");
    lab.wait_for_file("trap", "/tmp/up");
    running.send_signal("KILL");
    assert_eq!(running.wait().exit_code(), 1009);
    lab.wait_for_file("trap", "/tmp/fichier_late_log.txt");
    lab.host_sh("listing", "rm /tmp/block");
    wait::until("the end of both launchers", || {
        let runs = |host| lab.host_processes(host).iter().any(|line| line.contains("Fichier_fourni"));
        (!runs("listing") && !runs("trap")).then_some(())
    });
    let resume = ["resume", "--output", job.output().to_str().unwrap()].map(str::to_owned);
    let resume = resume.each_ref().map(String::as_str);
    let run = lab.start(&lab.job_for(&[]).set("output", job.output().as_path()).raw_args(&resume)).wait();
    run.assert_exit_code(1);
    for host in ["listing", "trap"] {
        assert_eq!(fs::read_to_string(lab.host_path(host, "/tmp/count")).unwrap(), "ran\n", "{host}");
        let report = run.host(host);
        report.assert_ended("cancelled", "execute", "interrupted");
        assert_eq!(report.0["began"], true, "{host}");
        assert_eq!(run.read_collected(host, "fichier_in_log.txt"), b"new\n", "{host}");
        assert_eq!(run.read_collected(host, "fichier_log.txt"), b"old\n", "{host}");
        assert!(report.skip_reason("/tmp/fichier_old_log.txt").contains("earlier run"), "{host}");
        assert!(report.skip_reason("/tmp/fichier_chmod_log.txt").contains("only its rights"), "{host}");
    }
    assert_eq!(run.read_collected("trap", "fichier_late_log.txt"), b"late\n");
    assert_eq!(run.collected_files().len(), 5, "{run}");
}
