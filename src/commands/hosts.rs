//! `recolte hosts`: lists the hosts that would be visited, as OpenSSH resolves them.

use std::iter;

use serde::Serialize;

use super::{CommandResult, QUERIES_PER_CORE, load_job, print_answer, print_json, print_notes};
use crate::cli;
use crate::escape::escape;
use crate::inventory::{self, Selected};
use crate::message::{ReportMessage, RunMessage};
use crate::outcome::ExitStatus;
use crate::report::columns::{Align, Column, join_cells, title_line};
use crate::run::per_core;
use crate::ssh_config::{self, Resolved, find_duplicates};

/// A host, and the source of its name.
#[derive(Serialize)]
struct ListedHost<'a> {
    #[serde(flatten)]
    resolved: &'a Resolved,
    source: &'a str,
}

/// Prints the hosts of a job.
pub async fn hosts(args: cli::InspectArgs) -> CommandResult {
    let job = load_job(&args.job_args, true)?;
    let Selected { targets, notes } = inventory::select(&job.targets)?;
    let names = targets.iter().map(|target| target.host.clone()).collect();
    let (config, identity) = (job.ssh.config.as_deref(), job.ssh.identity.as_deref());
    let hosts = ssh_config::resolve(names, config, identity, per_core(QUERIES_PER_CORE)).await?;
    if !args.output_options.quiet {
        print_notes(&notes);
    }
    let listed: Vec<_> = hosts
        .iter()
        .zip(&targets)
        .map(|(resolved, target)| ListedHost { resolved, source: &target.source })
        .collect();
    if args.output_options.json {
        print_json(listed)?;
    } else {
        print_answer(&table(&listed));
        for names in find_duplicates(&hosts) {
            print_answer(&format!("{}\n", RunMessage::SameMachine { names: names.join(", ") }));
        }
    }
    Ok(ExitStatus::Success)
}

/// Returns a table of the hosts.
fn table(hosts: &[ListedHost<'_>]) -> String {
    let column = |title, cell: &dyn Fn(&Resolved, &str) -> String| {
        let cells = hosts.iter().map(|host| escape(cell(host.resolved, host.source).as_bytes()));
        Column::new(title, Align::Left, cells)
    };
    let columns = [
        column(ReportMessage::Alias, &|host, _| host.alias.to_string()),
        column(ReportMessage::User, &|host, _| host.user.clone()),
        column(ReportMessage::Address, &|host, _| host.address.clone()),
        column(ReportMessage::Port, &|host, _| host.port.to_string()),
        column(ReportMessage::Jump, &|host, _| host.jump.clone().unwrap_or_else(|| "-".to_owned())),
        column(ReportMessage::Source, &|_, source| source.to_owned()),
    ];
    let row = |nth| join_cells(columns.iter().map(|column| column.cell(nth)));
    let lines = iter::once(title_line(&columns)).chain((0..hosts.len()).map(row));
    lines.map(|line| format!("{line}\n")).collect()
}
