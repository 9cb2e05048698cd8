//! The user who reads the files: the one who ran the script, in its session; or, as the job says, the login user.

use crate::lab::{Gateway, Job, Lab, Run};

/// Every user gets a /tmp of its own at `su -`, as hardened hosts have it.
const PRIVATE_TMP: &str = "echo 'session required pam_namespace.so' >>/etc/pam.d/su-l\n\
                           mkdir -m 000 /tmp-inst; echo '/tmp /tmp-inst/ user root' >/etc/security/namespace.conf\n";

const ONE_SESSION: &str = "echo MaxSessions 1 >>/etc/ssh/sshd_config";

/// Writes many files, a large one and odd names into a folder that nobody else may enter.
const WRITE_IN_PRIVATE: &str = "#!/bin/sh\numask 077; mkdir /tmp/deep; cd /tmp/deep || exit\n\
    for n in $(seq 70); do echo \"$(hostname) $n\" >many_$n.txt; done\n\
    head -c 5000001 /dev/urandom >large.txt; sha256sum large.txt >sum.txt\n\
    echo blank >' two  blanks.txt'; echo quote >\"it's \\\"q\\\".txt\"; : >empty.txt\n\
    echo newline >'new\nline.txt'; echo bytes >\"$(printf 'caf\\351.txt')\"; echo dash >-rf.txt\n";

/// Checks that a host's files of [`WRITE_IN_PRIVATE`] came whole.
#[track_caller]
fn assert_all_came(run: &Run, host: &str) {
    let report = run.host(host);
    report.assert_succeeded();
    assert_eq!(report.remote_files().len(), 78, "{host}");
    for n in 1..=70 {
        assert_eq!(run.read_collected(host, &format!("many_{n}.txt")), format!("{host} {n}\n").as_bytes());
    }
    let sum = String::from_utf8(run.read_collected(host, "sum.txt")).unwrap();
    let large =
        report.0["files"].as_array().unwrap().iter().find(|file| file["remote"] == "/tmp/deep/large.txt");
    assert_eq!(large.unwrap()["sha256"].as_str(), sum.split_whitespace().next(), "{host}");
    assert_eq!(run.read_collected(host, "large.txt").len(), 5_000_001, "{host}");
    for (name, content) in [
        (" two  blanks", "blank\n"),
        ("it's \"q\"", "quote\n"),
        ("new\\nline", "newline\n"),
        ("caf\\xe9", "bytes\n"),
        ("-rf", "dash\n"),
        ("empty", ""),
    ] {
        assert_eq!(run.text(report.local_path(&format!("/tmp/deep/{name}.txt"))), content, "{host}: {name}");
    }
}

#[test]
fn files_that_only_run_as_can_reach_are_collected_whatever_their_number_size_and_name() {
    let lab = Lab::builder(&["plain", "one", "private", "nosftp"])
        .setup("one", ONE_SESSION)
        .setup("private", PRIVATE_TMP)
        .setup("nosftp", "sed -i /sftp/d /etc/ssh/sshd_config")
        .up();
    let job = lab.job().script(WRITE_IN_PRIVATE).set("collect.files", &["/tmp/deep/*.txt"]);
    let run = lab.run_checked(&job);
    run.assert_succeeded();
    for host in lab.hosts() {
        assert_all_came(&run, host);
    }
    // The login user sees another /tmp there.
    assert_eq!(lab.host_sh("private", "ls -d /tmp/deep || :"), "");
    assert_eq!(lab.host_sh("plain", "stat -c '%a %U' /tmp/deep"), "700 User_DollarU");
}

