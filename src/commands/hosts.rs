//! `recolte hosts`: who would be visited, as OpenSSH resolves them.

use comfy_table::{Table, presets};
use serde::Serialize;

use super::{Answer, chosen, load, print, say};
use crate::cli;
use crate::outcome::ExitStatus;
use crate::targets::Resolved;

/// The JSON answer.
#[derive(Serialize)]
struct Listing<'a> {
    hosts: &'a [Resolved],
}

/// Prints the hosts of a job.
pub async fn hosts(args: cli::Hosts) -> Answer {
    let job = load(&args.common, true)?;
    let (hosts, notes) = chosen(&job).await?;
    notes.iter().for_each(|note| say(&format!("note: {note}")));
    if args.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&Listing { hosts: &hosts })?));
    } else {
        print(&format!("{}\n", table(&hosts)));
    }
    Ok(ExitStatus::Success)
}

fn table(hosts: &[Resolved]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["alias", "user", "address", "port", "jump", "source"]);
    for host in hosts {
        let port = host.port.to_string();
        let jump = host.jump.as_deref().unwrap_or("-");
        table.add_row([&host.alias, &host.user, &host.address, port.as_str(), jump, &host.source]);
    }
    table
}
