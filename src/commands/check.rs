//! `recolte check`: a grid, host by step, of what is ready and what is wanting. Nothing runs, nothing is left.

use std::sync::Arc;

use serde::Serialize;

use super::{Answer, load, print, say, ways};
use crate::cli;
use crate::event::Stop;
use crate::fleet::{self, Limits};
use crate::inventory::{self, Selected};
use crate::outcome::{ExitStatus, Outcome};
use crate::report::grid::{self, Row};
use crate::report::style::View;
use crate::run::{self, SocketFolder, handshakes};
use crate::signals::Signals;
use crate::visit::{Found, Item, Readiness, Trial, Turns, ready};

/// Tries every host.
pub async fn check(args: cli::Check) -> Answer {
    let job = load(&args.common, true)?;
    let Selected { targets, notes } = inventory::select(&job.targets)?;
    let (hosts, _twins) = ways(&job, targets).await?;
    let stop = Stop::default();
    let signals = Signals::listen(stop.clone())?;
    let (parallel, note) = run::fit(job.parallel);
    let limits = Limits { parallel, canary: 0, max_failures: None };
    let turns = Turns::new(handshakes(&job));
    let folder = SocketFolder::make()?;
    let sockets = folder.sockets(&job.ssh)?;
    let trial = Arc::new(Trial { job, sockets, turns, stop: stop.clone() });
    let hosts = hosts.into_iter().map(|host| (host.alias.clone(), host)).collect();
    let each = |number, host| {
        let trial = Arc::clone(&trial);
        async move { ready(&trial, host, number).await }
    };
    let all: Vec<Readiness> = fleet::run(hosts, limits, &stop, each, |_| {}).await;
    if !args.telling.quiet {
        notes.iter().chain(&note).for_each(|note| say(&format!("note: {note}")));
    }
    tell(&args.telling, &all)?;
    let ready = all.iter().all(|one| one.report.outcome == Outcome::Succeeded);
    Ok(match signals.first() {
        Some(signal) => ExitStatus::Interrupted(signal),
        None if ready => ExitStatus::Success,
        None => ExitStatus::HostsFailed,
    })
}

/// One host of the JSON answer.
#[derive(Serialize)]
struct Told<'a> {
    host: &'a str,
    ready: bool,
    items: Vec<(&'static str, String)>,
}

fn tell(telling: &cli::Telling, all: &[Readiness]) -> Result<(), serde_json::Error> {
    if telling.json {
        let hosts: Vec<Told<'_>> = all.iter().map(told).collect();
        print(&format!("{}\n", serde_json::to_string_pretty(&serde_json::json!({ "hosts": hosts }))?));
    } else {
        let rows: Vec<Row> = all.iter().map(row).collect();
        print(&grid::grid(&Item::ALL.map(Item::name), &rows, View::of(&std::io::stdout())));
    }
    Ok(())
}

fn told(one: &Readiness) -> Told<'_> {
    let items =
        Item::ALL.iter().enumerate().map(|(n, item)| (item.name(), cell(one.found.get(n)).to_owned()));
    Told { host: &one.report.host, ready: one.report.outcome == Outcome::Succeeded, items: items.collect() }
}

/// A host's row: a word an item, then what is worth a line.
fn row(one: &Readiness) -> Row {
    let cells = (0..Item::ALL.len()).map(|n| cell(one.found.get(n)).to_owned()).collect();
    let mut lines = Vec::new();
    for (item, found) in Item::ALL.iter().zip(&one.found) {
        match found {
            Found::Noted(text) => lines.push(format!("{}: {text}", item.name())),
            Found::Wanting(fault) => {
                lines.push(format!("{}: {}", item.name(), fault.message));
                lines.extend(fault.hint.as_ref().map(|hint| format!("  {hint}")));
            }
            Found::Ready => {}
        }
    }
    if one.found.is_empty() {
        lines.extend(one.report.message.clone());
    }
    Row { host: one.report.host.clone(), cells, lines, outcome: one.report.outcome }
}

/// An item in a word.
fn cell(found: Option<&Found>) -> &str {
    match found {
        Some(Found::Ready) => "ok",
        Some(Found::Noted(_)) => "note",
        Some(Found::Wanting(_)) => "NO",
        None => "-",
    }
}
