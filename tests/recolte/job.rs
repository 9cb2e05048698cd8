//! The whole job on the twelve servers of the old script, and what became of its three faults.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use serde_json::Value;

use crate::lab::{Lab, Run, SCRIPT, unpack};

/// The servers of the old script.
pub const TWELVE: [&str; 12] = [
    "exemple1", "exemple2", "exemple3", "machine1", "machine2", "machine3", "test1", "test2", "test3",
    "serveur1", "serveur2", "serveur3",
];

/// An argument that no shell may touch.
pub const ODD: &str = "a b  c'd\"e$HOME*?;|&<>(){}[]\\ `id` !x ~\n#é\u{20ac}\t$(id)";

/// Writes its arguments, each ended by a NUL.
pub const WRITES_ARGUMENTS: &str = "#!/bin/sh\nprintf '%s\\0' \"$@\" >/tmp/fichier_log.txt\n";

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

fn sorted(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = names.into_iter().collect();
    names.sort();
    names
}

#[test]
fn twelve_servers_give_twelve_files_in_one_archive() {
    let lab = Lab::with(&TWELVE);
    let run = lab.recolte(&lab.job());
    run.succeeded();
    assert_eq!(run.harvest(), sorted(TWELVE.map(|host| format!("{host}/fichier_log.txt"))));
    let archive = unpack(&run.path("JGE.tar.gz"));
    let mut wanted = sorted(TWELVE.map(|host| format!("JGE/{host}/fichier_log.txt")));
    wanted.extend(["JGE/manifest.json".to_owned(), "JGE/report.txt".to_owned()]);
    assert_eq!(archive.keys().cloned().collect::<Vec<_>>(), sorted(wanted));
    for host in TWELVE {
        let text = format!("{host} SOC_PRODUCTION\n");
        assert_eq!(run.collected(host, "fichier_log.txt"), text.as_bytes());
        let packed = &archive[&format!("JGE/{host}/fichier_log.txt")];
        assert_eq!(packed.bytes, text.as_bytes());
        let there = fs::metadata(lab.on(host, "/tmp/fichier_log.txt")).unwrap().mtime();
        assert_eq!(packed.modified, there, "the host's own time of change");
    }
    let manifest: Value = serde_json::from_slice(&archive["JGE/manifest.json"].bytes).unwrap();
    assert_eq!(manifest["hosts"], run.report()["hosts"]);
    let text = String::from_utf8(archive["JGE/report.txt"].bytes.clone()).unwrap();
    assert!(TWELVE.iter().all(|host| text.contains(host)), "{text}");
    the_report_is_as_the_contract_has_it(&lab, &run);
    the_journal_has_a_line_a_host(&run);
    the_last_word_is_a_table(&run);
}

fn the_report_is_as_the_contract_has_it(lab: &Lab, run: &Run) {
    let report = run.report();
    let top = ["ended", "hosts", "job", "mail", "run", "schema", "script", "started", "totals"];
    assert_eq!(keys(&report), top);
    assert_eq!((&report["schema"], &report["job"]), (&Value::from(1), &Value::from("JGE")));
    assert_eq!(report["run"], run.path("").file_name().unwrap().to_str().unwrap());
    assert_eq!(keys(&report["script"]), ["file", "sha256"]);
    let totals = ["cancelled", "failed", "not_started", "succeeded", "timed_out", "unreachable"];
    assert_eq!(keys(&report["totals"]), totals);
    assert_eq!(report["totals"]["succeeded"], 12);
    let of_host = [
        "cause",
        "ended",
        "exit_status",
        "files",
        "hint",
        "host",
        "message",
        "outcome",
        "skipped",
        "started",
        "step",
        "steps",
    ];
    let names: Vec<&str> =
        report["hosts"].as_array().unwrap().iter().map(|h| h["host"].as_str().unwrap()).collect();
    assert_eq!(names, TWELVE, "in the order named");
    for host in report["hosts"].as_array().unwrap() {
        assert_eq!(keys(host), of_host);
        assert_eq!(host["exit_status"], 0);
        let steps = host["steps"].as_array().unwrap();
        let named: Vec<&str> = steps.iter().map(|s| s["step"].as_str().unwrap()).collect();
        assert_eq!(named, ["connect", "upload", "install", "execute", "collect"]);
        assert!(steps.iter().all(|step| keys(step) == ["ms", "step"] && step["ms"].is_u64()));
        let file = &host["files"][0];
        assert_eq!(keys(file), ["bytes", "path", "remote", "sha256"]);
        let name = host["host"].as_str().unwrap();
        assert_eq!(file["remote"], "/tmp/fichier_log.txt");
        assert_eq!(file["path"], format!("JGE/{name}/fichier_log.txt"));
        let sum = lab.on_host(name, "sha256sum /tmp/fichier_log.txt");
        assert_eq!(sum.split_whitespace().next(), file["sha256"].as_str());
        for time in [&host["started"], &host["ended"], &report["started"], &report["ended"]] {
            let text = time.as_str().unwrap();
            assert!(text.parse::<jiff::Timestamp>().is_ok(), "no RFC 3339: {text}");
        }
    }
}