#[test]
fn where_the_login_user_collects_a_file_that_only_run_as_may_read_is_reported() {
    let setup = "mkdir -m 700 /srv/vip; echo vip >/srv/vip/fichier_vip_log.txt; chown -R User_VIP /srv/vip";
    let lab = Lab::builder(&["h1", "nosftp", "one"])
        .setup_all(setup)
        .setup("nosftp", "sed -i /sftp/d /etc/ssh/sshd_config")
        .setup("one", ONE_SESSION)
        .up();
    let script =
        "#!/bin/sh\ncd /tmp; echo open >fichier_open_log.txt; umask 077; echo x >fichier_own_log.txt\n";
    let globs = ["/tmp/fichier_*log.txt", "/srv/vip/*"];
    let job = lab.job().script(script).set("collect.files", &globs).set("collect.as", "login");
    let job = job.set("collect.fresh", false);
    let run = lab.run_checked(&job);
    lab.run_checked(&job.subcommand("check")).assert_exit_code(0);
    run.assert_exit_code(1);
    for host in lab.hosts() {
        run.host(host)
            .assert_ended("failed", "collect", "unreadable")
            .assert_message("fichier_own_log.txt")
            .assert_hint("");
        // It is the login user who reads: run_as may not enter this folder.
        assert_eq!(run.read_collected(host, "fichier_vip_log.txt"), b"vip\n");
        assert_eq!(run.read_collected(host, "fichier_open_log.txt"), b"open\n");
        assert_eq!(run.host(host).remote_files().len(), 2);
    }
}

#[test]
fn where_only_the_login_user_can_reach_the_files_nothing_is_fetched_and_the_hint_says_so() {
    let setup = "mkdir -m 700 /srv/vip; cd /srv/vip; echo a >a.txt; echo b >b.txt; ln -s a.txt link.txt\n\
                 chown -R User_VIP /srv/vip";
    let lab = Lab::builder(&["h1", "one"]).setup_all(setup).setup("one", ONE_SESSION).up();
    let job = |script: &str| lab.job().script(script).set("collect.files", &["/srv/vip/*.txt", "/tmp/*.txt"]);
    for fresh in [true, false] {
        let run = lab.run_checked(&job("#!/bin/sh\n").set("collect.fresh", fresh));
        run.assert_exit_code(1);
        for host in lab.hosts() {
            run.host(host)
                .assert_ended("failed", "collect", "no_file")
                .assert_hint("2 files match for the login user")
                .assert_hint("collect.as = \"login\"");
        }
        assert_eq!(run.collected_files(), [""; 0]);
    }
    // The owner may not read this one, everybody else may.
    let script = "#!/bin/sh\ncd /tmp; echo x >closed.txt; chmod 044 closed.txt; echo y >open.txt\n";
    let run = lab.run_checked(&job(script).set("collect.files", &["/tmp/*.txt"]));
    for host in lab.hosts() {
        run.host(host).assert_ended("failed", "collect", "unreadable").assert_hint("collect.as = \"login\"");
        assert_eq!(run.host(host).remote_files(), ["/tmp/open.txt"]);
    }
    // Nobody sees a file: nothing is said of the login user.
    let run = lab.run_checked(&job("#!/bin/sh\n").set("collect.files", &["/srv/none/*"]));
    for host in lab.hosts() {
        run.host(host).assert_ended("failed", "collect", "no_file").assert_hint("required = false");
        assert!(!run.host(host).field("hint").contains("login"));
    }
}

#[test]
fn no_link_gives_a_file_that_run_as_may_not_read() {
    let setup = "mkdir -m 700 /srv/vip; echo SECRET >/srv/vip/secret.txt; chown -R User_VIP /srv/vip\n\
                 echo SECRET >/root/secret.txt";
    let lab = Lab::builder(&["h1", "nosftp"])
        .setup_all(setup)
        .setup("nosftp", "sed -i /sftp/d /etc/ssh/sshd_config")
        .up();
    let script = "#!/bin/sh\ncd /tmp; echo x >fichier_log.txt; ln -s /srv/vip folder; ln -s /root root\n\
                  ln -s /srv/vip/secret.txt fichier_1_log.txt; ln -s /etc/shadow fichier_2_log.txt\n\
                  ln -s fichier_log.txt fichier_3_log.txt; mkdir own; ln -s /tmp/own ownlink; echo own >own/own.txt\n";
    let globs = [
        "/tmp/fichier_*log.txt",
        "/tmp/folder/*.txt",
        "/tmp/folder/secret.txt",
        "/tmp/root/*",
        "/tmp/ownlink/*",
    ];
    let run = lab.run_checked(&lab.job().script(script).set("collect.files", &globs));
    run.assert_succeeded();
    for host in lab.hosts() {
        let report = run.host(host);
        // A folder that is a link does no harm where run_as may read what it leads to.
        assert_eq!(report.remote_files(), ["/tmp/fichier_log.txt", "/tmp/ownlink/own.txt"]);
        for n in 1..=3 {
            assert!(report.skip_reason(&format!("/tmp/fichier_{n}_log.txt")).contains("symbolic link"));
        }
    }
    assert!(lab.sh(&format!("grep -rl SECRET {} || :", run.path("").display())).is_empty());
}

