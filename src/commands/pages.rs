//! `recolte completions` and `recolte man`: made from the command line's own description.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{CommandResult, print_answer};
use crate::cli::Cli;
use crate::outcome::ExitStatus;

/// Prints a completion script.
pub fn completions(shell: Shell) -> CommandResult {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "recolte", &mut script);
    print_answer(&String::from_utf8_lossy(&script));
    Ok(ExitStatus::Success)
}

/// Prints the manual page.
pub fn man() -> CommandResult {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page)?;
    for command in Cli::command().get_subcommands().filter(|command| command.get_name() != "help") {
        let named = command.clone().display_name(format!("recolte {}", command.get_name()));
        clap_mangen::Man::new(named).render(&mut page)?;
    }
    print_answer(&String::from_utf8_lossy(&page));
    Ok(ExitStatus::Success)
}
