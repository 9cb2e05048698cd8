//! `[ssh] keep`: ssh masters that stay alive for the next command.

use std::fs::{self, Permissions};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::PathBuf;

use crate::lab::{Job, Lab, Run, wait};

fn master_folder(lab: &Lab) -> PathBuf {
    lab.socket_folder().join(format!("recolte-keep-{}", lab.sh("id -u")))
}

/// Lists the sockets of persistent masters.
fn master_sockets(lab: &Lab) -> Vec<PathBuf> {
    let entries = fs::read_dir(master_folder(lab)).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().unwrap().is_socket()).map(|entry| entry.path()).collect()
}

fn keep_job(lab: &Lab) -> Job {
    lab.job().set("ssh.keep", "10m")
}

/// Runs a job to exit code 0, without a check of what is left: the master stays.
#[track_caller]
fn run_to_success(lab: &Lab, job: &Job) -> Run {
    let run = lab.start(job).wait();
    run.assert_exit_code(0);
    run
}

/// Ends the persistent masters as the guide says, and checks that nothing else is left.
fn end_masters(lab: &Lab, run: &Run) {
    for socket in master_sockets(lab) {
        lab.sh(&format!("ssh -S {} -O exit x 2>&1", socket.display()));
    }
    fs::remove_dir_all(master_folder(lab)).unwrap();
    lab.assert_gateway_clean(run);
    lab.assert_hosts_clean(run);
}

#[test]
fn check_and_two_runs_need_one_login() {
    let lab = Lab::with(&["h1", "h2"]);
    run_to_success(&lab, &keep_job(&lab).subcommand("check"));
    run_to_success(&lab, &keep_job(&lab));
    let run = run_to_success(&lab, &keep_job(&lab));
    assert_eq!((lab.count_logins("h1"), lab.count_logins("h2"), master_sockets(&lab).len()), (1, 1, 2));
    let folder = fs::metadata(master_folder(&lab)).unwrap();
    assert_eq!(folder.permissions().mode() & 0o777, 0o700);
    end_masters(&lab, &run);
}

#[test]
fn another_ssh_config_gets_another_persistent_master() {
    let lab = Lab::with(&["h1"]);
    run_to_success(&lab, &keep_job(&lab));
    lab.prepend_ssh_config("Host h1\n  User User_VIP\n");
    let run = run_to_success(&lab, &keep_job(&lab));
    assert_eq!((lab.count_logins("h1"), master_sockets(&lab).len()), (2, 2));
    end_masters(&lab, &run);
}

#[test]
fn a_killed_master_is_replaced() {
    let lab = Lab::with(&["h1"]);
    run_to_success(&lab, &keep_job(&lab));
    let socket = master_sockets(&lab).remove(0);
    lab.sh(&format!("pkill -KILL -f '^ssh.*{}'", socket.display()));
    wait::until("the end of its session", || lab.host_processes("h1").is_empty().then_some(()));
    assert!(socket.exists(), "a dead socket");
    let run = run_to_success(&lab, &keep_job(&lab));
    assert_eq!((lab.count_logins("h1"), master_sockets(&lab)), (2, vec![socket]));
    end_masters(&lab, &run);
}

#[test]
fn a_master_with_a_dead_connection_is_replaced() {
    let lab = Lab::with(&["h1"]);
    run_to_success(&lab, &keep_job(&lab));
    // The connection is dead, but its master still answers.
    lab.host_sh("h1", "pkill -STOP -f '^sshd: User_VIP'");
    let run = run_to_success(&lab, &keep_job(&lab).set("ssh.connect_timeout", "4s"));
    assert_eq!((lab.count_logins("h1"), master_sockets(&lab).len()), (2, 1));
    lab.host_sh("h1", "pkill -CONT -f '^sshd: User_VIP'");
    end_masters(&lab, &run);
}

#[test]
fn a_command_that_finds_the_master_in_use_makes_its_own_connection() {
    let lab = Lab::with(&["h1"]);
    let script =
        "#!/bin/sh\n: >/tmp/fichier_log.txt; : >/tmp/up; while [ ! -e /tmp/go ]; do sleep 0.1; done\n";
    let running = lab.start(&keep_job(&lab).script(script));
    lab.wait_for_file("h1", "/tmp/up");
    run_to_success(&lab, &keep_job(&lab).subcommand("check"));
    assert_eq!((lab.count_logins("h1"), master_sockets(&lab).len()), (2, 1));
    lab.host_sh("h1", ": >/tmp/go");
    let run = running.wait();
    run.assert_succeeded();
    end_masters(&lab, &run);
}

#[test]
fn after_a_script_timeout_the_next_run_is_undisturbed() {
    let lab = Lab::with(&["h1"]);
    let run = lab.start(&keep_job(&lab).script("#!/bin/sh\nsleep 1000\n").set("script.timeout", "1s")).wait();
    run.host("h1").assert_ended("timed_out", "execute", "script_timeout");
    wait::until("no script", || {
        (!lab.host_processes("h1").iter().any(|line| line.contains("sleep"))).then_some(())
    });
    let run = run_to_success(&lab, &keep_job(&lab));
    end_masters(&lab, &run);
}

#[test]
fn a_persistent_master_ends_after_its_time() {
    let lab = Lab::with(&["h1"]);
    let run = run_to_success(&lab, &keep_job(&lab).set("ssh.keep", "1s"));
    wait::until("no connection", || lab.open_connections().is_empty().then_some(()));
    end_masters(&lab, &run);
}

#[test]
fn a_master_folder_that_others_may_enter_is_refused_before_any_host_is_contacted() {
    let lab = Lab::with(&["h1"]);
    fs::create_dir(master_folder(&lab)).unwrap();
    fs::set_permissions(master_folder(&lab), Permissions::from_mode(0o755)).unwrap();
    let run = lab.start(&keep_job(&lab)).wait();
    run.assert_exit_code(2);
    assert!(
        run.stderr.contains("recolte-keep-") && run.stderr.contains("no private folder of yours"),
        "{run}"
    );
    assert_eq!(lab.count_logins("h1"), 0);
}

#[test]
fn the_dry_run_shows_the_persistent_master() {
    let lab = Lab::with(&["h1"]);
    let shown = run_to_success(&lab, &keep_job(&lab).options(&["--dry-run"])).stdout;
    let socket = format!("-S {}/", master_folder(&lab).display());
    assert!(shown.contains(&socket) && shown.contains("-o ControlPersist=600s"), "{shown}");
    assert!(!shown.contains("-O exit") && !master_folder(&lab).exists(), "{shown}");
    let shown = run_to_success(&lab, &lab.job().options(&["--dry-run"])).stdout;
    assert!(shown.contains("-o ControlPersist=60s") && shown.contains("-O exit"), "{shown}");
}
