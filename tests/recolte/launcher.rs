//! The launcher: status, output and end of the script through each login shell and each setting of sudo; and
//! `supervise = false`, which does without it.

use crate::lab::{Lab, Run, wait};

/// Returns a script that counts the bytes on its stdin, writes unusual bytes to both streams, and ends as given.
fn unusual_output(end: &str) -> String {
    format!(
        "#!/bin/bash\nwc -c >/tmp/fichier_log.txt\n\
         printf 'out\\n\\n\\0\\001\\377\\r\\033[2J no end'; printf '\\n\\nerr\\0\\376recolte- no end' >&2\n{end}\n"
    )
}

const OUT: &[u8] = b"out\n\n\0\x01\xff\r\x1b[2J no end";
const ERR: &[u8] = b"\n\nerr\0\xferecolte- no end";

/// Checks that both streams arrived as the script wrote them, and that its stdin was empty.
#[track_caller]
fn assert_streams(run: &Run, host: &str) {
    let cut = run.host(host).exit_status().is_none();
    for (name, wanted) in [("stdout", OUT), ("stderr", ERR)] {
        let got = run.read(&format!("hosts/{host}/{name}"));
        // Where the script was killed, su adds this line.
        let own = got.strip_suffix(b"Killed\n").filter(|_| cut && name == "stderr").unwrap_or(&got);
        assert!(own == wanted, "{name} of {host}: \"{}\"", got.escape_ascii());
    }
    assert_eq!(run.read_collected(host, "fichier_log.txt"), b"0\n", "stdin of {host} is empty");
}

/// Starts hosts with each login shell, each /bin/sh and each setting of sudo.
fn start_shells_lab() -> Lab {
    let login = |shell: &str| format!("sed -i '/^User_/s,[^:]*$,{shell},' /etc/passwd");
    let sudo =
        |line: &str| format!("sed -i /^Defaults/d /etc/sudoers; echo 'Defaults {line}' >>/etc/sudoers.d/vip");
    Lab::builder(&SHELLS)
        .setup("dash", &format!("ln -sf dash /bin/sh; {}", login("/bin/sh")))
        .setup("bash", "ln -sf bash /bin/sh")
        .setup("csh", &login("/bin/csh"))
        .setup("ksh", &format!("ln -sf /bin/ksh93 /bin/sh; {}", login("/bin/ksh93")))
        .setup("mksh", &format!("ln -sf mksh /bin/sh; {}", login("/bin/mksh")))
        .setup("busybox", "ln -sf busybox /bin/sh")
        .setup("pty", &sudo("use_pty"))
        .setup("nopty", &sudo("!use_pty, !requiretty"))
        .up()
}

const SHELLS: [&str; 8] = ["dash", "bash", "csh", "ksh", "mksh", "busybox", "pty", "nopty"];

#[test]
fn status_and_output_are_unchanged_through_every_shell_and_sudo() {
    let lab = start_shells_lab();
    for (end, status) in [("exit 0", 0), ("exit 42", 42), ("exit 255", 255)] {
        let run = lab.run_checked(&lab.job().script(unusual_output(end)));
        run.assert_exit_code(i32::from(status != 0));
        for host in SHELLS {
            assert_eq!(run.host(host).exit_status(), Some(status), "{host}: {run}");
            assert_streams(&run, host);
        }
    }
}

#[test]
fn a_signal_is_reported_by_its_number_through_every_shell() {
    let lab = start_shells_lab();
    for (signal, number) in [("TERM", 15), ("KILL", 9), ("SEGV", 11), ("INT", 2), ("HUP", 1)] {
        let run = lab.run_checked(&lab.job().script(unusual_output(&format!("kill -{signal} $$"))));
        run.assert_exit_code(1);
        for host in SHELLS {
            let report = run.host(host);
            report
                .assert_ended("failed", "execute", "script_failed")
                .assert_message(&format!("signal {number}"))
                .assert_hint("");
            assert_eq!(report.exit_status(), Some(128 + number), "{host}: {run}");
            assert_streams(&run, host);
        }
    }
}

