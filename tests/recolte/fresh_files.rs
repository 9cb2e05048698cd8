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
fn the_hosts_clock_decides_and_the_second_of_the_start_counts() {
    // A clock that stands still, years away from the gateway's.
    let setup = "printf '#!/bin/sh\\necho 2000000000\\n' >/usr/local/bin/date; chmod 755 /usr/local/bin/date";
    let lab = Lab::builder(&["h1"]).setup_all(setup).up();
    let script = "#!/bin/sh\ncd /tmp; for t in 1999999999 2000000000 2000000001; do\n\
                  echo $t >fichier_${t}_log.txt; touch -d @$t fichier_${t}_log.txt; done\n";
    let run = lab.run_checked(&lab.job().script(script));
    run.assert_succeeded();
    assert_eq!(run.collected_files(), ["h1/fichier_2000000000_log.txt", "h1/fichier_2000000001_log.txt"]);
    assert!(run.host("h1").skip_reason("/tmp/fichier_1999999999_log.txt").contains("earlier run"));
    let here = fs::metadata(run.path("JGE/h1/fichier_2000000001_log.txt")).unwrap().mtime();
    assert_eq!(here, 2_000_000_001);
}

#[test]
fn a_clock_that_is_a_day_off_loses_no_file_and_collects_no_older_one() {
    let off = |days: &str| {
        let shift = format!("exec /bin/date -d \"{days}\" \"$@\"");
        format!("printf '#!/bin/sh\\n%s\\n' '{shift}' >/usr/local/bin/date; chmod 755 /usr/local/bin/date")
    };
    let lab = Lab::builder(&["early", "late", "right"])
        .setup("early", &off("1 day ago"))
        .setup("late", &off("1 day"))
        .up();
    // The files get times from the host's own clock.
    let script = "#!/bin/sh\ncd /tmp; now=$(/usr/local/bin/date +%s 2>/dev/null || date +%s)\n\
                  echo new >fichier_new_log.txt; touch -d @$now fichier_new_log.txt\n\
                  echo old >fichier_old_log.txt; touch -d @$((now - 60)) fichier_old_log.txt\n";
    let run = lab.run_checked(&lab.job().script(script));
    run.assert_succeeded();
    for host in ["early", "late", "right"] {
        assert_eq!(run.read_collected(host, "fichier_new_log.txt"), b"new\n");
        assert!(run.host(host).skip_reason("/tmp/fichier_old_log.txt").contains("earlier run"));
    }
    assert_eq!(run.collected_files().len(), 3, "{run}");
}
