//! Sample hosts and runs for the unit tests of the reports.

use strum::VariantArray as _;

use super::json::{RunReport, SCHEMA, ScriptReport, Totals};
use crate::message::VisitMessage;
use crate::outcome::{Cause, CollectedFile, Failure, HostReport, Outcome, SkippedFile, Step, StepTime};

/// Returns a host that succeeded in 1.2 s, with a number of files of 3482 bytes each.
pub(crate) fn succeeded_host(name: &str, files: usize) -> HostReport {
    let file = |nth: usize| CollectedFile {
        remote: format!("/tmp/fichier_{nth}_log.txt"),
        path: format!("JGE/{name}/fichier_{nth}_log.txt"),
        bytes: 3482,
        sha256: format!("{nth:064x}"),
    };
    HostReport {
        outcome: Outcome::Succeeded,
        exit_status: Some(0),
        files: (1..=files).map(file).collect(),
        steps: Step::VARIANTS
            .iter()
            .zip([80, 12, 30, 1000, 78])
            .map(|(step, ms)| StepTime { step: *step, ms })
            .collect(),
        ..visited_host(name, "2026-09-22T21:53:44.2Z")
    }
}

/// Returns a host whose port is closed.
pub(crate) fn refused_host(name: &str) -> HostReport {
    let quoted = |text: &str| VisitMessage::Quoted { text: text.to_owned() };
    let (message, hint) = (quoted("connection refused (port 22)"), quoted("is sshd running there?"));
    let failure = Failure::new(Step::Connect, Cause::Refused, message, Some(hint));
    let steps = vec![StepTime { step: Step::Connect, ms: 42 }];
    end_with_failure(HostReport { steps, ..visited_host(name, "2026-09-22T21:53:43.042Z") }, failure)
}

/// Returns a host whose script ended with a status.
pub(crate) fn failed_host(name: &str, status: i32) -> HostReport {
    let message = VisitMessage::Quoted { text: format!("the script ended with status {status}") };
    let failure = Failure::new(Step::Execute, Cause::ScriptFailed, message, None);
    let skipped = vec![SkippedFile {
        remote: "/tmp/fichier_vieux_log.txt".to_owned(),
        why: "older than this run".to_owned(),
    }];
    let ended = visited_host(name, "2026-09-22T21:56:48Z");
    end_with_failure(HostReport { exit_status: Some(status), skipped, ..ended }, failure)
}

/// Returns the report of a run on hosts.
pub(crate) fn run(hosts: Vec<HostReport>) -> RunReport {
    let script = ScriptReport { file: "/srv/Fichier_fourni.sh".to_owned(), sha256: "ab".repeat(32) };
    let (started, ended) = ("2026-09-22T21:53:43Z", "2026-09-22T21:56:48Z");
    RunReport {
        schema: SCHEMA,
        run: "20260922-235343-k3xq".to_owned(),
        job: "JGE".to_owned(),
        started: started.parse().unwrap(),
        ended: ended.parse().unwrap(),
        resumed: Vec::new(),
        script,
        totals: Totals::count(&hosts),
        hosts,
        mail: None,
    }
}

/// Returns the report of a run on twelve hosts, of which ten succeeded.
pub(crate) fn run_of_twelve() -> RunReport {
    let mut hosts: Vec<HostReport> = (1..=4).map(|n| succeeded_host(&format!("exemple{n}"), 1)).collect();
    hosts.extend([succeeded_host("machine1", 2), refused_host("machine2"), succeeded_host("machine3", 1)]);
    hosts.push(failed_host("test1", 3));
    hosts.extend((2..=5).map(|n| succeeded_host(&format!("test{n}"), 1)));
    run(hosts)
}

fn visited_host(name: &str, ended: &str) -> HostReport {
    let started = Some("2026-09-22T21:53:43Z".parse().unwrap());
    HostReport { started, ended: Some(ended.parse().unwrap()), ..HostReport::new(name) }
}

fn end_with_failure(mut host: HostReport, failure: Failure) -> HostReport {
    let ended = host.ended;
    host.end(Some(failure));
    host.ended = ended;
    host
}
