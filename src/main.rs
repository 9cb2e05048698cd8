//! recolte: argv to exit code. The only place that exits.

mod archive;
mod cli;
mod commands;
mod disk;
mod escape;
mod event;
mod fleet;
mod hostset;
mod inventory;
mod job;
mod located;
mod mail;
mod message;
mod outcome;
mod remote;
mod report;
mod run;
mod run_dir;
mod shell_quoting;
mod signals;
mod ssh_config;
mod visit;

use std::process::ExitCode;

use clap::Parser as _;
use outcome::ExitStatus;

fn main() -> ExitCode {
    match commands::dispatch(cli::Cli::parse()) {
        Ok(status) => ExitCode::from(status.code()),
        Err(error) => {
            report::output::print_message(&format!("recolte: {}", escape::error_chain(error.as_ref())));
            let locked = matches!(error.downcast_ref(), Some(run_dir::LockError::Held { .. }));
            let status = if locked { ExitStatus::Locked } else { ExitStatus::Usage };
            ExitCode::from(status.code())
        }
    }
}
