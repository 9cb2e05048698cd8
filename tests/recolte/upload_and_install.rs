//! Staging and install folders: content and mode of the installed script, and folders that cannot be written.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::lab::{Lab, SCRIPT, WRITE_ONE_FILE};

#[test]
fn the_script_is_installed_unchanged_with_the_given_mode() {
    let lab = Lab::builder(&["h1"]).setup_all("install -d -o User_VIP '/srv/a b'").up();
    // No newline at the end, no UTF-8, CRLF, a NUL: each byte must arrive unchanged.
    let script = b"#!/bin/sh\n# \xff\xfe \r\necho x >/tmp/fichier_log.txt\nexit 0 # \x00 the end";
    for (folder, mode) in
        [("/home/User_VIP/script", None), ("/srv/a b", Some("755")), ("/srv/a b", Some("0705"))]
    {
        let mut job = lab.job().script(script).set("script.install", folder);
        if let Some(mode) = mode {
            job = job.set("script.mode", mode);
        }
        lab.run_checked(&job).assert_succeeded();
        let installed = lab.host_path("h1", &format!("{folder}/{SCRIPT}"));
        assert_eq!(fs::read(&installed).unwrap(), script);
        let wanted = u32::from_str_radix(mode.unwrap_or("775"), 8).unwrap();
        assert_eq!(fs::metadata(&installed).unwrap().permissions().mode() & 0o7777, wanted);
    }
}

#[test]
fn the_staged_copy_is_made_in_script_staging_and_removed() {
    let lab = Lab::builder(&["h1"])
        .setup_all("install -d -o User_VIP /srv/staging; chmod 555 /tmp; ls /srv/staging")
        .up();
    let script = "#!/bin/sh\nls -A /srv/staging >/home/User_DollarU/fichier_log.txt\n";
    let job = lab.job().script(script).set("script.staging", "/srv/staging");
    let run = lab.run_checked(&job.set("collect.files", &["/home/User_DollarU/fichier_*"]));
    run.assert_succeeded();
    // The staged copy is removed before the script runs. /tmp is not writable here.
    assert_eq!(run.read_collected("h1", "fichier_log.txt"), b"");
    assert_eq!(fs::read_dir(lab.host_path("h1", "/srv/staging")).unwrap().count(), 0);
}

#[test]
fn an_older_and_longer_script_in_the_install_folder_is_replaced() {
    let old = "yes 'touch /tmp/old' | head -1000 >/home/User_VIP/script/Fichier_fourni.sh; \
               chown User_VIP /home/User_VIP/script/Fichier_fourni.sh";
    let lab = Lab::builder(&["h1"]).setup_all(old).up();
    lab.run_checked(&lab.job()).assert_succeeded();
    assert!(!lab.host_path("h1", "/tmp/old").exists());
}

#[test]
fn a_symbolic_link_in_the_install_folder_is_not_followed() {
    let setup = "echo precious >/srv/precious; chmod 666 /srv/precious; \
                 ln -s /srv/precious /home/User_VIP/script/Fichier_fourni.sh";
    let lab = Lab::builder(&["linked", "good"]).setup("linked", setup).up();
    let run = lab.run_checked(&lab.job());
    run.host("good").assert_succeeded();
    assert_eq!(fs::read(lab.host_path("linked", "/srv/precious")).unwrap(), b"precious\n");
}

#[test]
fn an_installed_script_that_differs_from_the_supplied_one_is_not_run() {
    // A cp whose copy differs from the original.
    let cp = "printf '#!/bin/sh\\n/bin/cp \"$@\"; for to; do :; done; echo \"touch /tmp/ran\" >>\"$to\"\\n'";
    let lab = Lab::builder(&["tampers", "good"])
        .setup("tampers", &format!("{cp} >/usr/local/bin/cp; chmod 755 /usr/local/bin/cp"))
        .up();
    let run = lab.run_checked(&lab.job());
    run.host("tampers")
        .assert_ended("failed", "install", "tampered")
        .assert_message("Fichier_fourni.sh")
        .assert_hint("");
    assert!(
        !lab.host_path("tampers", "/tmp/ran").exists()
            && !lab.host_path("tampers", "/tmp/fichier_log.txt").exists()
    );
    run.assert_others_unharmed(&["good"]);
}

#[test]
fn folders_that_are_missing_locked_full_or_read_only_are_named() {
    let full = "mount -t tmpfs -o size=64k,mode=1777 none";
    let lab = Lab::builder(&[
        "noinstall",
        "lockedinstall",
        "fullinstall",
        "fullstaging",
        "rostaging",
        "noexec",
        "good",
    ])
    .setup("noinstall", "rmdir /home/User_VIP/script")
    .setup("lockedinstall", "chown root /home/User_VIP/script")
    .setup("fullinstall", &format!("{full} /home/User_VIP/script"))
    .setup("fullstaging", &format!("{full} /tmp"))
    .setup("rostaging", "mount -t tmpfs -o ro none /tmp")
    .setup("noexec", "mount -t tmpfs -o noexec,mode=777 none /home/User_VIP/script")
    .up();
    let script = format!("{}# {}\n", WRITE_ONE_FILE, "x".repeat(200_000));
    let run = lab.run_checked(&lab.job().script(&script));
    for (host, step, cause, named) in [
        ("noinstall", "install", "install_denied", "/home/User_VIP/script"),
        ("lockedinstall", "install", "install_denied", "/home/User_VIP/script"),
        ("fullinstall", "install", "disk_full", "/home/User_VIP/script"),
        ("fullstaging", "upload", "disk_full", "/tmp"),
        ("rostaging", "upload", "staging_denied", "/tmp"),
    ] {
        run.host(host).assert_ended("failed", step, cause).assert_message(named).assert_hint("");
        assert_eq!(run.host(host).exit_status(), None);
    }
    run.host("noexec").assert_ended("failed", "execute", "not_executable").assert_hint("noexec");
    assert_eq!(run.host("noexec").exit_status(), None);
    assert_eq!(run.host("noexec").0["began"], false);
    run.assert_others_unharmed(&["good"]);
    let run = lab.run_checked(&lab.job_for(&["good"]).set("script.staging", "/nowhere"));
    run.assert_exit_code(1);
    run.host("good")
        .assert_ended("failed", "upload", "staging_denied")
        .assert_message("/nowhere")
        .assert_hint("script.staging");
}

#[test]
fn without_sftp_the_same_folders_have_the_same_causes() {
    let full = "mount -t tmpfs -o size=64k,mode=1777 none";
    let lab = Lab::builder(&["fullstaging", "rostaging", "good"])
        .setup_all("sed -i /sftp/d /etc/ssh/sshd_config")
        .setup("fullstaging", &format!("{full} /tmp"))
        .setup("rostaging", "mount -t tmpfs -o ro none /tmp")
        .up();
    let script = format!("{}# {}\n", WRITE_ONE_FILE, "x".repeat(200_000));
    let run = lab.run_checked(&lab.job().script(&script));
    run.host("fullstaging")
        .assert_ended("failed", "upload", "disk_full")
        .assert_message("/tmp")
        .assert_hint("");
    run.host("rostaging")
        .assert_ended("failed", "upload", "staging_denied")
        .assert_message("/tmp")
        .assert_hint("");
    run.assert_others_unharmed(&["good"]);
}
