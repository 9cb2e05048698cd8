//! Parses the command line, runs its command and returns the exit code. No other file ends the process.

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

fn main() -> ExitCode {
    // ssh starts this program in place of a shell to run a ProxyJump or a ProxyCommand.
    if let Some(error) = remote::become_proxy_shell() {
        return commands::print_error(&error.into()).code().into();
    }
    let status = commands::dispatch(cli::Cli::parse()).unwrap_or_else(|error| commands::print_error(&error));
    ExitCode::from(status.code())
}