#[test]
fn where_the_login_user_collects_a_file_that_was_swapped_for_a_link_is_not_collected() {
    // With one session SFTP is opened again after the listing: then the files become links. Without SFTP their folder
    // becomes one, once it was listed.
    let setup = "mkdir -m 777 /srv/open; mkdir /srv/vip; cd /srv/vip; umask 077; yes SECRET | head -n 20000 >large.txt\n\
                 cp large.txt small.txt; chown -R User_VIP /srv/vip";
    let links = "cat >/usr/local/bin/sftp-swaps <<'END'\n#!/bin/sh\n\
        for f in /srv/open/d/*.txt; do [ ! -e \"$f\" ] || ln -sf /srv/vip/large.txt \"$f\"; done\n\
        exec /usr/lib/openssh/sftp-server\nEND\nchmod 755 /usr/local/bin/sftp-swaps\n\
        sed -i 's|^Subsystem.*|Subsystem sftp /usr/local/bin/sftp-swaps|' /etc/ssh/sshd_config";
    let folder = "sed -i /sftp/d /etc/ssh/sshd_config; mv /usr/bin/stat /usr/bin/stat.real\n\
        cat >/usr/bin/stat <<'END'\n#!/bin/sh\n/usr/bin/stat.real \"$@\"; r=$?\n\
        case \"$*\" in */srv/open/d/*) [ -h /srv/open/d ] || { mv /srv/open/d /srv/open/e; ln -s /srv/vip /srv/open/d; } ;; esac\n\
        exit $r\nEND\nchmod 755 /usr/bin/stat";
    let lab = Lab::builder(&["links", "folder"])
        .setup_all(setup)
        .setup("links", &format!("{ONE_SESSION}\n{links}"))
        .setup("folder", folder)
        .up();
    let script = "#!/bin/sh\nmkdir -m 777 /srv/open/d; cd /srv/open/d; head -c 100000 /dev/zero >large.txt; echo x >small.txt\n\
                  touch -t 202001010000 large.txt small.txt\n";
    let job = lab.job().script(script).set("collect.files", &["/srv/open/d/*.txt"]);
    let run = lab.run_checked(&job.set("collect.as", "login"));
    assert_eq!(
        lab.host_sh("links", "readlink /srv/open/d/small.txt"),
        "/srv/vip/large.txt",
        "no swap: {run}"
    );
    assert_eq!(lab.host_sh("folder", "readlink /srv/open/d"), "/srv/vip", "no swap: {run}");
    run.assert_exit_code(1);
    for host in lab.hosts() {
        run.host(host).assert_ended("failed", "collect", "changed");
        for name in ["large", "small"] {
            assert!(!run.host(host).skip_reason(&format!("/srv/open/d/{name}.txt")).is_empty());
        }
    }
    assert_eq!(run.collected_files(), [""; 0]);
}

#[test]
fn what_a_shell_would_expand_in_a_glob_and_recolte_does_not_is_refused() {
    let gateway = Gateway::new();
    let refused = |job: Job, texts: &[&str]| {
        let run = gateway.run(&job);
        run.assert_exit_code(2);
        assert!(texts.iter().all(|text| run.stderr.contains(text)), "{texts:?}: {run}");
        assert!(!job.output().exists(), "no host was touched, so there is no run");
    };
    for (glob, shown) in [
        ("/tmp/{a,b}.txt", "{…}"),
        ("/tmp/$(id).txt", "$("),
        ("/tmp/`id`.txt", "`"),
        ("/tmp/${HOME}.txt", "{…}"),
    ] {
        refused(
            gateway.job_for(&["h1"]).set("collect.files", &["/tmp/x", glob]),
            &["collect.files", glob, shown],
        );
    }
    let bare = gateway.job_for(&["h1"]).set("script.supervise", false);
    refused(bare.set("collect.as", "run_as"), &["collect.as", "supervise"]);
    refused(gateway.job_for(&["h1"]).set("collect.as", "root"), &["`root`", "`run_as` or `login`"]);
}

