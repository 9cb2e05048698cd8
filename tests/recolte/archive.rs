//! The archive grows while hosts are visited, and is whole whatever happens meanwhile.

use std::fs;
use std::path::Path;

use crate::lab::{Lab, unpack, wait};

/// A megabyte that cannot be compressed; one host then stays until it is let go.
const WRITES: &str = "#!/bin/bash\nhead -c 1000000 /dev/urandom >/tmp/fichier_log.txt\n\
                      while [ -e /tmp/stay ]; do sleep 0.1; done\n";

/// How much of an archive is there under a passing name.
fn half_done(run: &Path) -> u64 {
    let entries = fs::read_dir(run).into_iter().flatten().flatten();
    let passing = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(".part-"));
    passing.filter_map(|entry| entry.metadata().ok()).map(|meta| meta.len()).sum()
}

#[test]
fn what_a_host_gave_is_packed_while_another_is_still_at_work() {
    let lab = Lab::of(&["quick", "slow"]).setup("slow", ": >/tmp/stay").up();
    let job = lab.job().script(WRITES);
    let running = lab.start(&job);
    running.says("quick: succeeded");
    let run = job.output().join("latest");
    wait::until("most of the quick host's file in the archive", || (half_done(&run) > 800_000).then_some(()));
    assert!(!run.join("JGE.tar.gz").exists());
    lab.on_host("slow", "rm /tmp/stay");
    let run = lab.tidy_after(running);
    run.succeeded();
    let archive = unpack(&run.path("JGE.tar.gz"));
    assert_eq!(archive.len(), 4, "{:?}", archive.keys());
    for host in ["quick", "slow"] {
        let packed = &archive[&format!("JGE/{host}/fichier_log.txt")].bytes;
        assert!(*packed == fs::read(lab.on(host, "/tmp/fichier_log.txt")).unwrap(), "{host}");
    }
}
