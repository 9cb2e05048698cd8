//! Hosts that are down, changed, locked, full or odd: each ends with its own outcome, and its neighbours do not notice.

use std::fs;

use crate::job::{ODD, WRITES_ARGUMENTS};
use crate::lab::{Lab, Run};

/// Healthy neighbours succeeded, their files are whole, and the run says that not all did.
#[track_caller]
pub fn neighbours_are_whole(run: &Run, neighbours: &[&str]) {
    run.exits(1);
    for host in neighbours {
        run.host(host).succeeded();
        assert_eq!(run.collected(host, "fichier_log.txt"), format!("{host} SOC_PRODUCTION\n").as_bytes());
    }
    assert_eq!(run.report()["totals"]["succeeded"], neighbours.len());
    assert!(run.path("JGE.tar.gz").exists());
}

/// The lines of a host's sshd that hold a text.
fn log_lines(lab: &Lab, host: &str, text: &str) -> usize {
    let log = fs::read_to_string(lab.path(&format!("lab/hosts/{host}/sshd.log"))).unwrap();
    log.lines().filter(|line| line.contains(text)).count()
}

/// Rewrites the lines of known_hosts.
fn known_hosts(lab: &Lab, each: impl Fn(&str) -> Option<String>) -> String {
    let path = lab.path("lab/known_hosts");
    let lines: Vec<String> = fs::read_to_string(&path).unwrap().lines().filter_map(each).collect();
    let text = lines.join("\n") + "\n";
    fs::write(path, &text).unwrap();
    text
}

#[test]
fn hosts_that_cannot_be_reached_are_each_told_by_their_cause() {
    let lab = Lab::of(&["down", "stranger", "changed", "locked", "good1", "good2"])
        .setup("down", ": >/etc/ssh/sshd_not_to_be_run")
        .setup("locked", ": >/home/User_VIP/.ssh/authorized_keys")
        .up();
    lab.configure("Host nowhere\n  HostName nowhere.invalid\n");
    let all = fs::read_to_string(lab.path("lab/known_hosts")).unwrap();
    let other = all.lines().find(|line| line.starts_with("good1,")).unwrap().split_once(' ').unwrap().1;
    let known = known_hosts(&lab, |line| match line.split(',').next() {
        Some("stranger") => None,
        Some("changed") => Some(format!("{} {other}", line.split_once(' ').unwrap().0)),
        _ => Some(line.to_owned()),
    });
    let hosts = ["down", "nowhere", "stranger", "changed", "locked", "good1", "good2"];
    let run = lab.recolte(&lab.job_for(&hosts).set("ssh.retries", 0));
    for (host, cause, hint) in [
        ("down", "refused", "sshd"),
        ("nowhere", "unresolved", "name"),
        ("stranger", "host_key_unknown", "ssh stranger true"),
        ("changed", "host_key_changed", "ssh-keygen -R changed"),
        ("locked", "auth_denied", "authorized_keys"),
    ] {
        run.host(host).ended("unreachable", "connect", cause).hints(hint);
        assert!(run.stderr.contains(&format!("{host}: unreachable")), "{run}");
    }
    assert_eq!(run.report()["totals"]["unreachable"], 5);
    neighbours_are_whole(&run, &["good1", "good2"]);
    assert_eq!(fs::read_to_string(lab.path("lab/known_hosts")).unwrap(), known, "nobody's key was learned");
}

#[test]
fn a_refused_key_is_never_offered_twice() {
    let lab = Lab::of(&["locked"]).setup_all(": >/home/User_VIP/.ssh/authorized_keys").up();
    let run = lab.recolte(&lab.job().set("ssh.retries", 3));
    run.exits(1);
    run.host("locked").ended("unreachable", "connect", "auth_denied");
    assert_eq!(log_lines(&lab, "locked", "Connection from"), 1);
}

#[test]
fn a_connection_that_fails_for_a_passing_cause_is_tried_again() {
    let lab = Lab::with(&["h1"]);
    let address = fs::read_to_string(lab.path("lab/hosts/h1/address")).unwrap();
    let line = format!("exec 3<>/dev/tcp/{}/22; cat <&3 & cat >&3; kill $!", address.trim());
    let proxy =
        lab.write("proxy", format!("#!/bin/bash\n[ -e $0.tried ] || {{ : >$0.tried; exit 1; }}\n{line}\n"));
    lab.sh(&format!("chmod 755 {}", proxy.display()));
    lab.configure(&format!("Host h1\n  ProxyCommand {}\n", proxy.display()));
    let run = lab.recolte(&lab.job().set("ssh.retries", 0));
    run.exits(1);
    run.host("h1").ended("unreachable", "connect", "connection_lost").hints("");
    fs::remove_file(lab.path("proxy.tried")).unwrap();
    lab.recolte(&lab.job().set("ssh.retries", 1)).succeeded();
}

#[test]
fn an_sshd_that_takes_connections_and_says_nothing_costs_no_more_than_connect_timeout() {
    let lab = Lab::with(&["silent", "good"]);
    lab.on_host("silent", "kill -STOP $(cat /run/sshd.pid)");
    let run = lab.recolte(&lab.job().set("ssh.retries", 0).set("ssh.connect_timeout", "3s"));
    run.host("silent").ended("unreachable", "connect", "connect_timeout").hints("");
    neighbours_are_whole(&run, &["good"]);
}

