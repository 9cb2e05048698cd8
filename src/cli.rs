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

/// The job file where none is named.
pub const JOB: &str = "recolte.toml";

/// What a scheduler reads.
const EXIT_CODES: &str = "\
Exit codes:
  0  every host succeeded and the mail left
  1  at least one host did not succeed; archive and mail are done
  2  the command line or the job is wrong; no host was touched
  3  harvested, but not (fully) delivered; the archive is kept, recolte send tries again
  4  another run of this job holds the lock; no host was touched
  130, 143  interrupted; what was there is archived";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Do the job on the fleet
    #[command(after_help = EXIT_CODES)]
    Run(RunArgs),
    /// Prove that each host is ready; run nothing, leave nothing
    Check(CheckArgs),
    /// Print who would be visited, as OpenSSH resolves them
    Hosts(HostsArgs),
    /// Finish an earlier run; no script that began is run twice
    #[command(after_help = EXIT_CODES)]
    Resume(ResumeArgs),
    /// Mail an earlier run's archive again
    Send(SendArgs),
    /// List earlier runs
    Runs(RunsArgs),
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
pub struct RunArgs {
    /// The job and its hosts
    #[command(flatten)]
    pub job_args: JobArgs,
    /// Print the exact commands for each host; touch nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Leave the mail out
    #[arg(long)]
    pub no_mail: bool,
    /// Visit each of several names that lead to the same machine: the script then runs there as often
    #[arg(long)]
    pub allow_duplicates: bool,
    /// How much is told
    #[command(flatten)]
    pub output_options: OutputOptions,
}

/// How much is told, and to whom.
#[derive(Debug, Args)]
pub struct OutputOptions {
    /// Print the report as JSON on stdout
    #[arg(long)]
    pub json: bool,
    /// Tell only what did not succeed
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Tell each step
    #[arg(short, long)]
    pub verbose: bool,
}

/// `recolte check`
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The job and its hosts
    #[command(flatten)]
    pub job_args: JobArgs,
    /// How much is told
    #[command(flatten)]
    pub output_options: OutputOptions,
}

/// `recolte resume`
#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// The run: an id or a folder; the latest if left out
    pub run: Option<PathBuf>,
    /// Where runs live
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Run the script again on hosts where it had begun and that did not succeed
    #[arg(long)]
    pub execute_again: bool,
    /// Hosts in flight
    #[arg(short, long, value_name = "N")]
    pub parallel: Option<usize>,
    /// Leave the mail out
    #[arg(long)]
    pub no_mail: bool,
    /// How much is told
    #[command(flatten)]
    pub output_options: OutputOptions,
}

/// `recolte send`
#[derive(Debug, Args)]
pub struct SendArgs {
    /// The run: an id or a folder; the latest if left out
    pub run: Option<PathBuf>,
    /// Where runs live
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

/// `recolte runs`
#[derive(Debug, Args)]
pub struct RunsArgs {
    /// Where runs live
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

/// `recolte hosts`
#[derive(Debug, Args)]
pub struct HostsArgs {
    /// The job and its hosts
    #[command(flatten)]
    pub job_args: JobArgs,
    /// How much is told
    #[command(flatten)]
    pub output_options: OutputOptions,
}

/// Options of all commands that read a job.
#[derive(Debug, Args)]
pub struct JobArgs {
    /// The job: a TOML file
    #[arg(default_value = JOB)]
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
}
