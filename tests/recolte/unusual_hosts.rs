//! Hosts with another login shell, one that prints, no SFTP, or one session per connection.

use crate::lab::{Lab, ODD_ARGUMENT, WRITE_ARGUMENTS};

#[test]
fn the_job_succeeds_without_sftp_with_one_session_and_in_other_login_shells() {
    let shell = |shell: &str| format!("sed -i '/^User_/s|/bin/bash$|{shell}|' /etc/passwd");
    let hosts = ["nosftp", "onesession", "oneneither", "csh", "ksh", "dash", "fish", "fishuser"];
    let lab = Lab::builder(&hosts)
        .setup("nosftp", "sed -i /sftp/d /etc/ssh/sshd_config")
        .setup("onesession", "echo MaxSessions 1 >>/etc/ssh/sshd_config")
        .setup("oneneither", "sed -i /sftp/d /etc/ssh/sshd_config; echo MaxSessions 1 >>/etc/ssh/sshd_config")
        .setup("csh", &shell("/bin/tcsh"))
        .setup("ksh", &shell("/bin/ksh"))
        .setup("dash", &shell("/bin/dash"))
        .setup("fish", &shell("/usr/bin/fish"))
        .setup("fishuser", "sed -i '/^User_DollarU/s|/bin/bash$|/usr/bin/fish|' /etc/passwd")
        .up();
    // csh takes no newline in an argument.
    let csh_argument = ODD_ARGUMENT.replace('\n', "");
    let secret = "#!/bin/sh\numask 077\nprintf '%s\\0' \"$@\" >/tmp/fichier_log.txt\n";
    for script in [WRITE_ARGUMENTS, secret] {
        let job = lab.job().script(script).set("script.args", &["SOC_PRODUCTION", ODD_ARGUMENT]);
        let run = lab.run_checked(&job);
        run.assert_exit_code(1);
        for host in hosts.iter().filter(|host| **host != "csh") {
            run.host(host).assert_succeeded();
            let got = String::from_utf8(run.read_collected(host, "fichier_log.txt")).unwrap();
            assert_eq!(got, format!("SOC_PRODUCTION\0{ODD_ARGUMENT}\0"), "{host}");
        }
        run.host("csh").assert_ended("failed", "execute", "login_failed").assert_hint("");
        assert_eq!(run.host("csh").0["began"], false);
        let job = lab.job_for(&["csh"]).script(script);
        let run = lab.run_checked(&job.set("script.args", &["SOC_PRODUCTION", &csh_argument]));
        run.assert_succeeded();
        let got = String::from_utf8(run.read_collected("csh", "fichier_log.txt")).unwrap();
        assert_eq!(got, format!("SOC_PRODUCTION\0{csh_argument}\0"));
    }
    let bare = lab.run_checked(&lab.job().set("script.supervise", false));
    bare.assert_succeeded();
}

#[test]
fn a_login_shell_that_prints_is_reported_and_nothing_runs() {
    let noisy = "sed -i '1i echo Bienvenue' /home/User_VIP/.bashrc";
    let hosts = ["noisy", "noisycommands", "good"];
    let lab = Lab::builder(&hosts)
        .setup("noisy", noisy)
        .setup("noisycommands", &format!("{noisy}; sed -i /sftp/d /etc/ssh/sshd_config"))
        .up();
    let run = lab.run_checked(&lab.job());
    for host in ["noisy", "noisycommands"] {
        run.host(host).assert_ended("failed", "upload", "noisy_shell").assert_hint(".bashrc");
        assert!(!lab.host_path(host, "/tmp/fichier_log.txt").exists());
    }
    run.assert_others_unharmed(&["good"]);
}
