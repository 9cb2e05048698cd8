//! `[ssh] keep`: ssh masters that stay alive for the next command.

use std::fs::{self, Permissions};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::PathBuf;

use crate::lab::{Job, Lab, Run, wait};

fn folder(lab: &Lab) -> PathBuf {
    lab.socket_folder().join(format!("recolte-keep-{}", lab.sh("id -u")))
}

/// The sockets of kept masters.
fn kept(lab: &Lab) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder(lab)).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().unwrap().is_socket()).map(|entry| entry.path()).collect()
}

fn job(lab: &Lab) -> Job {
    lab.job().set("ssh.keep", "10m")
}

/// Does the job, or another thing with it; the master stays.
#[track_caller]
fn done(lab: &Lab, job: &Job) -> Run {
    let run = lab.start(job).wait();
    run.assert_exit_code(0);
    run
}

/// Ends the kept masters as the guide says, and checks that nothing else is left.
fn let_go(lab: &Lab, run: &Run) {
    for socket in kept(lab) {
        lab.sh(&format!("ssh -S {} -O exit x 2>&1", socket.display()));
    }
    fs::remove_dir_all(folder(lab)).unwrap();
    lab.assert_gateway_clean(run);
    lab.assert_hosts_clean(run);
}

#[test]
fn check_run_and_run_again_pay_for_one_login() {
    let lab = Lab::with(&["h1", "h2"]);
    done(&lab, &job(&lab).subcommand("check"));
    done(&lab, &job(&lab));
    let run = done(&lab, &job(&lab));
    assert_eq!((lab.count_logins("h1"), lab.count_logins("h2"), kept(&lab).len()), (1, 1, 2));
    let folder = fs::metadata(folder(&lab)).unwrap();
    assert_eq!(folder.permissions().mode() & 0o777, 0o700);
    let_go(&lab, &run);
}

#[test]
fn another_ssh_config_gets_another_master() {
    let lab = Lab::with(&["h1"]);
    done(&lab, &job(&lab));
    lab.prepend_ssh_config("Host h1\n  User User_VIP\n");
    let run = done(&lab, &job(&lab));
    assert_eq!((lab.count_logins("h1"), kept(&lab).len()), (2, 2));
    let_go(&lab, &run);
}

#[test]
fn one_that_was_killed_is_replaced() {
    let lab = Lab::with(&["h1"]);
    done(&lab, &job(&lab));
    let socket = kept(&lab).remove(0);
    lab.sh(&format!("pkill -KILL -f '^ssh.*{}'", socket.display()));
    wait::until("the end of its login", || lab.host_processes("h1").is_empty().then_some(()));
    assert!(socket.exists(), "a dead socket");
    let run = done(&lab, &job(&lab));
    assert_eq!((lab.count_logins("h1"), kept(&lab)), (2, vec![socket]));
    let_go(&lab, &run);
}

#[test]
fn one_whose_link_is_dead_is_replaced() {
    let lab = Lab::with(&["h1"]);
    done(&lab, &job(&lab));
    // Its master still answers.
    lab.host_sh("h1", "pkill -STOP -f '^sshd: User_VIP'");
    let run = done(&lab, &job(&lab).set("ssh.connect_timeout", "4s"));
    assert_eq!((lab.count_logins("h1"), kept(&lab).len()), (2, 1));
    lab.host_sh("h1", "pkill -CONT -f '^sshd: User_VIP'");
    let_go(&lab, &run);
}

#[test]
fn who_comes_while_it_is_in_use_has_a_connection_of_its_own() {
    let lab = Lab::with(&["h1"]);
    let script =
        "#!/bin/sh\n: >/tmp/fichier_log.txt; : >/tmp/up; while [ ! -e /tmp/go ]; do sleep 0.1; done\n";
    let running = lab.start(&job(&lab).script(script));
    lab.wait_for_file("h1", "/tmp/up");
    done(&lab, &job(&lab).subcommand("check"));
    assert_eq!((lab.count_logins("h1"), kept(&lab).len()), (2, 1));
    lab.host_sh("h1", ": >/tmp/go");
    let run = running.wait();
    run.assert_succeeded();
    let_go(&lab, &run);
}

#[test]
fn after_a_script_that_was_ended_the_next_run_is_undisturbed() {
    let lab = Lab::with(&["h1"]);
    let run = lab.start(&job(&lab).script("#!/bin/sh\nsleep 1000\n").set("script.timeout", "1s")).wait();
    run.host("h1").assert_ended("timed_out", "execute", "script_timeout");
    wait::until("no script", || {
        (!lab.host_processes("h1").iter().any(|line| line.contains("sleep"))).then_some(())
    });
    let run = done(&lab, &job(&lab));
    let_go(&lab, &run);
}

#[test]
fn it_ends_by_itself_when_its_time_is_over() {
    let lab = Lab::with(&["h1"]);
    let run = done(&lab, &job(&lab).set("ssh.keep", "1s"));
    wait::until("no connection", || lab.open_connections().is_empty().then_some(()));
    let_go(&lab, &run);
}

#[test]
fn a_folder_that_others_may_enter_is_refused_before_any_host_is_touched() {
    let lab = Lab::with(&["h1"]);
    fs::create_dir(folder(&lab)).unwrap();
    fs::set_permissions(folder(&lab), Permissions::from_mode(0o755)).unwrap();
    let run = lab.start(&job(&lab)).wait();
    run.assert_exit_code(2);
    assert!(
        run.stderr.contains("recolte-keep-") && run.stderr.contains("no private folder of yours"),
        "{run}"
    );
    assert_eq!(lab.count_logins("h1"), 0);
}

#[test]
fn the_dry_run_shows_what_is_kept() {
    let lab = Lab::with(&["h1"]);
    let shown = done(&lab, &job(&lab).options(&["--dry-run"])).stdout;
    let socket = format!("-S {}/", folder(&lab).display());
    assert!(shown.contains(&socket) && shown.contains("-o ControlPersist=600s"), "{shown}");
    assert!(!shown.contains("-O exit") && !folder(&lab).exists(), "{shown}");
    let shown = done(&lab, &lab.job().options(&["--dry-run"])).stdout;
    assert!(shown.contains("-o ControlPersist=60s") && shown.contains("-O exit"), "{shown}");
}
