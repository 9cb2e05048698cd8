//! `recolte check`: a table of hosts and checks that shows which hosts are ready for the job. Nothing is run or left.

use std::sync::Arc;

use super::{CommandResult, load_job, print_answer, print_json, print_notes, resolve_hosts};
use crate::cli;
use crate::event::Stop;
use crate::fleet::{self, Limits};
use crate::inventory::{self, Selected};
use crate::outcome::{ExitStatus, Outcome};
use crate::report::check_table::{CheckRow, check_table};
use crate::report::style::TextFormat;
use crate::run::{ControlDirectory, fit_parallel, max_handshakes};
use crate::signals::Signals;
use crate::visit::{Check, CheckContext, CheckResult, ConnectLimiter, HostCheck, preflight};

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
    let checks: Vec<HostCheck> = fleet::visit_all(hosts, limits, &stop, check_host, |_| {}).await;
    if !args.output_options.quiet {
        print_notes(&notes);
        print_notes(&note);
    }
    if args.output_options.json {
        print_json(checks.iter().map(json_of_host).collect())?;
    } else {
        let rows: Vec<CheckRow> = checks.iter().map(row_of_host).collect();
        let format = TextFormat::for_stream(&std::io::stdout());
        print_answer(&check_table(&Check::ALL.map(Check::name), &rows, format));
    }
    Ok(match signals.first() {
        Some(signal) => ExitStatus::Interrupted(signal),
        None if checks.iter().all(is_ready) => ExitStatus::Success,
        None => ExitStatus::HostsFailed,
    })
}

fn is_ready(check: &HostCheck) -> bool {
    check.report.outcome == Outcome::Succeeded
}

fn json_of_host(check: &HostCheck) -> serde_json::Value {
    let items: Vec<_> = Check::ALL.map(Check::name).into_iter().zip(result_names(check)).collect();
    serde_json::json!({ "host": check.report.host, "items": items, "ready": is_ready(check) })
}

/// Returns the row of a host: a result for each check, then the messages.
fn row_of_host(check: &HostCheck) -> CheckRow {
    let mut lines = Vec::new();
    for (item, result) in Check::ALL.iter().zip(&check.found) {
        match result {
            CheckResult::Noted(text) => lines.push(format!("{}: {text}", item.name())),
            CheckResult::Failed(failure) => {
                lines.push(format!("{}: {}", item.name(), failure.message));
                lines.extend(failure.hint.as_ref().map(|hint| format!("  {hint}")));
            }
            CheckResult::Passed => {}
        }
    }
    if check.found.is_empty() {
        lines.extend(check.report.message.clone());
    }
    let cells = result_names(check).map(str::to_owned).collect();
    CheckRow { host: check.report.host.to_string(), cells, details: lines, outcome: check.report.outcome }
}

/// Names the result of each check; a check that was not reached is `-`.
fn result_names(check: &HostCheck) -> impl Iterator<Item = &'static str> {
    (0..Check::ALL.len()).map(|number| match check.found.get(number) {
        Some(CheckResult::Passed) => "ok",
        Some(CheckResult::Noted(_)) => "note",
        Some(CheckResult::Failed(_)) => "NO",
        None => "-",
    })
}
