//! `[collect] fresh`: files of an earlier run are not collected, whatever the clocks say.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use crate::lab::Lab;

#[test]
fn a_file_of_an_earlier_run_is_skipped_and_reported() {
    let setup = "echo old >/tmp/fichier_old_log.txt; touch -d yesterday /tmp/fichier_old_log.txt";
    let lab = Lab::builder(&["h1"]).setup_all(setup).up();
    let run = lab.run_checked(&lab.job());
    run.assert_succeeded();
    assert_eq!(run.collected_files(), ["h1/fichier_log.txt"]);
    assert!(run.host("h1").skip_reason("/tmp/fichier_old_log.txt").contains("earlier run"));
    assert!(run.stdout.contains("left behind: 1 file on 1 host"), "{run}");
    let run = lab.run_checked(&lab.job().set("collect.fresh", false));
    run.assert_succeeded();
    assert_eq!(run.collected_files(), ["h1/fichier_log.txt", "h1/fichier_old_log.txt"]);
}

#[test]
fn no_clock_decides_what_is_of_this_run() {
    let clock = |body: &str| {
        format!("printf '#!/bin/sh\\n%s\\n' '{body}' >/usr/local/bin/date; chmod 755 /usr/local/bin/date")
    };
    // Files that were there before: changed long ago, just now, and in the future.
    let before = "cd /tmp; for t in 1000000000 $(date +%s) 2000000000; do\n\
                  echo old >fichier_old${t}_log.txt; touch -d @$t fichier_old${t}_log.txt; done";
    let lab = Lab::builder(&["early", "late", "still", "right"])
        .setup_all(before)
        .setup("early", &clock("exec /bin/date -d \"1 day ago\" \"$@\""))
        .setup("late", &clock("exec /bin/date -d \"1 day\" \"$@\""))
        .setup("still", &clock("echo 2000000000"))
        .up();
    // The files get times from the host's own clock, and times of other years.
    let script = "#!/bin/sh\ncd /tmp; now=$(/usr/local/bin/date +%s 2>/dev/null || date +%s)\n\
                  echo new >fichier_new_log.txt; touch -d @$now fichier_new_log.txt\n\
                  for t in 1000000000 2000000000 2000000001; do\n\
                  echo $t >fichier_${t}_log.txt; touch -d @$t fichier_${t}_log.txt; done\n";
    let run = lab.run_checked(&lab.job().script(script));
    run.assert_succeeded();
    for host in ["early", "late", "still", "right"] {
        assert_eq!(run.read_collected(host, "fichier_new_log.txt"), b"new\n");
        for time in [1_000_000_000, 2_000_000_000, 2_000_000_001] {
            let name = format!("fichier_{time}_log.txt");
            assert_eq!(run.read_collected(host, &name), format!("{time}\n").as_bytes(), "{host}");
            let here = fs::metadata(run.path(&format!("JGE/{host}/{name}"))).unwrap().mtime();
            assert_eq!(here, time, "{host}");
        }
        let skipped = run.host(host).0["skipped"].as_array().unwrap().clone();
        assert_eq!(skipped.len(), 3, "{skipped:?}");
        for file in skipped {
            assert!(file["remote"].as_str().unwrap().starts_with("/tmp/fichier_old"), "{file}");
            assert!(file["why"].as_str().unwrap().contains("earlier run"), "{file}");
        }
    }
    assert_eq!(run.collected_files().len(), 16, "{run}");
}
