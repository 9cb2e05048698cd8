//! recolte: argv to exit code. The only place that exits.

mod archive;
mod cli;
mod commands;
mod disk;
mod event;
mod fleet;
mod job;
mod journal;
mod mail;
mod outcome;
mod printable;
mod remote;
mod report;
mod shell;
mod signals;
mod targets;
mod visit;

use std::process::ExitCode;

use clap::Parser as _;
use outcome::ExitStatus;

fn main() -> ExitCode {
    match commands::dispatch(cli::Cli::parse()) {
        Ok(status) => ExitCode::from(status.code()),
        Err(error) => {
            report::out::say(&format!("recolte: {}", printable::story(error.as_ref())));
            let locked = matches!(error.downcast_ref(), Some(journal::LockError::Held { .. }));
            let status = if locked { ExitStatus::Locked } else { ExitStatus::Usage };
            ExitCode::from(status.code())
        }
    }
}
