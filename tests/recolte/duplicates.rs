//! Two names of one machine: told, refused, and visited twice only by one's own word.

use crate::lab::Lab;

#[test]
fn two_names_of_one_machine_are_shown_and_visited_only_if_that_is_meant() {
    let lab = Lab::with(&["h1"]);
    let own = std::fs::read_to_string(lab.config()).unwrap();
    let alias = own.replace("Host h1", "Host again");
    lab.configure(&alias);
    let job = || lab.job_for(&["h1", "again"]).script("#!/bin/sh\necho ran >>/tmp/fichier_log.txt\n");
    let shown = lab.recolte(&job().command("hosts"));
    shown.exits(0);
    assert!(shown.stdout.contains("same machine: h1, again"), "{shown}");
    let refused = lab.recolte(&job());
    refused.exits(2);
    assert!(refused.stderr.contains("h1, again: these names lead to the same machine"), "{refused}");
    assert!(!lab.on("h1", "/tmp/fichier_log.txt").exists(), "a host was touched: {refused}");
    let meant = lab.recolte(&job().options(&["--allow-duplicates", "--parallel", "1"]));
    meant.exits(0);
    assert_eq!(std::fs::read(lab.on("h1", "/tmp/fichier_log.txt")).unwrap(), b"ran\nran\n");
}