#[test]
fn a_script_timeout_ends_the_script_through_every_shell_and_sudo() {
    let lab = start_shells_lab();
    let stays = "(trap '' TERM HUP INT; sleep 1000; :) & sleep 1001 & : >/tmp/up; wait; sleep 1002";
    let run = lab.run_checked(&lab.job().script(unusual_output(stays)).set("script.timeout", "3s"));
    run.assert_exit_code(1);
    for host in SHELLS {
        assert!(lab.host_path(host, "/tmp/up").exists(), "{host}: {run}");
        run.host(host).assert_ended("timed_out", "execute", "script_timeout").assert_message("it was ended");
        assert_streams(&run, host);
    }
}

#[test]
fn a_lost_connection_ends_the_script_and_its_children_and_no_other_host_is_affected() {
    let lab = Lab::builder(&["cut", "csh", "good"])
        .setup("csh", "sed -i '/^User_/s,[^:]*$,/bin/csh,' /etc/passwd")
        .up();
    let stays = "[ $(hostname) = good ] && exit 0\n\
                 (trap '' TERM HUP INT; sleep 1000; :) & sleep 1001 & : >/tmp/up; wait; sleep 1002";
    for run_as in [true, false] {
        let hosts = ["cut", "csh", "good"];
        let job = lab.job_for(&hosts).script(unusual_output(stays)).options(&["-v"]);
        let job = if run_as { job } else { job.without("script.run_as") };
        for host in hosts {
            lab.host_sh(host, "rm -f /tmp/up /tmp/fichier_log.txt");
        }
        let running = lab.start(&job);
        running.wait_for_stderr("good: succeeded");
        for host in ["cut", "csh"] {
            lab.wait_for_file(host, "/tmp/up");
            lab.host_sh(host, "pkill -KILL -u User_VIP sshd");
        }
        let run = running.wait();
        run.assert_exit_code(1);
        for host in ["cut", "csh"] {
            run.host(host).assert_ended("failed", "execute", "connection_lost").assert_hint("resume");
            assert_eq!(run.read(&format!("hosts/{host}/stdout")), OUT, "what was printed before is kept");
            wait::until("the end of the script", || lab.host_processes(host).is_empty().then_some(()));
        }
        run.host("good").assert_succeeded();
        lab.assert_gateway_clean(&run);
    }
}

#[test]
fn without_supervise_the_command_is_the_old_one_and_status_and_output_are_unchanged() {
    let rule = "User_VIP ALL=(root) NOPASSWD: \
                /usr/bin/su - User_DollarU -c /home/User_VIP/script/Fichier_fourni.sh\\ SOC_PRODUCTION";
    let pin = format!("printf '%s\\n' '{rule}' >/etc/sudoers.d/vip");
    let lab = Lab::builder(&["h1"]).setup_all(&pin).up();
    for status in [0, 1, 42, 126, 127, 255] {
        let job = lab.job().script(unusual_output(&format!("exit {status}"))).set("script.supervise", false);
        let run = lab.run_checked(&job);
        run.assert_exit_code(i32::from(status != 0));
        assert_eq!(run.host("h1").exit_status(), Some(status), "{run}");
        assert_streams(&run, "h1");
    }
    let run = lab.run_checked(&lab.job().script(unusual_output("exit 0")));
    run.assert_exit_code(1);
    run.host("h1").assert_ended("failed", "execute", "sudo_denied").assert_hint("supervise = false");
    assert_eq!(run.host("h1").exit_status(), None, "sudo's status is not the script's");
}

#[test]
fn what_a_profile_prints_is_not_taken_for_output_of_the_script() {
    let lab = Lab::builder(&["h1"])
        .setup_all("echo 'echo Bienvenue; echo Attention >&2' >>/home/User_DollarU/.profile")
        .up();
    let run = lab.run_checked(&lab.job().script(unusual_output("exit 3")));
    run.assert_exit_code(1);
    let report = run.host("h1");
    report.assert_ended("failed", "execute", "script_failed").assert_message("status 3");
    assert!(!report.field("message").contains("Attention"), "{:#}", report.0);
    assert_streams(&run, "h1");
}
