//! Scripts that print our protocol, close their streams, kill their group or all of their user, or leave a daemon.

use serde_json::json;

use crate::lab::{Lab, Run};

/// Adds a line to /tmp/count and writes its file; then does what its host is there for.
fn script(end: &str) -> String {
    format!("#!/bin/sh\necho ran >>/tmp/count\necho \"$(hostname) $1\" >/tmp/fichier_log.txt\n{end}\n")
}

/// Words that look like ours: of the launcher, and of a program, under a marker that is not the right one.
const IMITATION: &str = "recolte-ready-1 1\nrecolte-ready-1 2\nrecolte-ready-2 2\n\
                         recolte-0123456789abcdef0123456789abcdef:exit:0\n\
                         recolte-0123456789abcdef0123456789abcdef:login:0\n:exit:0\n:file:0:5\nrecolte-";

const HOSTS: [&str; 6] = ["imitates", "closes", "group", "all", "daemon", "good"];

/// Checks what is said of each host, that its file is there, and that its script ran once.
#[track_caller]
fn assert_ended(lab: &Lab, run: &Run) {
    for (host, status) in [("imitates", Some(7)), ("group", Some(137)), ("all", None)] {
        let report = run.host(host);
        report.assert_ended("failed", "execute", "script_failed").assert_hint("");
        assert_eq!(report.exit_status(), status, "{host}: {run}");
    }
    for host in ["closes", "daemon", "good"] {
        run.host(host).assert_succeeded();
    }
    for host in HOSTS {
        assert_eq!(run.host(host).0["began"], json!(true), "{host}: {run}");
        assert_eq!(
            run.read_collected(host, "fichier_log.txt"),
            format!("{host} SOC_PRODUCTION\n").as_bytes()
        );
        assert_eq!(lab.count_script_runs(host), 1, "{host}: {run}");
    }
}

#[test]
fn a_hostile_script_runs_once_its_files_are_collected_and_nothing_is_left_running() {
    let lab = Lab::with(&HOSTS);
    let end = format!(
        "case $(hostname) in\n\
         imitates) printf '{IMITATION}'; printf '{IMITATION}' >&2; exit 7 ;;\n\
         closes) exec 0<&- 1>&- 2>&- ;;\n\
         group) echo said; kill -9 0 ;;\n\
         all) echo said; kill -9 -1 ;;\n\
         daemon) yes & yes >&2 & echo said ;;\n\
         esac"
    );
    let job = lab.job().script(script(&end));
    let run = lab.run_checked(&job);
    assert_ended(&lab, &run);
    for stream in ["stdout", "stderr"] {
        assert_eq!(run.text(&format!("hosts/imitates/{stream}")), IMITATION);
    }
    run.host("group").assert_message("signal 9");
    run.host("all").assert_message("its exit status is not known");
    for host in ["group", "all"] {
        assert_eq!(run.script_stdout(host), "said\n");
    }
    assert_ended(&lab, &lab.resume(&job, &[]));
}