fn the_journal_has_a_line_a_host(run: &Run) {
    let text = run.text("journal.jsonl");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for host in run.report()["hosts"].as_array().unwrap() {
        let of_host = |line: &&Value| line["event"] == "ended" && line["host"] == host["host"];
        let ended: Vec<&Value> = lines.iter().filter(of_host).collect();
        assert_eq!(ended.len(), 1, "{}: {text}", host["host"]);
        assert_eq!(ended[0]["files"], host["files"]);
        assert_eq!(ended[0]["outcome"], host["outcome"]);
    }
}

fn the_last_word_is_a_table(run: &Run) {
    for host in TWELVE {
        let row = run
            .stdout
            .lines()
            .find(|line| line.starts_with(host))
            .unwrap_or_else(|| panic!("no {host}: {run}"));
        assert!(row.contains("succeeded"), "{row}");
        assert!(run.stderr.lines().any(|line| line.starts_with(&format!("{host}: succeeded"))), "{run}");
    }
    assert!(run.stdout.contains("12 succeeded"), "{run}");
    assert!(run.stdout.contains(run.path("JGE.tar.gz").to_str().unwrap()), "{run}");
    let page = run.text("report.html");
    assert!(TWELVE.iter().all(|host| page.contains(host) && run.text("report.txt").contains(host)));
}

#[test]
fn in_a_flat_folder_the_twelve_files_of_one_name_are_told_apart() {
    let lab = Lab::with(&TWELVE);
    let run = lab.recolte(&lab.job().set("collect.layout", "flat"));
    run.succeeded();
    let mut contents = Vec::new();
    for host in TWELVE {
        let path = run.host(host).path_of("/tmp/fichier_log.txt").to_owned();
        assert_eq!(path.matches('/').count(), 1, "JGE/<file>: {path}");
        contents.push(run.text(&path));
        assert_eq!(unpack(&run.path("JGE.tar.gz"))[&path].bytes, run.read(&path));
    }
    assert_eq!(contents, TWELVE.map(|host| format!("{host} SOC_PRODUCTION\n")));
    assert_eq!(run.harvest().len(), 12);
}

#[test]
fn a_run_folder_is_private_and_latest_leads_to_the_last_one() {
    let lab = Lab::with(&["h1"]);
    let job = lab.job();
    let first = lab.recolte(&job);
    let second = lab.recolte(&job);
    assert_ne!(first.path(""), second.path(""));
    assert_eq!(fs::metadata(second.path("")).unwrap().permissions().mode() & 0o777, 0o700);
    let link = fs::read_link(job.output().join("latest")).unwrap();
    assert_eq!(link, Path::new(second.path("").file_name().unwrap()), "relative, so that runs can be moved");
}

#[test]
fn every_argument_reaches_the_script_unchanged_supervised_or_not() {
    let lab = Lab::with(&["h1"]);
    let arguments = ["SOC_PRODUCTION", ODD, "", "-n", "*", "--"];
    let wanted: Vec<u8> = arguments.iter().flat_map(|word| word.bytes().chain([0])).collect();
    for supervise in [true, false] {
        let job = lab
            .job()
            .script(WRITES_ARGUMENTS)
            .set("script.args", &arguments)
            .set("script.supervise", supervise);
        let run = lab.recolte(&job);
        run.succeeded();
        let got = run.collected("h1", "fichier_log.txt");
        assert_eq!(
            String::from_utf8_lossy(&got),
            String::from_utf8_lossy(&wanted),
            "supervise = {supervise}"
        );
    }
}

