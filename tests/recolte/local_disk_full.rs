//! A full disk on the gateway: it is reported, nothing is lost, and `recolte resume` finishes once there is space.
//!
//! The run folder is on a small file system that only the processes of the test see.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::lab::{HostReport, Job, Lab, Running, files, unpack, wait};

/// A tmpfs of a given size in a mount namespace of its own. Ends with the value.
struct Disk {
    holder: Child,
    at: PathBuf,
}

impl Disk {
    fn new(at: &Path, size: &str) -> Self {
        fs::create_dir_all(at).unwrap();
        let mount = format!(
            "mount -t tmpfs -o mode=755,size={size} none '{}' && echo ready && exec cat",
            at.display()
        );
        let mut holder = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", &mount])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "a small file system");
        Self { holder, at: at.to_owned() }
    }

    /// Returns the path by which processes outside the namespace see a file on the disk.
    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{}/{name}", self.holder.id(), self.at.display()))
    }

    fn mounts(&self) -> String {
        format!("--mount=/proc/{}/ns/mnt", self.holder.id())
    }

    /// Enlarges the disk.
    fn grow(&self, size: &str) {
        let options = format!("remount,size={size}");
        let mount =
            Command::new("nsenter").args([&self.mounts(), "mount", "-o", &options]).arg(&self.at).status();
        assert!(mount.unwrap().success());
    }

    /// Fills the disk.
    fn fill(&self) {
        let filler = File::create(self.path("filler"));
        let full = std::io::copy(&mut std::io::repeat(b'x'), &mut filler.unwrap()).unwrap_err();
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    }

    /// Starts recolte in the mount namespace.
    fn start(&self, lab: &Lab, job: &Job) -> Running {
        let streams = lab.new_folder("streams");
        let mut command = lab.command("nsenter");
        command.args([&self.mounts(), "--", env!("CARGO_BIN_EXE_recolte")]).args(job.arguments());
        command.stdout(File::create(streams.join("stdout")).unwrap());
        command.stderr(File::create(streams.join("stderr")).unwrap());
        Running::new(command, job, &streams)
    }

    /// Starts `recolte resume` for the latest run.
    fn resume(&self, lab: &Lab) -> Running {
        self.start(lab, &lab.job_for(&[]).raw_args(&["resume", "--output", self.at.to_str().unwrap()]))
    }

    fn report(&self) -> Value {
        serde_json::from_slice(&fs::read(self.path("latest/report.json")).unwrap()).unwrap()
    }

    /// Returns the entry of a host in `report.json`.
    #[track_caller]
    fn host(&self, name: &str) -> HostReport {
        let report = self.report();
        let host = report["hosts"].as_array().unwrap().iter().find(|host| host["host"] == name);
        HostReport(host.unwrap().clone())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.holder.kill());
        drop(self.holder.wait());
    }
}

fn count_script_runs(lab: &Lab, host: &str) -> usize {
    fs::read_to_string(lab.host_path(host, "/tmp/count")).unwrap_or_default().lines().count()
}

/// Returns a script that adds a line to /tmp/count and writes random bytes.
fn write_random(bytes: &str) -> String {
    format!("#!/bin/bash\necho ran >>/tmp/count\nhead -c {bytes} /dev/urandom >/tmp/fichier_log.txt\n")
}

/// Checks that the collected file is equal to the one on the host.
#[track_caller]
fn assert_collected(disk: &Disk, lab: &Lab, host: &str) {
    let here = fs::read(disk.path(&format!("latest/JGE/{host}/fichier_log.txt"))).unwrap();
    assert!(
        here == fs::read(lab.host_path(host, "/tmp/fichier_log.txt")).unwrap(),
        "{host}: the collected file differs"
    );
}

#[test]
fn a_disk_full_while_collecting_fails_one_host_and_resume_collects_its_files() {
    let lab = Lab::builder(&["big", "small"]).up();
    let disk = Disk::new(&lab.path("disk"), "1m");
    let job = lab.job().script(write_random("$([ $(hostname) = big ] && echo 3000000 || echo 100000)"));
    let job = job.set("output", lab.path("disk").as_path());
    let run = lab.wait_checked(disk.start(&lab, &job));
    run.assert_exit_code(1);
    disk.host("small").assert_succeeded();
    let big = disk.host("big");
    big.assert_ended("failed", "collect", "local_disk_full")
        .assert_message("No space left")
        .assert_hint("make room");
    assert!(big.remote_files().is_empty() && big.exit_status() == Some(0), "{run}");
    assert_collected(&disk, &lab, "small");
    assert_eq!(unpack(&disk.path("latest/JGE.tar.gz")).len(), 3);
    let left = files(&disk.path("latest/JGE"));
    assert_eq!(left, ["small/fichier_log.txt"], "a partial copy is left");
    disk.grow("64m");
    let run = lab.wait_checked(disk.resume(&lab));
    run.assert_exit_code(0);
    for host in ["big", "small"] {
        assert_collected(&disk, &lab, host);
    }
    for host in ["big", "small"] {
        disk.host(host).assert_succeeded().exit_status();
    }
    assert_eq!(["big", "small"].map(|host| count_script_runs(&lab, host)), [1, 1]);
    assert_eq!(unpack(&disk.path("latest/JGE.tar.gz")).len(), 4);
}

