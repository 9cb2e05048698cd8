//! The `tar.gz`: packed while hosts are visited, and copied to `[archive] copy_to`.

use std::fs;
use std::path::Path;

use crate::lab::{Lab, unpack, wait};

/// Writes a megabyte that cannot be compressed, then waits while /tmp/stay exists.
const WRITE_AND_WAIT: &str = "#!/bin/bash\nhead -c 1000000 /dev/urandom >/tmp/fichier_log.txt\n\
                      while [ -e /tmp/stay ]; do sleep 0.1; done\n";

/// Returns the size of the archive under its temporary name, in bytes.
fn temporary_archive_size(run: &Path) -> u64 {
    let entries = fs::read_dir(run).into_iter().flatten().flatten();
    let passing = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(".part-"));
    passing.filter_map(|entry| entry.metadata().ok()).map(|meta| meta.len()).sum()
}

#[test]
fn files_of_a_finished_host_are_packed_while_another_host_still_runs() {
    let lab = Lab::builder(&["quick", "slow"]).setup("slow", ": >/tmp/stay").up();
    let job = lab.job().script(WRITE_AND_WAIT);
    let running = lab.start(&job);
    running.wait_for_stderr("quick: succeeded");
    let run = job.output().join("latest");
    wait::until("most of the file of `quick` in the archive", || {
        (temporary_archive_size(&run) > 800_000).then_some(())
    });
    assert!(!run.join("JGE.tar.gz").exists());
    lab.host_sh("slow", "rm /tmp/stay");
    let run = lab.wait_checked(running);
    run.assert_succeeded();
    let archive = unpack(&run.path("JGE.tar.gz"));
    assert_eq!(archive.len(), 4, "{:?}", archive.keys());
    for host in ["quick", "slow"] {
        let packed = &archive[&format!("JGE/{host}/fichier_log.txt")].bytes;
        assert!(*packed == fs::read(lab.host_path(host, "/tmp/fichier_log.txt")).unwrap(), "{host}");
    }
}

#[test]
fn the_archive_is_also_copied_to_copy_to() {
    let lab = Lab::with(&["h1"]);
    let copy = lab.path("copy.tar.gz");
    let job = lab.job().set("archive.copy_to", copy.as_path());
    let run = lab.run_checked(&job);
    run.assert_succeeded();
    assert_eq!(fs::read(&copy).unwrap(), run.read("JGE.tar.gz"));
    let run = lab.run_checked(&job.set("archive.copy_to", lab.path("nowhere/copy.tar.gz").as_path()));
    run.assert_exit_code(3);
    assert!(run.path("JGE.tar.gz").exists() && run.stderr.contains("nowhere/copy.tar.gz"), "{run}");
}