#[test]
fn the_script_runs_as_the_other_user_with_that_users_login_environment() {
    let script =
        "#!/bin/sh\necho \"$(id -un) $DOLLARU_HOME $U_ENV $HOME $PWD\"; cat; echo $? >/tmp/fichier_log.txt\n";
    let lab = Lab::with(&["h1"]);
    for supervise in [true, false] {
        let run = lab.recolte(&lab.job().script(script).set("script.supervise", supervise));
        run.succeeded();
        let wanted = "User_DollarU /opt/dollaru production /home/User_DollarU /home/User_DollarU\n";
        assert_eq!(run.printed("h1"), wanted);
        let owner = fs::metadata(lab.on("h1", "/tmp/fichier_log.txt")).unwrap().uid();
        assert_eq!(owner, 7702);
    }
}

#[test]
fn the_bare_command_passes_a_sudoers_rule_that_pins_it() {
    let rule = "User_VIP ALL=(root) NOPASSWD: \
                /usr/bin/su - User_DollarU -c /home/User_VIP/script/Fichier_fourni.sh\\ SOC_PRODUCTION";
    let setup = format!("printf '%s\\n' '{rule}' >/etc/sudoers.d/vip");
    let lab = Lab::of(&["h1"]).setup_all(&setup).up();
    lab.recolte(&lab.job().set("script.supervise", false)).succeeded();
    // The rule is a pin: other words are refused, and the way out is named.
    let run = lab.recolte(&lab.job().set("script.supervise", true));
    run.exits(1);
    run.host("h1").ended("failed", "execute", "sudo_denied").hints("supervise = false");
}

#[test]
fn without_run_as_the_script_runs_as_the_login_user_without_sudo() {
    let lab = Lab::of(&["h1"]).setup_all("rm /etc/sudoers.d/vip; chmod 0 /usr/bin/sudo").up();
    for supervise in [true, false] {
        let job = lab.job().without("script.run_as").set("script.supervise", supervise);
        let run = lab.recolte(&job.script("#!/bin/sh\nid -un >/tmp/fichier_log.txt\n"));
        run.succeeded();
        assert_eq!(run.collected("h1", "fichier_log.txt"), b"User_VIP\n");
    }
}

#[test]
fn the_script_lies_in_its_folder_as_supplied_with_the_mode_asked_for() {
    let lab = Lab::of(&["h1"]).setup_all("install -d -o User_VIP '/srv/a b'").up();
    // No newline at the end, no UTF-8, a line end of Windows: bytes are bytes.
    let script = b"#!/bin/sh\n# \xff\xfe \r\necho x >/tmp/fichier_log.txt\nexit 0 # \x00 the end";
    for (folder, mode) in
        [("/home/User_VIP/script", None), ("/srv/a b", Some("755")), ("/srv/a b", Some("0705"))]
    {
        let mut job = lab.job().script(script).set("script.install", folder);
        if let Some(mode) = mode {
            job = job.set("script.mode", mode);
        }
        lab.recolte(&job).succeeded();
        let installed = lab.on("h1", &format!("{folder}/{SCRIPT}"));
        assert_eq!(fs::read(&installed).unwrap(), script);
        let wanted = u32::from_str_radix(mode.unwrap_or("775"), 8).unwrap();
        assert_eq!(fs::metadata(&installed).unwrap().permissions().mode() & 0o7777, wanted);
    }
}

#[test]
fn the_staging_folder_is_the_jobs_and_the_copy_there_goes_again() {
    let lab = Lab::of(&["h1"])
        .setup_all("install -d -o User_VIP /srv/staging; chmod 555 /tmp; ls /srv/staging")
        .up();
    let script = "#!/bin/sh\nls -A /srv/staging >/home/User_DollarU/fichier_log.txt\n";
    let job = lab.job().script(script).set("script.staging", "/srv/staging");
    let run = lab.recolte(&job.set("collect.files", &["/home/User_DollarU/fichier_*"]));
    run.succeeded();
    // The copy goes as soon as the script is installed; in /tmp it could not have been made.
    assert_eq!(run.collected("h1", "fichier_log.txt"), b"");
    assert_eq!(fs::read_dir(lab.on("h1", "/srv/staging")).unwrap().count(), 0);
}

