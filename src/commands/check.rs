//! `recolte check`: a grid, host by step, of what is ready and what is wanting. Nothing runs, nothing is left.

use std::sync::Arc;

use serde::Serialize;

use super::{CommandResult, load, print, say, ways};
use crate::cli;
use crate::event::Stop;
use crate::fleet::{self, Limits};
use crate::inventory::{self, Selected};
use crate::outcome::{ExitStatus, Outcome};
use crate::report::grid::{self, Row};
use crate::report::style::View;
use crate::run::{self, ControlDirectory, handshakes};
use crate::signals::Signals;
use crate::visit::{Check, CheckContext, CheckResult, ConnectLimiter, HostCheck, preflight};

/// Tries every host.
pub async fn check(args: cli::CheckArgs) -> CommandResult {
    let job = load(&args.job_args, true)?;
    let Selected { targets, notes } = inventory::select(&job.targets)?;
    let (hosts, _twins) = ways(&job, targets.into_iter().map(|target| target.host).collect()).await?;
    let stop = Stop::default();
    let signals = Signals::listen(stop.clone())?;
    let (parallel, note) = run::fit(job.parallel);
    let limits = Limits { parallel, canary: 0, max_failures: None };
    let connect_limiter = ConnectLimiter::new(handshakes(&job));
    let folder = ControlDirectory::make()?;
    let sockets = folder.sockets(&job.ssh)?;
    let context = Arc::new(CheckContext { job, sockets, connect_limiter, stop: stop.clone() });
    let hosts = hosts.into_iter().map(|host| (host.alias.clone(), host)).collect();
    let each = |number, host| {
        let context = Arc::clone(&context);
        async move { preflight(&context, host, number).await }
    };
    let all: Vec<HostCheck> = fleet::run(hosts, limits, &stop, each, |_| {}).await;
    if !args.output_options.quiet {
        notes.iter().chain(&note).for_each(|note| say(&format!("note: {note}")));
    }
    tell(&args.output_options, &all)?;
    let ready = all.iter().all(|one| one.report.outcome == Outcome::Succeeded);
    Ok(match signals.first() {
        Some(signal) => ExitStatus::Interrupted(signal),
        None if ready => ExitStatus::Success,
        None => ExitStatus::HostsFailed,
    })
}

/// One host of the JSON answer.
#[derive(Serialize)]
struct HostCheckJson<'a> {
    host: &'a str,
    ready: bool,
    items: Vec<(&'static str, String)>,
}

fn tell(output_options: &cli::OutputOptions, all: &[HostCheck]) -> Result<(), serde_json::Error> {
    if output_options.json {
        let hosts: Vec<HostCheckJson<'_>> = all.iter().map(told).collect();
        print(&format!("{}\n", serde_json::to_string_pretty(&serde_json::json!({ "hosts": hosts }))?));
    } else {
        let rows: Vec<Row> = all.iter().map(row).collect();
        print(&grid::grid(&Check::ALL.map(Check::name), &rows, View::of(&std::io::stdout())));
    }
    Ok(())
}

fn told(one: &HostCheck) -> HostCheckJson<'_> {
    let items =
        Check::ALL.iter().enumerate().map(|(n, item)| (item.name(), cell(one.results.get(n)).to_owned()));
    HostCheckJson {
        host: &one.report.host,
        ready: one.report.outcome == Outcome::Succeeded,
        items: items.collect(),
    }
}

/// A host's row: a word an item, then what is worth a line.
fn row(one: &HostCheck) -> Row {
    let cells = (0..Check::ALL.len()).map(|n| cell(one.results.get(n)).to_owned()).collect();
    let mut lines = Vec::new();
    for (item, found) in Check::ALL.iter().zip(&one.results) {
        match found {
            CheckResult::Noted(text) => lines.push(format!("{}: {text}", item.name())),
            CheckResult::Failed(failure) => {
                lines.push(format!("{}: {}", item.name(), failure.message));
                lines.extend(failure.hint.as_ref().map(|hint| format!("  {hint}")));
            }
            CheckResult::Passed => {}
        }
    }
    if one.results.is_empty() {
        lines.extend(one.report.message.clone());
    }
    Row { host: one.report.host.to_string(), cells, lines, outcome: one.report.outcome }
}

/// An item in a word.
fn cell(found: Option<&CheckResult>) -> &str {
    match found {
        Some(CheckResult::Passed) => "ok",
        Some(CheckResult::Noted(_)) => "note",
        Some(CheckResult::Failed(_)) => "NO",
        None => "-",
    }
}
