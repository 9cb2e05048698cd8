//! The files that are collected: kinds of files, permissions, limits, sizes, files that change meanwhile, globs.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::lab::Lab;

#[test]
fn only_regular_files_are_collected_and_others_are_reported_with_the_reason() {
    let setup =
        "cd /tmp; mknod -m 666 fichier_device_log.txt c 1 5; mkdir fichier_folder_log.txt; mkdir /tmp/secret";
    let lab = Lab::builder(&["h1"]).setup_all(setup).up();
    let script = "#!/bin/sh\ncd /tmp; echo x >fichier_log.txt; mkfifo -m 666 fichier_fifo_log.txt\n\
                  ln -s /etc/shadow fichier_link_log.txt; ln -s nowhere fichier_broken_log.txt\n\
                  python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"fichier_socket_log.txt\")'\n";
    let run = lab.run_checked(&lab.job().script(script).set("collect.fresh", false));
    run.assert_succeeded();
    assert_eq!(run.collected_files(), ["h1/fichier_log.txt"]);
    for (name, why) in [
        ("link", "symbolic link"),
        ("broken", "symbolic link"),
        ("fifo", "FIFO"),
        ("folder", "folder"),
        ("device", "device"),
        ("socket", "no regular file"),
    ] {
        let reason = run.host("h1").skip_reason(&format!("/tmp/fichier_{name}_log.txt")).to_owned();
        assert!(reason.contains(why), "{name}: {reason}");
    }
}

#[test]
fn a_file_that_only_run_as_may_read_is_read_as_run_as() {
    // The profile prints; its output must not end up in the file.
    let talks = "echo 'Bienvenue sur Dollar Universe' | tee -a /dev/stderr";
    let lab = Lab::builder(&["h1", "talks"])
        .setup("talks", &format!("echo \"{talks}\" >>/home/User_DollarU/.profile"))
        .up();
    let script = "#!/bin/sh\numask 077; printf 'secret\\0\\377\\n' >/tmp/fichier_log.txt; : >/tmp/fichier_empty_log.txt\n\
                  echo open >/tmp/fichier_open_log.txt; chmod 644 /tmp/fichier_open_log.txt\n";
    for sftp in [true, false] {
        if !sftp {
            lab.host_sh("h1", "sed -i /sftp/d /etc/ssh/sshd_config; kill -HUP $(cat /run/sshd.pid)");
        }
        let run = lab.run_checked(&lab.job().script(script));
        run.assert_succeeded();
        for host in ["h1", "talks"] {
            assert_eq!(run.read_collected(host, "fichier_log.txt"), b"secret\0\xff\n", "{host}, sftp {sftp}");
            assert_eq!(run.read_collected(host, "fichier_empty_log.txt"), b"");
            assert_eq!(run.read_collected(host, "fichier_open_log.txt"), b"open\n");
        }
    }
}

#[test]
fn an_unreadable_file_is_reported_and_the_others_are_collected() {
    let setup = "echo x >/tmp/fichier_root_log.txt; chmod 600 /tmp/fichier_root_log.txt";
    let lab = Lab::builder(&["h1"]).setup_all(setup).up();
    let run = lab.run_checked(&lab.job().set("collect.fresh", false));
    run.assert_exit_code(1);
    run.host("h1")
        .assert_ended("failed", "collect", "unreadable")
        .assert_message("fichier_root_log.txt")
        .assert_hint("");
    assert!(!run.host("h1").skip_reason("/tmp/fichier_root_log.txt").is_empty());
    assert_eq!(run.collected_files(), ["h1/fichier_log.txt"], "a partial or an empty file is left");
}

#[test]
fn without_run_as_a_file_that_the_login_user_may_not_read_is_reported() {
    let setup = "echo x >/tmp/fichier_root_log.txt; chmod 600 /tmp/fichier_root_log.txt";
    let lab = Lab::builder(&["h1"]).setup_all(setup).up();
    let run = lab.run_checked(&lab.job().set("collect.fresh", false).without("script.run_as"));
    run.assert_exit_code(1);
    run.host("h1").assert_ended("failed", "collect", "unreadable");
    assert_eq!(run.collected_files(), ["h1/fichier_log.txt"]);
}

