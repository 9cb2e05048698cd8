//! recolte: argv to exit code. The only place that exits.

mod archive;
mod cli;
mod commands;
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

use std::error::Error;
use std::process::ExitCode;

use clap::Parser as _;
use outcome::ExitStatus;

fn main() -> ExitCode {
    match commands::dispatch(cli::Cli::parse()) {
        Ok(status) => ExitCode::from(status.code()),
        Err(error) => {
            complain(error.as_ref());
            let locked = matches!(error.downcast_ref(), Some(journal::LockError::Held { .. }));
            let status = if locked { ExitStatus::Locked } else { ExitStatus::Usage };
            ExitCode::from(status.code())
        }
    }
}

/// Prints an error with its causes, each once.
fn complain(error: &dyn Error) {
    let mut text = format!("recolte: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    report::out::say(&text);
}
