//! `sudo` and `su`: the user that the script runs as, sudoers rules, and what is reported when they refuse.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use crate::lab::Lab;

#[test]
fn the_script_runs_as_the_other_user_with_that_users_login_environment() {
    let script =
        "#!/bin/sh\necho \"$(id -un) $DOLLARU_HOME $U_ENV $HOME $PWD\"; cat; echo $? >/tmp/fichier_log.txt\n";
    let lab = Lab::with(&["h1"]);
    for supervise in [true, false] {
        let run = lab.run_checked(&lab.job().script(script).set("script.supervise", supervise));
        run.assert_succeeded();
        let wanted = "User_DollarU /opt/dollaru production /home/User_DollarU /home/User_DollarU\n";
        assert_eq!(run.script_stdout("h1"), wanted);
        let owner = fs::metadata(lab.host_path("h1", "/tmp/fichier_log.txt")).unwrap().uid();
        assert_eq!(owner, 7702);
    }
}

#[test]
fn without_run_as_the_script_runs_as_the_login_user_without_sudo() {
    let lab = Lab::builder(&["h1"]).setup_all("rm /etc/sudoers.d/vip; chmod 0 /usr/bin/sudo").up();
    for supervise in [true, false] {
        let job = lab.job().without("script.run_as").set("script.supervise", supervise);
        let run = lab.run_checked(&job.script("#!/bin/sh\nid -un >/tmp/fichier_log.txt\n"));
        run.assert_succeeded();
        assert_eq!(run.read_collected("h1", "fichier_log.txt"), b"User_VIP\n");
    }
}

#[test]
fn the_bare_command_passes_a_sudoers_rule_for_exactly_this_command() {
    let rule = "User_VIP ALL=(root) NOPASSWD: \
                /usr/bin/su - User_DollarU -c /home/User_VIP/script/Fichier_fourni.sh\\ SOC_PRODUCTION";
    let setup = format!("printf '%s\\n' '{rule}' >/etc/sudoers.d/vip");
    let lab = Lab::builder(&["h1"]).setup_all(&setup).up();
    lab.run_checked(&lab.job().set("script.supervise", false)).assert_succeeded();
    // The rule permits exactly one command: another one is refused, and the hint says what to change.
    let run = lab.run_checked(&lab.job().set("script.supervise", true));
    run.assert_exit_code(1);
    run.host("h1").assert_ended("failed", "execute", "sudo_denied").assert_hint("supervise = false");
}

#[test]
fn a_refusal_of_sudo_and_a_missing_user_have_different_causes() {
    let rule = "User_VIP ALL=(root) /usr/bin/su - User_DollarU, /usr/bin/su - User_DollarU -c *";
    let lab = Lab::builder(&["refuses", "asks", "tty", "nouser", "nosudo", "nologin", "good"])
        .setup("refuses", "rm /etc/sudoers.d/vip")
        .setup("asks", &format!("echo '{rule}' >/etc/sudoers.d/vip"))
        .setup("tty", "echo 'Defaults requiretty' >>/etc/sudoers")
        .setup("nouser", "sed -i /^User_DollarU/d /etc/passwd /etc/shadow")
        .setup("nosudo", "mv /usr/bin/sudo /usr/bin/sudo.away")
        .setup("nologin", "sed -i '/^User_DollarU/s|/bin/bash$|/usr/sbin/nologin|' /etc/passwd")
        .up();
    for supervise in [true, false] {
        let run = lab.run_checked(&lab.job().set("script.supervise", supervise));
        for (host, cause, hint) in [
            ("refuses", "sudo_denied", "sudoers"),
            ("asks", "sudo_denied", "without a password"),
            ("tty", "sudo_denied", "requiretty"),
            ("nouser", "no_such_user", "User_DollarU"),
        ] {
            run.host(host).assert_ended("failed", "execute", cause).assert_hint(hint);
            assert_eq!(
                run.host(host).exit_status(),
                None,
                "supervise = {supervise}: no script, no status: {run}"
            );
        }
        // There is no cause of their own for these two, but it must be clear that the script did not run.
        run.host("nosudo")
            .assert_ended("failed", "execute", "sudo_denied")
            .assert_message("sudo")
            .assert_hint("");
        let nologin = run.host("nologin");
        assert_eq!((nologin.field("outcome"), nologin.field("step")), ("failed", "execute"), "{run}");
        // Without the launcher, status 1 may be the login's or the script's.
        let says_not_run = nologin.field("message").contains("not") || !supervise;
        assert!(says_not_run && !nologin.field("hint").is_empty(), "{run}");
        run.assert_others_unharmed(&["good"]);
    }
}