#[test]
fn a_negated_class_matches_and_an_odd_one_means_itself() {
    let lab = Lab::builder(&["h1", "busy", "ksh", "mksh"])
        .setup("busy", "ln -sf busybox /bin/sh")
        .setup("ksh", "ln -sf ksh93 /bin/sh")
        .setup("mksh", "ln -sf mksh /bin/sh")
        .up();
    let script =
        "#!/bin/sh\ncd /tmp; for n in a b c 'x y' '[z' '$x' '!' '^'; do echo \"$n\" >\"f$n.log\"; done\n";
    let run = |globs: &[&str]| {
        let run = lab
            .run_checked(&lab.job().script(script).set("collect.files", globs).set("collect.fresh", false));
        run.assert_succeeded();
        let files = |host: &String| {
            let mut files: Vec<String> =
                run.host(host).remote_files().iter().map(|f| (*f).to_owned()).collect();
            files.sort();
            files
        };
        lab.hosts().iter().map(files).collect::<Vec<_>>()
    };
    let expected = |names: &[&str]| names.iter().map(|name| format!("/tmp/f{name}.log")).collect::<Vec<_>>();
    for (glob, names) in [
        ("/tmp/f[!a].log", &["!", "^", "b", "c"][..]),
        ("/tmp/f[!a-c].log", &["!", "^"]),
        ("/tmp/f[b-c].log", &["b", "c"]),
        ("/tmp/f? y.log", &["x y"]),
        ("/tmp/f$x.log", &["$x"]),
        ("/tmp/f[z.log", &["[z"]),
    ] {
        for found in run(&[glob]) {
            assert_eq!(found, expected(names), "{glob}");
        }
    }
}

#[test]
fn a_script_reaches_a_host_whose_sftp_is_read_only() {
    let lab = Lab::builder(&["h1", "one"])
        .setup_all("sed -i 's|sftp-server$|sftp-server -R|' /etc/ssh/sshd_config; grep -q -- '-R$' /etc/ssh/sshd_config")
        .setup("one", ONE_SESSION)
        .up();
    lab.run(&lab.job().subcommand("check")).assert_exit_code(0);
    for user in ["run_as", "login"] {
        let run = lab.run_checked(&lab.job().set("collect.as", user));
        run.assert_succeeded();
        assert_eq!(run.read_collected("h1", "fichier_log.txt"), b"h1 SOC_PRODUCTION\n");
        assert_eq!(run.read_collected("one", "fichier_log.txt"), b"one SOC_PRODUCTION\n");
    }
    // Where nobody may write, the refusal is still told, and the folder is named.
    lab.host_sh("h1", "chmod 755 /tmp");
    let run = lab.run_checked(&lab.job());
    run.assert_exit_code(1);
    run.host("h1").assert_ended("failed", "upload", "staging_denied").assert_message("/tmp").assert_hint("");
    assert_eq!(run.host("h1").0["began"], false);
}

#[test]
fn a_daemon_that_prints_while_files_are_copied_never_gets_into_them() {
    let lab = Lab::builder(&["plain", "one", "private"])
        .setup("one", ONE_SESSION)
        .setup("private", PRIVATE_TMP)
        .up();
    // It prints on both streams until it is told to end; on one host only newlines, the bytes that our frames use.
    let daemon = "n=NOISE; [ \"$(hostname)\" != plain ] || n=; cd /home/User_DollarU\n\
                  n=$n setsid sh -c 'trap \"\" PIPE; while [ ! -e stop ]; do echo $n; echo $n >&2; : >up; done' &\n\
                  while [ ! -e up ]; do sleep 0.1; done\n";
    let script = format!("{WRITE_IN_PRIVATE}{daemon}");
    let run = lab.start(&lab.job().script(script).set("collect.files", &["/tmp/deep/*.txt"])).wait();
    for host in lab.hosts() {
        lab.host_sh(host, ": >/home/User_DollarU/stop");
        assert!(run.script_stdout(host).contains(if host == "plain" { "\n" } else { "NOISE" }), "{host}");
        let report = run.host(host);
        if report.field("outcome") == "succeeded" {
            assert_all_came(&run, host);
        } else {
            report.assert_ended("failed", "collect", "noisy_shell");
        }
    }
    let noisy = format!("grep -rl NOISE {} || :", run.path("JGE").display());
    assert_eq!(lab.sh(&noisy), "");
    lab.assert_gateway_clean(&run);
    lab.assert_hosts_clean(&run);
}
