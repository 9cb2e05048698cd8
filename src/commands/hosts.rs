//! `recolte hosts`: lists the hosts that would be visited, as OpenSSH resolves them.

use serde::Serialize;
use unicode_width::UnicodeWidthStr as _;

use super::{CommandResult, QUERIES_PER_CORE, load_job, print, print_json, print_notes};
use crate::cli;
use crate::escape::escape;
use crate::hostset::list_names;
use crate::inventory::{self, Selected};
use crate::message::RunMessage;
use crate::outcome::ExitStatus;
use crate::run::per_core;
use crate::ssh_config::{self, Resolved, same_machine};

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
        print(&table(&listed));
        for names in same_machine(&hosts) {
            print(&format!("{}\n", RunMessage::SameMachine { names: list_names(&names) }));
        }
    }
    Ok(ExitStatus::Success)
}

/// Lays the hosts out in columns as wide as their longest entry.
fn table(hosts: &[ListedHost<'_>]) -> String {
    let header = ["ALIAS", "USER", "ADDRESS", "PORT", "JUMP", "SOURCE"].map(str::to_owned);
    let row = |ListedHost { resolved: host, source }: &ListedHost<'_>| {
        let jump = host.jump.clone().unwrap_or_else(|| "-".to_owned());
        let cells = [&*host.alias, &host.user, &host.address, &host.port.to_string(), &jump, *source];
        cells.map(|cell| escape(cell.as_bytes()))
    };
    let rows: Vec<[String; 6]> = std::iter::once(header).chain(hosts.iter().map(row)).collect();
    let mut widths = [0; 6];
    for row in &rows {
        widths.iter_mut().zip(row).for_each(|(width, cell)| *width = cell.width().max(*width));
    }
    let line = |row: &[String; 6]| {
        let cells =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell}{}", " ".repeat(width - cell.width())));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}