#[test]
fn a_host_whose_packets_are_dropped_costs_connect_timeout_and_its_neighbour_nothing() {
    let lab = Lab::with(&["dropped", "good"]);
    let address = fs::read_to_string(lab.path("lab/hosts/dropped/address")).unwrap();
    let route = lab.sh(&format!("ip -o route get {}", address.trim()));
    let gateway = route.split_whitespace().skip_while(|word| *word != "src").nth(1).unwrap().to_owned();
    lab.on_host("dropped", &format!("ip route add blackhole {gateway}"));
    let run = lab.recolte(&lab.job().set("ssh.retries", 0).set("ssh.connect_timeout", "3s"));
    run.host("dropped").ended("unreachable", "connect", "connect_timeout").hints("");
    neighbours_are_whole(&run, &["good"]);
}

#[test]
fn hosts_with_little_or_odd_ssh_do_their_job_all_the_same() {
    let shell = |shell: &str| format!("sed -i '/^User_/s|/bin/bash$|{shell}|' /etc/passwd");
    let hosts = ["nosftp", "onesession", "oneneither", "csh", "ksh", "dash"];
    let lab = Lab::of(&hosts)
        .setup("nosftp", "sed -i /sftp/d /etc/ssh/sshd_config")
        .setup("onesession", "echo MaxSessions 1 >>/etc/ssh/sshd_config")
        .setup("oneneither", "sed -i /sftp/d /etc/ssh/sshd_config; echo MaxSessions 1 >>/etc/ssh/sshd_config")
        .setup("csh", &shell("/bin/tcsh"))
        .setup("ksh", &shell("/bin/ksh"))
        .setup("dash", &shell("/bin/dash"))
        .up();
    let secret = "#!/bin/sh\numask 077\nprintf '%s\\0' \"$@\" >/tmp/fichier_log.txt\n";
    for script in [WRITES_ARGUMENTS, secret] {
        let run = lab.recolte(&lab.job().script(script).set("script.args", &["SOC_PRODUCTION", ODD]));
        run.succeeded();
        for host in hosts {
            let got = String::from_utf8(run.collected(host, "fichier_log.txt")).unwrap();
            assert_eq!(got, format!("SOC_PRODUCTION\0{ODD}\0"), "{host}");
        }
    }
    let bare = lab.recolte(&lab.job().set("script.supervise", false));
    bare.succeeded();
}

#[test]
fn a_login_shell_that_prints_is_told_and_nothing_runs() {
    let noisy = "sed -i '1i echo Bienvenue' /home/User_VIP/.bashrc";
    let hosts = ["noisy", "noisycommands", "good"];
    let lab = Lab::of(&hosts)
        .setup("noisy", noisy)
        .setup("noisycommands", &format!("{noisy}; sed -i /sftp/d /etc/ssh/sshd_config"))
        .up();
    let run = lab.recolte(&lab.job());
    for host in ["noisy", "noisycommands"] {
        run.host(host).ended("failed", "upload", "noisy_shell").hints(".bashrc");
        assert!(!lab.on(host, "/tmp/fichier_log.txt").exists());
    }
    neighbours_are_whole(&run, &["good"]);
}

#[test]
fn a_sudo_that_refuses_and_a_user_that_is_missing_are_told_apart() {
    let rule = "User_VIP ALL=(root) /usr/bin/su - User_DollarU, /usr/bin/su - User_DollarU -c *";
    let lab = Lab::of(&["refuses", "asks", "tty", "nouser", "nosudo", "nologin", "good"])
        .setup("refuses", "rm /etc/sudoers.d/vip")
        .setup("asks", &format!("echo '{rule}' >/etc/sudoers.d/vip"))
        .setup("tty", "echo 'Defaults requiretty' >>/etc/sudoers")
        .setup("nouser", "sed -i /^User_DollarU/d /etc/passwd /etc/shadow")
        .setup("nosudo", "mv /usr/bin/sudo /usr/bin/sudo.away")
        .setup("nologin", "sed -i '/^User_DollarU/s|/bin/bash$|/usr/sbin/nologin|' /etc/passwd")
        .up();
    for supervise in [true, false] {
        let run = lab.recolte(&lab.job().set("script.supervise", supervise));
        for (host, cause, hint) in [
            ("refuses", "sudo_denied", "sudoers"),
            ("asks", "sudo_denied", "without a password"),
            ("tty", "sudo_denied", "requiretty"),
            ("nouser", "no_such_user", "User_DollarU"),
        ] {
            run.host(host).ended("failed", "execute", cause).hints(hint);
            assert_eq!(
                run.host(host).exit_status(),
                None,
                "supervise = {supervise}: no script, no status: {run}"
            );
        }
        // No word of the contract's list is made for these two; that the script did not run must be plain.
        run.host("nosudo").ended("failed", "execute", "sudo_denied").says("sudo").hints("");
        let nologin = run.host("nologin");
        assert_eq!((nologin.word("outcome"), nologin.word("step")), ("failed", "execute"), "{run}");
        // A bare command does not tell whether it was the login that ended with 1, or the script.
        let told = nologin.word("message").contains("not") || !supervise;
        assert!(told && !nologin.word("hint").is_empty(), "{run}");
        neighbours_are_whole(&run, &["good"]);
    }
}