#[test]
fn a_log_of_an_earlier_run_stays_there_and_is_told() {
    let setup = "echo old >/tmp/fichier_old_log.txt; touch -d yesterday /tmp/fichier_old_log.txt";
    let lab = Lab::of(&["h1"]).setup_all(setup).up();
    let run = lab.recolte(&lab.job());
    run.succeeded();
    assert_eq!(run.harvest(), ["h1/fichier_log.txt"]);
    assert!(run.host("h1").why_skipped("/tmp/fichier_old_log.txt").contains("earlier run"));
    assert!(run.stdout.contains("left behind: 1 file on 1 host"), "{run}");
    let run = lab.recolte(&lab.job().set("collect.fresh", false));
    run.succeeded();
    assert_eq!(run.harvest(), ["h1/fichier_log.txt", "h1/fichier_old_log.txt"]);
}

#[test]
fn the_hosts_own_clock_decides_and_its_very_second_counts() {
    // A clock that stands still, eight years from the gateway's.
    let setup = "printf '#!/bin/sh\\necho 2000000000\\n' >/usr/local/bin/date; chmod 755 /usr/local/bin/date";
    let lab = Lab::of(&["h1"]).setup_all(setup).up();
    let script = "#!/bin/sh\ncd /tmp; for t in 1999999999 2000000000 2000000001; do\n\
                  echo $t >fichier_${t}_log.txt; touch -d @$t fichier_${t}_log.txt; done\n";
    let run = lab.recolte(&lab.job().script(script));
    run.succeeded();
    assert_eq!(run.harvest(), ["h1/fichier_2000000000_log.txt", "h1/fichier_2000000001_log.txt"]);
    assert!(run.host("h1").why_skipped("/tmp/fichier_1999999999_log.txt").contains("earlier run"));
    let here = fs::metadata(run.path("JGE/h1/fichier_2000000001_log.txt")).unwrap().mtime();
    assert_eq!(here, 2_000_000_001);
}

#[test]
fn a_clock_that_is_a_day_off_loses_no_file_and_brings_no_older_one() {
    let off = |days: &str| {
        let shift = format!("exec /bin/date -d \"{days}\" \"$@\"");
        format!("printf '#!/bin/sh\\n%s\\n' '{shift}' >/usr/local/bin/date; chmod 755 /usr/local/bin/date")
    };
    let lab = Lab::of(&["early", "late", "right"])
        .setup("early", &off("1 day ago"))
        .setup("late", &off("1 day"))
        .up();
    // What a host writes is dated by its own clock.
    let script = "#!/bin/sh\ncd /tmp; now=$(/usr/local/bin/date +%s 2>/dev/null || date +%s)\n\
                  echo new >fichier_new_log.txt; touch -d @$now fichier_new_log.txt\n\
                  echo old >fichier_old_log.txt; touch -d @$((now - 60)) fichier_old_log.txt\n";
    let run = lab.recolte(&lab.job().script(script));
    run.succeeded();
    for host in ["early", "late", "right"] {
        assert_eq!(run.collected(host, "fichier_new_log.txt"), b"new\n");
        assert!(run.host(host).why_skipped("/tmp/fichier_old_log.txt").contains("earlier run"));
    }
    assert_eq!(run.harvest().len(), 3, "{run}");
}

#[test]
fn the_archive_is_also_put_where_the_job_wants_it() {
    let lab = Lab::with(&["h1"]);
    let copy = lab.path("copy.tar.gz");
    let job = lab.job().set("archive.copy_to", copy.as_path());
    let run = lab.recolte(&job);
    run.succeeded();
    assert_eq!(fs::read(&copy).unwrap(), run.read("JGE.tar.gz"));
    let run = lab.recolte(&job.set("archive.copy_to", lab.path("nowhere/copy.tar.gz").as_path()));
    run.exits(3);
    assert!(run.path("JGE.tar.gz").exists() && run.stderr.contains("nowhere/copy.tar.gz"), "{run}");
}
