//! `recolte hosts`: who would be visited, as OpenSSH resolves them.

use std::iter;

use serde::Serialize;

use super::{CommandResult, QUESTIONS_PER_CORE, load, print_answer, print_message};
use crate::cli;
use crate::escape::escape;
use crate::inventory::{self, Selected};
use crate::message::ReportMessage;
use crate::outcome::ExitStatus;
use crate::report::columns::{Align, Column, join_cells, title_line};
use crate::run::per_core;
use crate::ssh_config::{self, Resolved, find_duplicates};

/// The JSON answer.
#[derive(Serialize)]
struct Listing<'a> {
    hosts: Vec<Listed<'a>>,
}

/// A host, and where its name came from.
#[derive(Serialize)]
struct Listed<'a> {
    #[serde(flatten)]
    resolved: &'a Resolved,
    source: &'a str,
}

/// Prints the hosts of a job.
pub async fn hosts(args: cli::HostsArgs) -> CommandResult {
    let job = load(&args.job_args, true)?;
    let Selected { targets, notes } = inventory::select(&job.targets)?;
    let names = targets.iter().map(|target| target.host.clone()).collect();
    let (config, identity) = (job.ssh.config.as_deref(), job.ssh.identity.as_deref());
    let hosts = ssh_config::resolve(names, config, identity, per_core(QUESTIONS_PER_CORE)).await?;
    if !args.output_options.quiet {
        notes.iter().for_each(|note| print_message(&format!("note: {note}")));
    }
    let listed: Vec<_> = hosts
        .iter()
        .zip(&targets)
        .map(|(resolved, target)| Listed { resolved, source: &target.source })
        .collect();
    if args.output_options.json {
        print_answer(&format!("{}\n", serde_json::to_string_pretty(&Listing { hosts: listed })?));
    } else {
        print_answer(&table(&listed));
        for names in find_duplicates(&hosts) {
            print_answer(&format!("same machine: {}\n", names.join(", ")));
        }
    }
    Ok(ExitStatus::Success)
}

/// Returns a table of the hosts.
fn table(hosts: &[Listed<'_>]) -> String {
    let column = |title, cell: &dyn Fn(&Resolved) -> String| {
        let cells = hosts.iter().map(|host| escape(cell(host.resolved).as_bytes()));
        Column::new(title, Align::Left, cells)
    };
    let sources = hosts.iter().map(|host| escape(host.source.as_bytes()));
    let columns = [
        column(ReportMessage::Alias, &|host| host.alias.to_string()),
        column(ReportMessage::User, &|host| host.user.clone()),
        column(ReportMessage::Address, &|host| host.address.clone()),
        column(ReportMessage::Port, &|host| host.port.to_string()),
        column(ReportMessage::Jump, &|host| host.jump.clone().unwrap_or_else(|| "-".to_owned())),
        Column::new(ReportMessage::Source, Align::Left, sources),
    ];
    let row = |nth| join_cells(columns.iter().map(|column| column.cell(nth)));
    let lines = iter::once(title_line(&columns)).chain((0..hosts.len()).map(row));
    lines.map(|line| format!("{line}\n")).collect()
}
