//! The command line: clap's types, and the texts that clap generates from them (help, completions, manual page).
//!
//! The doc comments of arguments are their help. Limits: nothing below this module knows clap.

use std::io;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

/// Run one script on every server of a fleet as another user, and collect the files that it writes.
#[derive(Debug, Parser)]
#[command(name = "recolte", version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    /// The subcommand.
    #[command(subcommand)]
    pub command: Command,
}

/// The job file where none is named.
pub const DEFAULT_JOB: &str = "recolte.toml";

/// The exit codes, for the help.
const EXIT_CODES: &str = "\
Exit codes:
  0  every host succeeded and the mail was sent
  1  at least one host did not succeed; archive and mail are done
  2  the command line or the job is wrong; no host was touched
  3  the hosts were visited, but not everything was delivered; recolte send mails the archive again
  4  another run of this job holds the lock; no host was touched
  130, 143  interrupted; the files collected so far are archived";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the job on its hosts
    #[command(after_help = EXIT_CODES)]
    Run(RunArgs),
    /// Check that each host is ready: all that a run does, up to the word that lets the script begin
    Check(InspectArgs),
    /// List the hosts that would be visited, as OpenSSH resolves them
    Hosts(InspectArgs),
    /// Finish an earlier run; no script that began is run twice
    #[command(after_help = EXIT_CODES)]
    Resume(ResumeArgs),
    /// Mail the archive of an earlier run again
    Send(EarlierRunArgs),
    /// List earlier runs
    Runs {
        /// The folder that holds the runs
        #[arg(long, value_name = "DIR")]
        output: Option<PathBuf>,
    },
    /// Print the exact sudo rule for this job and its arguments as they stand, for visudo
    Sudoers(SudoersArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page
    Man,
}

/// Arguments of `recolte run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The job and its hosts.
    #[command(flatten)]
    pub job_args: JobArgs,
    /// Print the exact commands for each host and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Send no mail
    #[arg(long)]
    pub no_mail: bool,
    /// Visit every name, even if several lead to the same machine: the script then runs there several times
    #[arg(long)]
    pub allow_duplicates: bool,
    /// The output.
    #[command(flatten)]
    pub output_options: OutputOptions,
}

/// Options for what is printed.
#[derive(Debug, Args)]
pub struct OutputOptions {
    /// Print the report as JSON on stdout
    #[arg(long)]
    pub json: bool,
    /// Print only what did not succeed
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print each step
    #[arg(short, long)]
    pub verbose: bool,
}

/// Arguments of `recolte check` and `recolte hosts`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The job and its hosts.
    #[command(flatten)]
    pub job_args: JobArgs,
    /// The output.
    #[command(flatten)]
    pub output_options: OutputOptions,
}

/// Arguments of `recolte sudoers`.
#[derive(Debug, Args)]
pub struct SudoersArgs {
    /// The job and its hosts.
    #[command(flatten)]
    pub job_args: JobArgs,
}

/// Arguments of `recolte resume`.
#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// The earlier run.
    #[command(flatten)]
    pub earlier: EarlierRunArgs,
    /// Run the script again on hosts where it began and did not succeed
    #[arg(long)]
    pub execute_again: bool,
    /// The maximum number of hosts visited at once
    #[arg(short, long, value_name = "N")]
    pub parallel: Option<usize>,
    /// Send no mail
    #[arg(long)]
    pub no_mail: bool,
    /// The output.
    #[command(flatten)]
    pub output_options: OutputOptions,
}

/// Arguments that name an earlier run: all of `recolte send`, and the first of `recolte resume`.
#[derive(Debug, Args)]
pub struct EarlierRunArgs {
    /// The run: its id or its folder; the latest by default
    pub run: Option<PathBuf>,
    /// The folder that holds the runs
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

/// Arguments of all commands that read a job.
#[derive(Debug, Args)]
pub struct JobArgs {
    /// The job: a TOML file
    #[arg(default_value = DEFAULT_JOB)]
    pub job: PathBuf,
    /// Hosts in place of the job's: names, ranges, globs, @FILE, - for stdin, separated by commas or blanks.
    /// Without it, $LIST_SERVEUR is used if set
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    pub hosts: Vec<String>,
    /// Visit only the hosts that this name, range or glob matches
    #[arg(long, value_name = "PATTERN")]
    pub only: Vec<String>,
    /// Leave out the hosts that this name, range or glob matches
    #[arg(long, value_name = "PATTERN")]
    pub exclude: Vec<String>,
    /// The ssh_config file, as for ssh -F
    #[arg(short = 'F', long, value_name = "FILE")]
    pub ssh_config: Option<PathBuf>,
    /// The maximum number of hosts visited at once
    #[arg(short, long, value_name = "N")]
    pub parallel: Option<usize>,
    /// The folder that holds the runs
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

/// Generates the completion script of a shell.
pub fn generate_completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "recolte", &mut script);
    script
}

/// Generates the manual page: that of the program, then that of each subcommand.
///
/// # Errors
/// None in practice: the page is written to memory.
pub fn generate_manual() -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page)?;
    for command in Cli::command().get_subcommands().filter(|command| command.get_name() != "help") {
        let named = command.clone().display_name(format!("recolte {}", command.get_name()));
        clap_mangen::Man::new(named).render(&mut page)?;
    }
    Ok(page)
}
