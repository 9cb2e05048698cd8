//! What was typed: clap's types, and nothing else. Nothing below knows clap.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

/// Take one script to every server of a fleet, run it there as another user, and bring the results home.
#[derive(Debug, Parser)]
#[command(name = "recolte", version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What a scheduler reads.
const EXIT_CODES: &str = "\
Exit codes:
  0  every host succeeded and the mail left
  1  at least one host did not succeed; archive and mail are done
  2  the command line or the job is wrong; no host was touched
  3  harvested, but not (fully) delivered; the archive is kept
  130, 143  interrupted; what was there is archived";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Do the job on the fleet
    #[command(after_help = EXIT_CODES)]
    Run(Run),
    /// Print who would be visited, as OpenSSH resolves them
    Hosts(Hosts),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page
    Man,
}

/// `recolte run`
#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    pub common: Common,
    /// Print the exact commands for each host; touch nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Leave the mail out
    #[arg(long)]
    pub no_mail: bool,
    /// Print the report as JSON on stdout
    #[arg(long)]
    pub json: bool,
}

/// `recolte hosts`
#[derive(Debug, Args)]
pub struct Hosts {
    #[command(flatten)]
    pub common: Common,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of all commands that read a job.
#[derive(Debug, Args)]
pub struct Common {
    /// The job: a TOML file
    #[arg(default_value = "recolte.toml")]
    pub job: PathBuf,
    /// Hosts in place of the job's: names, ranges, globs, @FILE, - for stdin; commas or blanks between. Without it,
    /// $LIST_SERVEUR counts
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    pub hosts: Vec<String>,
    /// Only the hosts that this name, range or glob matches
    #[arg(long, value_name = "PATTERN")]
    pub only: Vec<String>,
    /// Not the hosts that this name, range or glob matches
    #[arg(long, value_name = "PATTERN")]
    pub exclude: Vec<String>,
    /// The ssh_config, as ssh -F takes it
    #[arg(short = 'F', long, value_name = "FILE")]
    pub ssh_config: Option<PathBuf>,
    /// Hosts in flight
    #[arg(short, long, value_name = "N")]
    pub parallel: Option<usize>,
    /// Where runs live
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Tell only what did not succeed
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Tell each step
    #[arg(short, long)]
    pub verbose: bool,
}