#[test]
fn folders_that_are_missing_locked_full_or_read_only_are_told_by_name() {
    let full = "mount -t tmpfs -o size=64k,mode=1777 none";
    let lab =
        Lab::of(&["noinstall", "lockedinstall", "fullinstall", "fullstaging", "rostaging", "noexec", "good"])
            .setup("noinstall", "rmdir /home/User_VIP/script")
            .setup("lockedinstall", "chown root /home/User_VIP/script")
            .setup("fullinstall", &format!("{full} /home/User_VIP/script"))
            .setup("fullstaging", &format!("{full} /tmp"))
            .setup("rostaging", "mount -t tmpfs -o ro none /tmp")
            .setup("noexec", "mount -t tmpfs -o noexec,mode=777 none /home/User_VIP/script")
            .up();
    let script = format!("{}# {}\n", crate::lab::WRITES_ONE_FILE, "x".repeat(200_000));
    let run = lab.recolte(&lab.job().script(&script));
    for (host, step, cause, named) in [
        ("noinstall", "install", "install_denied", "/home/User_VIP/script"),
        ("lockedinstall", "install", "install_denied", "/home/User_VIP/script"),
        ("fullinstall", "install", "disk_full", "/home/User_VIP/script"),
        ("fullstaging", "upload", "disk_full", "/tmp"),
        ("rostaging", "upload", "staging_denied", "/tmp"),
    ] {
        run.host(host).ended("failed", step, cause).says(named).hints("");
        assert_eq!(run.host(host).exit_status(), None);
    }
    run.host("noexec").ended("failed", "execute", "script_failed").hints("noexec");
    assert_eq!(run.host("noexec").exit_status(), Some(126));
    neighbours_are_whole(&run, &["good"]);
    let run = lab.recolte(&lab.job_for(&["good"]).set("script.staging", "/nowhere"));
    run.exits(1);
    run.host("good").ended("failed", "upload", "staging_denied").says("/nowhere").hints("script.staging");
}

#[test]
fn without_sftp_the_same_folders_are_told_the_same_way() {
    let full = "mount -t tmpfs -o size=64k,mode=1777 none";
    let lab = Lab::of(&["fullstaging", "rostaging", "good"])
        .setup_all("sed -i /sftp/d /etc/ssh/sshd_config")
        .setup("fullstaging", &format!("{full} /tmp"))
        .setup("rostaging", "mount -t tmpfs -o ro none /tmp")
        .up();
    let script = format!("{}# {}\n", crate::lab::WRITES_ONE_FILE, "x".repeat(200_000));
    let run = lab.recolte(&lab.job().script(&script));
    run.host("fullstaging").ended("failed", "upload", "disk_full").says("/tmp").hints("");
    run.host("rostaging").ended("failed", "upload", "staging_denied").says("/tmp").hints("");
    neighbours_are_whole(&run, &["good"]);
}

#[test]
fn a_script_that_is_not_what_was_supplied_is_not_run() {
    // A cp that does what a full disk, a virus or a colleague may do.
    let cp = "printf '#!/bin/sh\\n/bin/cp \"$@\"; for to; do :; done; echo \"touch /tmp/ran\" >>\"$to\"\\n'";
    let lab = Lab::of(&["tampers", "good"])
        .setup("tampers", &format!("{cp} >/usr/local/bin/cp; chmod 755 /usr/local/bin/cp"))
        .up();
    let run = lab.recolte(&lab.job());
    run.host("tampers").ended("failed", "install", "tampered").says("Fichier_fourni.sh").hints("");
    assert!(!lab.on("tampers", "/tmp/ran").exists() && !lab.on("tampers", "/tmp/fichier_log.txt").exists());
    neighbours_are_whole(&run, &["good"]);
}

#[test]
fn an_older_and_longer_script_in_the_install_folder_is_replaced_as_a_whole() {
    let old = "yes 'touch /tmp/old' | head -1000 >/home/User_VIP/script/Fichier_fourni.sh; \
               chown User_VIP /home/User_VIP/script/Fichier_fourni.sh";
    let lab = Lab::of(&["h1"]).setup_all(old).up();
    lab.recolte(&lab.job()).succeeded();
    assert!(!lab.on("h1", "/tmp/old").exists());
}

#[test]
fn a_link_that_waits_in_the_install_folder_is_not_written_through() {
    let setup = "echo precious >/srv/precious; chmod 666 /srv/precious; \
                 ln -s /srv/precious /home/User_VIP/script/Fichier_fourni.sh";
    let lab = Lab::of(&["linked", "good"]).setup("linked", setup).up();
    let run = lab.recolte(&lab.job());
    run.host("good").succeeded();
    assert_eq!(fs::read(lab.on("linked", "/srv/precious")).unwrap(), b"precious\n");
}
