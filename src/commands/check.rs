//! `recolte check`: a table of hosts and checks that shows which hosts are ready for the job.
//!
//! Nothing is run; only the launcher's file stays on a host.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::{CommandResult, load_job, print_answer, print_json, print_notes, resolve_hosts};
use crate::cli;
use crate::event::Stop;
use crate::fleet::{self, Limits};
use crate::inventory::{self, Selected};
use crate::message::VisitMessage;
use crate::outcome::{ExitStatus, Outcome};
use crate::report::check_table::{CheckRow, check_table};
use crate::report::style::TextFormat;
use crate::run::{ControlDirectory, fit_parallel, max_handshakes};
use crate::signals::Signals;
use crate::visit::{CHECKS, CheckContext, CheckResult, ConnectLimiter, HostCheck, preflight};

/// The place of the install folder's check among [`CHECKS`].
const INSTALL: usize = 4;

/// Checks every host.
pub async fn check(args: cli::InspectArgs) -> CommandResult {
    let job = load_job(&args.job_args, true)?;
    let Selected { targets, notes } = inventory::select(&job.targets)?;
    let (hosts, _duplicates) = resolve_hosts(&job, targets.into_iter().map(|target| target.host)).await?;
    let stop = Stop::default();
    let signals = Signals::listen(stop.clone())?;
    let (parallel, note) = fit_parallel(job.parallel);
    let limits = Limits { parallel, canary: 0, max_failures: None };
    let connect_limiter = ConnectLimiter::new(max_handshakes(&job));
    let control_directory = ControlDirectory::create()?;
    let sockets = control_directory.sockets(&job.ssh)?;
    let context = Arc::new(CheckContext { job, sockets, connect_limiter, stop: stop.clone() });
    let hosts = hosts.into_iter().map(|host| (host.alias.clone(), host)).collect();
    let check_host = |number, host| {
        let context = Arc::clone(&context);
        async move { preflight(&context, host, number).await }
    };
    let mut checks: Vec<HostCheck> = fleet::visit_all(hosts, limits, &stop, check_host, |_| {}).await;
    note_shared_folders(&mut checks);
    if !args.output_options.quiet {
        print_notes(&notes);
        print_notes(&note);
    }
    if args.output_options.json {
        print_json(checks.iter().map(json_of_host).collect())?;
    } else {
        let rows: Vec<CheckRow> = checks.iter().map(row_of_host).collect();
        print_answer(&check_table(&CHECKS, &rows, TextFormat::for_stream(&std::io::stdout())));
    }
    Ok(match signals.first() {
        Some(signal) => ExitStatus::Interrupted(signal),
        None if checks.iter().all(is_ready) => ExitStatus::Success,
        None => ExitStatus::HostsFailed,
    })
}

/// Notes the install folders that several hosts seem to share: what one run writes there, all of them run.
fn note_shared_folders(checks: &mut [HostCheck]) {
    let mut first_hosts = HashMap::new();
    for check in checks {
        let Some(folder) = check.install_folder.clone().filter(|folder| !folder.is_empty()) else { continue };
        match first_hosts.entry(folder) {
            Entry::Vacant(entry) => drop(entry.insert(check.report.host.to_string())),
            Entry::Occupied(entry) => {
                let note = VisitMessage::SharedInstallFolder { host: entry.get().clone() };
                if let Some(result @ CheckResult::Passed) = check.results.get_mut(INSTALL) {
                    *result = CheckResult::Noted(note);
                }
            }
        }
    }
}

fn is_ready(check: &HostCheck) -> bool {
    check.report.outcome == Outcome::Succeeded
}

fn json_of_host(check: &HostCheck) -> serde_json::Value {
    let items: Vec<_> = CHECKS.into_iter().zip(result_names(check)).collect();
    serde_json::json!({ "host": check.report.host, "items": items, "ready": is_ready(check) })
}

/// Returns the row of a host: a result for each check, then the messages.
fn row_of_host(check: &HostCheck) -> CheckRow {
    let mut lines = Vec::new();
    for (item, result) in CHECKS.iter().zip(&check.results) {
        match result {
            CheckResult::Noted(text) => lines.push(format!("{item}: {text}")),
            CheckResult::Failed(failure) => {
                lines.push(format!("{item}: {}", failure.message));
                lines.extend(failure.hint.as_ref().map(|hint| format!("  {hint}")));
            }
            CheckResult::Passed => {}
        }
    }
    if check.results.is_empty() {
        lines.extend(check.report.message.clone());
    }
    let cells = result_names(check).map(str::to_owned).collect();
    CheckRow { host: check.report.host.to_string(), cells, details: lines, outcome: check.report.outcome }
}

/// Names the result of each check; a check that was not reached is `-`.
fn result_names(check: &HostCheck) -> impl Iterator<Item = &'static str> {
    (0..CHECKS.len()).map(|number| match check.results.get(number) {
        Some(CheckResult::Passed) => "ok",
        Some(CheckResult::Noted(_)) => "note",
        Some(CheckResult::Failed(_)) => "NO",
        None => "-",
    })
}