#[test]
fn files_beyond_the_limits_are_skipped_and_the_others_collected() {
    let script = "#!/bin/sh\ncd /tmp; for n in 1 2 3; do head -c 400000 /dev/zero >fichier_${n}_log.txt; done\n\
                  head -c 1000001 /dev/zero >fichier_4_log.txt; echo x >fichier_5_log.txt\n";
    let lab = Lab::with(&["h1"]);
    let run = lab.run_checked(&lab.job().script(script).set("collect.max_file", "1MB"));
    run.assert_exit_code(1);
    let host = run.host("h1");
    host.assert_ended("failed", "collect", "too_large")
        .assert_message("1000001")
        .assert_message("max_file")
        .assert_hint("limit");
    assert!(host.skip_reason("/tmp/fichier_4_log.txt").contains("max_file"));
    let whole: Vec<String> = [1, 2, 3, 5].map(|n| format!("h1/fichier_{n}_log.txt")).to_vec();
    assert_eq!(run.collected_files(), whole);
    let run = lab.run_checked(&lab.job().script(script).set("collect.max_host", "900kB"));
    run.assert_exit_code(1);
    run.host("h1")
        .assert_ended("failed", "collect", "too_large")
        .assert_message("max_host")
        .assert_hint("limit");
    assert_eq!(run.collected_files(), [1, 2, 5].map(|n| format!("h1/fichier_{n}_log.txt")));
}

#[test]
fn a_limit_is_exact() {
    let script = "#!/bin/sh\nhead -c 1000000 /dev/zero >/tmp/fichier_log.txt\n";
    let lab = Lab::with(&["h1"]);
    let job = lab.job().script(script).set("collect.max_file", "1MB").set("collect.max_host", "1MB");
    lab.run_checked(&job).assert_succeeded();
}

#[test]
fn no_file_is_a_failure_unless_none_is_required() {
    let lab = Lab::with(&["h1"]);
    let run = lab.run_checked(&lab.job().script("#!/bin/sh\n"));
    run.assert_exit_code(1);
    run.host("h1")
        .assert_ended("failed", "collect", "no_file")
        .assert_message("/tmp/fichier_*log.txt")
        .assert_hint("required = false");
    assert_eq!(run.host("h1").exit_status(), Some(0));
    assert_eq!(run.collected_files().len(), 0);
    let run = lab.run_checked(&lab.job().script("#!/bin/sh\n").set("collect.required", false));
    run.assert_succeeded();
    assert_eq!(run.host("h1").remote_files().len(), 0);
    // A file that was there before does not count for this run.
    lab.host_sh("h1", "echo x >/tmp/fichier_log.txt; touch -d yesterday /tmp/fichier_log.txt");
    let run = lab.run_checked(&lab.job().script("#!/bin/sh\n"));
    run.assert_exit_code(1);
    run.host("h1").assert_ended("failed", "collect", "no_file").assert_message("1 were left");
}

#[test]
fn a_failed_script_is_the_cause_even_if_files_are_missing_too() {
    let lab = Lab::with(&["h1"]);
    let run = lab.run_checked(&lab.job().script("#!/bin/sh\nexit 4\n"));
    run.assert_exit_code(1);
    run.host("h1").assert_ended("failed", "execute", "script_failed");
    assert_eq!(run.host("h1").exit_status(), Some(4));
}

#[test]
fn ten_thousand_files_are_collected() {
    let script = "#!/bin/sh\ncd /tmp; for n in $(seq 10000); do echo $n >fichier_${n}_log.txt; done\n";
    let lab = Lab::with(&["h1"]);
    let run = lab.run_checked(&lab.job().script(script));
    run.assert_succeeded();
    assert_eq!(run.host("h1").remote_files().len(), 10_000);
    for n in 1..=10_000 {
        assert_eq!(run.read_collected("h1", &format!("fichier_{n}_log.txt")), format!("{n}\n").as_bytes());
    }
}

#[test]
fn fifty_megabytes_arrive_whole() {
    let script = "#!/bin/sh\nhead -c 50000001 /dev/urandom >/tmp/fichier_log.txt\n";
    let lab = Lab::builder(&["h1", "nosftp"]).setup("nosftp", "sed -i /sftp/d /etc/ssh/sshd_config").up();
    let run = lab.run_checked(&lab.job().script(script));
    run.assert_succeeded();
    for host in ["h1", "nosftp"] {
        let there = lab.host_sh(host, "sha256sum </tmp/fichier_log.txt");
        let file = &run.host(host).0["files"][0];
        assert_eq!(file["sha256"].as_str(), there.split_whitespace().next(), "{host}");
        assert_eq!(file["bytes"], 50_000_001);
        let here =
            lab.sh(&format!("sha256sum <{}", run.path(&format!("JGE/{host}/fichier_log.txt")).display()));
        assert_eq!(here, there, "{host}");
    }
}