#[test]
fn a_disk_full_while_archiving_keeps_the_files_and_resume_makes_the_archive() {
    let lab = Lab::with(&["h1"]);
    let disk = Disk::new(&lab.path("disk"), "1m");
    let job = lab.job().script(write_random("600000")).set("output", lab.path("disk").as_path());
    let run = lab.wait_checked(disk.start(&lab, &job));
    run.assert_exit_code(3);
    disk.host("h1").assert_succeeded();
    assert_collected(&disk, &lab, "h1");
    assert!(run.stderr.contains("JGE.tar.gz: the archive could not be made: No space left"), "{run}");
    let left = fs::read_dir(disk.path("latest")).unwrap().flatten();
    let left: Vec<String> = left.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    assert!(
        !left.iter().any(|name| name.contains("tar") || name.starts_with(".tmp")),
        "a partial archive: {left:?}"
    );
    disk.grow("64m");
    lab.wait_checked(disk.resume(&lab)).assert_exit_code(0);
    let archive = unpack(&disk.path("latest/JGE.tar.gz"));
    assert_eq!(archive["JGE/h1/fichier_log.txt"].bytes.len(), 600_000);
    assert_eq!(count_script_runs(&lab, "h1"), 1);
}

#[test]
fn a_disk_full_while_packing_makes_the_archive_at_the_end_if_space_is_free_again() {
    let stay = ": >/tmp/stay";
    let lab = Lab::builder(&["quick", "slow"]).setup("quick", stay).setup("slow", stay).up();
    let disk = Disk::new(&lab.path("disk"), "1m");
    let script = write_random("600000") + ": >/tmp/up; while [ -e /tmp/stay ]; do sleep 0.1; done\n";
    let running = disk.start(&lab, &lab.job().script(script).set("output", lab.path("disk").as_path()));
    lab.wait_for_file("quick", "/tmp/up");
    let temporary_archive = || {
        let entries = fs::read_dir(disk.path("latest")).unwrap().flatten();
        let mut entries = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(".part-"));
        let meta = entries.next().unwrap().metadata().unwrap();
        (meta.len(), meta.modified().unwrap())
    };
    let (_, begun) = temporary_archive();
    lab.host_sh("quick", "rm /tmp/stay");
    let given_up = || matches!(temporary_archive(), (0, changed) if changed != begun);
    wait::until("the partial archive to be truncated", || given_up().then_some(()));
    disk.grow("64m");
    lab.host_sh("slow", "rm /tmp/stay");
    lab.wait_checked(running).assert_exit_code(0);
    let archive = unpack(&disk.path("latest/JGE.tar.gz"));
    for host in ["quick", "slow"] {
        assert_eq!(archive[&format!("JGE/{host}/fichier_log.txt")].bytes.len(), 600_000);
    }
}

#[test]
fn a_disk_full_while_a_script_runs_loses_its_output_but_no_file() {
    let lab = Lab::with(&["h1"]);
    let disk = Disk::new(&lab.path("disk"), "4m");
    let script = "#!/bin/bash\necho ran >>/tmp/count; echo whole >/tmp/fichier_log.txt; : >/tmp/up\n\
                  until [ -e /tmp/go ]; do sleep 0.1; done; head -c 300000 /dev/zero\n";
    let job = lab.job().script(script).set("output", lab.path("disk").as_path());
    let running = disk.start(&lab, &job);
    lab.wait_for_file("h1", "/tmp/up");
    disk.fill();
    lab.host_sh("h1", "touch /tmp/go");
    let run = lab.wait_checked(running);
    // The report cannot be written either; the terminal still shows the result of each host.
    run.assert_exit_code(3);
    assert!(run.stdout.contains("h1") && run.stdout.contains("No space left"), "{run}");
    assert!(run.stderr.contains("the reports could not be written"), "{run}");
    fs::remove_file(disk.path("filler")).unwrap();
    let run = lab.wait_checked(disk.resume(&lab));
    assert_collected(&disk, &lab, "h1");
    assert_eq!(count_script_runs(&lab, "h1"), 1, "the script began: it does not run again");
    assert_eq!(disk.report()["resumed"].as_array().map(Vec::len), Some(1));
    run.assert_exit_code(0);
    // Its exit status is known and its file is here: it succeeded. That its output is incomplete is reported as well.
    disk.host("h1").assert_succeeded();
    assert!(!disk.host("h1").skip_reason("stdout").is_empty());
}

#[test]
fn a_disk_full_from_the_beginning_contacts_no_host() {
    let lab = Lab::with(&["h1"]);
    let disk = Disk::new(&lab.path("disk"), "256k");
    disk.fill();
    let job = lab.job().set("output", lab.path("disk").as_path());
    let run = disk.start(&lab, &job).wait();
    run.assert_exit_code(2);
    assert!(run.stderr.contains("No space left"), "{run}");
    let log = lab.path("lab/hosts/h1/sshd.log");
    assert!(!fs::read_to_string(log).unwrap().contains("Connection from"), "{run}");
    wait::until("nothing left", || lab.open_connections().is_empty().then_some(()));
}

#[test]
fn a_copy_that_does_not_fit_leaves_the_earlier_one_and_is_reported() {
    let lab = Lab::with(&["h1"]);
    let disk = Disk::new(&lab.path("disk"), "256k");
    fs::write(disk.path("copy.tar.gz"), "the earlier one").unwrap();
    let copy = lab.path("disk/copy.tar.gz");
    let job = lab.job().script(write_random("600000")).set("archive.copy_to", copy.as_path());
    let run = lab.wait_checked(disk.start(&lab, &job));
    run.assert_exit_code(3);
    assert!(run.stderr.contains("copy.tar.gz: the archive could not be put there: No space left"), "{run}");
    assert_eq!(fs::read(disk.path("copy.tar.gz")).unwrap(), b"the earlier one");
    assert_eq!(fs::read_dir(disk.path("")).unwrap().count(), 1, "a partial copy is left");
    assert_eq!(unpack(&run.path("JGE.tar.gz")).len(), 3);
}
