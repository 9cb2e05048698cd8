//! `recolte hosts`: who would be visited, as OpenSSH resolves them.

use serde::Serialize;
use unicode_width::UnicodeWidthStr as _;

use super::{CommandResult, QUESTIONS_PER_CORE, load, print, say};
use crate::cli;
use crate::escape::escape;
use crate::inventory::{self, Selected};
use crate::outcome::ExitStatus;
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
        notes.iter().for_each(|note| say(&format!("note: {note}")));
    }
    let listed: Vec<_> = hosts
        .iter()
        .zip(&targets)
        .map(|(resolved, target)| Listed { resolved, source: &target.source })
        .collect();
    if args.output_options.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&Listing { hosts: listed })?));
    } else {
        print(&table(&listed));
        for names in find_duplicates(&hosts) {
            print(&format!("same machine: {}\n", names.join(", ")));
        }
    }
    Ok(ExitStatus::Success)
}

/// The hosts in columns as wide as their longest entry.
fn table(hosts: &[Listed<'_>]) -> String {
    let header = ["ALIAS", "USER", "ADDRESS", "PORT", "JUMP", "SOURCE"].map(str::to_owned);
    let row = |Listed { resolved: host, source }: &Listed<'_>| {
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