#[test]
fn a_file_that_grows_while_it_is_read_is_collected_up_to_some_point() {
    let script = "#!/bin/sh\ncd /tmp; head -c 20000000 /dev/zero | tr '\\0' a >fichier_log.txt\n\
                  setsid sh -c 'trap \"\" HUP; while [ ! -e /tmp/stop ]; do echo b; done' >>fichier_log.txt 2>&1 </dev/null &\n\
                  echo $! >/tmp/pid\n";
    let lab = Lab::with(&["h1"]);
    let run = lab.start(&lab.job().script(script)).wait();
    lab.host_sh("h1", "touch /tmp/stop");
    run.assert_succeeded();
    let got = run.read_collected("h1", "fichier_log.txt");
    assert!(got.len() >= 20_000_000);
    let (head, tail) = got.split_at(20_000_000);
    assert!(head.iter().all(|byte| *byte == b'a') && tail.iter().all(|byte| b"b\n".contains(byte)));
    assert_eq!(run.host("h1").0["files"][0]["bytes"], got.len());
    lab.assert_gateway_clean(&run);
}

#[test]
fn collected_files_are_private_and_no_partial_copy_is_left() {
    let lab = Lab::with(&["h1"]);
    let script =
        "#!/bin/sh\nhead -c 3000000 /dev/zero >/tmp/fichier_log.txt; chmod 6777 /tmp/fichier_log.txt\n";
    let run = lab.run_checked(&lab.job().script(script));
    run.assert_succeeded();
    assert_eq!(run.collected_files(), ["h1/fichier_log.txt"]);
    let mode = fs::metadata(run.path("JGE/h1/fichier_log.txt")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7133, 0, "neither executable nor set-id nor writable by others: {mode:o}");
}

#[test]
fn a_file_that_matches_two_globs_is_collected_once() {
    let script = "#!/bin/sh\nmkdir -p /tmp/a /tmp/b; echo a >/tmp/a/same.txt; echo b >/tmp/b/same.txt; echo c >/tmp/c.txt\n\
                  echo d >'/tmp/with blank.txt'\n";
    let lab = Lab::with(&["h1", "h2"]);
    let globs = [
        "/tmp/a/*.txt",
        "/tmp/b/same.txt",
        "/tmp/[ab]/same.txt",
        "/tmp/c.txt",
        "/tmp/nothing*",
        "/tmp/with b*.txt",
    ];
    for layout in ["by-host", "flat"] {
        let run = lab.run_checked(
            &lab.job().script(script).set("collect.files", &globs).set("collect.layout", layout),
        );
        run.assert_succeeded();
        let mut paths = Vec::new();
        for host in ["h1", "h2"] {
            let host = run.host(host);
            let remote = ["/tmp/a/same.txt", "/tmp/b/same.txt", "/tmp/c.txt", "/tmp/with blank.txt"];
            assert_eq!(host.remote_files(), remote, "each once, in the order of the globs");
            let contents = remote.map(|name| run.text(host.local_path(name)));
            assert_eq!(contents, ["a\n", "b\n", "c\n", "d\n"]);
            paths.extend(remote.map(|name| host.local_path(name).to_owned()));
        }
        paths.sort();
        paths.dedup();
        assert_eq!(paths.len(), 8, "no file took another's name");
    }
}

#[test]
fn a_glob_that_holds_shell_text_is_refused_or_means_itself() {
    let lab = Lab::with(&["h1"]);
    for (glob, text) in [
        ("/tmp/$(touch ran).txt", "$("),
        ("/tmp/`touch ran`;*", "`"),
        ("/tmp/${HOME}*", "${"),
        ("/tmp/{a,b}", "{…}"),
    ] {
        let run = lab.start(&lab.job().set("collect.files", &[glob])).wait();
        run.assert_exit_code(2);
        assert!(run.stderr.contains("collect.files") && run.stderr.contains(text), "{glob}: {run}");
        assert!(run.stderr.contains("a glob of its own"), "no way out: {run}");
    }
    lab.assert_not_contacted("h1");
    let script = "#!/bin/sh\ncd /tmp; for name in 'a b;c' \"it's\" 'say\"so' '$HOME' '~x' '!(x)' '&touch ran' 'back\\slash'; do\n\
                  echo x >\"$name.txt\"; done\n";
    let globs = [
        "/tmp/[!b-z] b;*",
        "/tmp/it's*",
        "/tmp/say\"*",
        "/tmp/$HOME*",
        "/tmp/~*",
        "/tmp/!(x)*",
        "/tmp/&touch ran.txt",
        "/tmp/back\\slash.txt",
        "/tmp/'\"*",
    ];
    let run = lab.run_checked(&lab.job().script(script).set("collect.files", &globs));
    run.assert_succeeded();
    let names = ["a b;c", "it's", "say\"so", "$HOME", "~x", "!(x)", "&touch ran", "back\\slash"];
    assert_eq!(run.host("h1").remote_files(), names.map(|name| format!("/tmp/{name}.txt")));
    assert_eq!(lab.host_sh("h1", "find / -xdev -name ran"), "");
}
