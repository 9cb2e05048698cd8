//! The whole job on the twelve servers of the old script: files, arguments, report, journal, run folder.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use serde_json::Value;

use crate::lab::{Lab, ODD_ARGUMENT, OLD_SCRIPT_HOSTS, Run, WRITE_ARGUMENTS, unpack};

fn sorted_keys(value: &Value) -> Vec<&str> {
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
    let lab = Lab::with(&OLD_SCRIPT_HOSTS);
    let run = lab.run_checked(&lab.job());
    run.assert_succeeded();
    assert_eq!(run.collected_files(), sorted(OLD_SCRIPT_HOSTS.map(|host| format!("{host}/fichier_log.txt"))));
    let archive = unpack(&run.path("JGE.tar.gz"));
    let mut wanted = sorted(OLD_SCRIPT_HOSTS.map(|host| format!("JGE/{host}/fichier_log.txt")));
    wanted.extend(["JGE/manifest.json".to_owned(), "JGE/report.txt".to_owned()]);
    assert_eq!(archive.keys().cloned().collect::<Vec<_>>(), sorted(wanted));
    for host in OLD_SCRIPT_HOSTS {
        let text = format!("{host} SOC_PRODUCTION\n");
        assert_eq!(run.read_collected(host, "fichier_log.txt"), text.as_bytes());
        let packed = &archive[&format!("JGE/{host}/fichier_log.txt")];
        assert_eq!(packed.bytes, text.as_bytes());
        let there = fs::metadata(lab.host_path(host, "/tmp/fichier_log.txt")).unwrap().mtime();
        assert_eq!(packed.modified, there, "the host's own time of change");
    }
    let manifest: Value = serde_json::from_slice(&archive["JGE/manifest.json"].bytes).unwrap();
    assert_eq!(manifest["hosts"], run.report()["hosts"]);
    let text = String::from_utf8(archive["JGE/report.txt"].bytes.clone()).unwrap();
    assert!(OLD_SCRIPT_HOSTS.iter().all(|host| text.contains(host)), "{text}");
    assert_report(&lab, &run);
    assert_journal(&run);
    assert_table(&run);
}

fn assert_report(lab: &Lab, run: &Run) {
    let report = run.report();
    let top = ["ended", "hosts", "job", "mail", "run", "schema", "script", "started", "totals"];
    assert_eq!(sorted_keys(&report), top);
    assert_eq!((&report["schema"], &report["job"]), (&Value::from(1), &Value::from("JGE")));
    assert_eq!(report["run"], run.path("").file_name().unwrap().to_str().unwrap());
    assert_eq!(sorted_keys(&report["script"]), ["file", "sha256"]);
    let totals = ["cancelled", "failed", "not_started", "succeeded", "timed_out", "unreachable"];
    assert_eq!(sorted_keys(&report["totals"]), totals);
    assert_eq!(report["totals"]["succeeded"], 12);
    let of_host = [
        "began",
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
    assert_eq!(names, OLD_SCRIPT_HOSTS, "in the order named");
    for host in report["hosts"].as_array().unwrap() {
        assert_eq!(sorted_keys(host), of_host);
        assert_eq!((&host["exit_status"], &host["began"]), (&Value::from(0), &Value::from(true)));
        let steps = host["steps"].as_array().unwrap();
        let named: Vec<&str> = steps.iter().map(|s| s["step"].as_str().unwrap()).collect();
        assert_eq!(named, ["connect", "upload", "install", "execute", "collect"]);
        assert!(steps.iter().all(|step| sorted_keys(step) == ["ms", "step"] && step["ms"].is_u64()));
        let file = &host["files"][0];
        assert_eq!(sorted_keys(file), ["bytes", "path", "remote", "sha256"]);
        let name = host["host"].as_str().unwrap();
        assert_eq!(file["remote"], "/tmp/fichier_log.txt");
        assert_eq!(file["path"], format!("JGE/{name}/fichier_log.txt"));
        let sum = lab.host_sh(name, "sha256sum /tmp/fichier_log.txt");
        assert_eq!(sum.split_whitespace().next(), file["sha256"].as_str());
        for time in [&host["started"], &host["ended"], &report["started"], &report["ended"]] {
            let text = time.as_str().unwrap();
            assert!(text.parse::<jiff::Timestamp>().is_ok(), "no RFC 3339: {text}");
        }
    }
}

fn assert_journal(run: &Run) {
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

fn assert_table(run: &Run) {
    for host in OLD_SCRIPT_HOSTS {
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
    assert!(OLD_SCRIPT_HOSTS.iter().all(|host| page.contains(host) && run.text("report.txt").contains(host)));
}

#[test]
fn in_a_flat_layout_twelve_files_of_one_name_get_different_names() {
    let lab = Lab::with(&OLD_SCRIPT_HOSTS);
    let run = lab.run_checked(&lab.job().set("collect.layout", "flat"));
    run.assert_succeeded();
    let mut contents = Vec::new();
    for host in OLD_SCRIPT_HOSTS {
        let path = run.host(host).local_path("/tmp/fichier_log.txt").to_owned();
        assert_eq!(path.matches('/').count(), 1, "JGE/<file>: {path}");
        contents.push(run.text(&path));
        assert_eq!(unpack(&run.path("JGE.tar.gz"))[&path].bytes, run.read(&path));
    }
    assert_eq!(contents, OLD_SCRIPT_HOSTS.map(|host| format!("{host} SOC_PRODUCTION\n")));
    assert_eq!(run.collected_files().len(), 12);
}

#[test]
fn a_run_folder_is_private_and_latest_leads_to_the_last_one() {
    let lab = Lab::with(&["h1"]);
    let job = lab.job();
    let first = lab.run_checked(&job);
    let second = lab.run_checked(&job);
    assert_ne!(first.path(""), second.path(""));
    assert_eq!(fs::metadata(second.path("")).unwrap().permissions().mode() & 0o777, 0o700);
    let link = fs::read_link(job.output().join("latest")).unwrap();
    assert_eq!(link, Path::new(second.path("").file_name().unwrap()), "relative, so that runs can be moved");
}

#[test]
fn every_argument_reaches_the_script_unchanged_supervised_or_not() {
    let lab = Lab::with(&["h1"]);
    let arguments = ["SOC_PRODUCTION", ODD_ARGUMENT, "", "-n", "*", "--"];
    let wanted: Vec<u8> = arguments.iter().flat_map(|word| word.bytes().chain([0])).collect();
    for supervise in [true, false] {
        let job = lab
            .job()
            .script(WRITE_ARGUMENTS)
            .set("script.args", &arguments)
            .set("script.supervise", supervise);
        let run = lab.run_checked(&job);
        run.assert_succeeded();
        let got = run.read_collected("h1", "fichier_log.txt");
        assert_eq!(
            String::from_utf8_lossy(&got),
            String::from_utf8_lossy(&wanted),
            "supervise = {supervise}"
        );
    }
}
