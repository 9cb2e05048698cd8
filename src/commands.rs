//! The subcommands, one file each; `completions` and `man` are one line here, since `cli` generates their texts.
//!
//! Also holds what several commands begin with: loading the job, resolving the hosts, reading an earlier run.

mod attempt;
mod check;
mod hosts;
mod resume;
mod run;
mod runs;
mod send;
mod sudoers;

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::{self, Cli, Command, EarlierRunArgs, JobArgs};
use crate::escape::error_chain;
use crate::hostset::HostName;
use crate::inventory::host_list;
use crate::job::{self, Job, Overrides};
use crate::located::Located;
use crate::message::{Message, ReportMessage, RunMessage};
use crate::outcome::ExitStatus;
use crate::report::output::{print_answer, print_message};
use crate::run::per_core;
use crate::run_dir::{EarlierRun, Lock, find_run};
use crate::signals::heed_children;
use crate::ssh_config::{self, Host};

/// The error of a command that did nothing: no host was touched. Exit code 2 or 4.
pub enum CommandError {
    /// The command line, the job or this machine does not allow it.
    Usage(Box<dyn Error>),
    /// Another run of the job holds the lock.
    Locked(Located),
}

impl<E: Error + 'static> From<E> for CommandError {
    fn from(error: E) -> Self {
        Self::Usage(error.into())
    }
}

/// The exit status of a command, or the error of one that did nothing.
pub type CommandResult<T = ExitStatus> = Result<T, CommandError>;

/// The environment variable that names the hosts. The script that recolte replaces reads it too.
const LIST_SERVEUR: &str = "LIST_SERVEUR";

/// The number of `ssh -G` that run at once, for each processor.
const QUERIES_PER_CORE: usize = 2;

/// Runs the subcommand of the command line.
///
/// # Errors
/// No host was touched.
pub fn dispatch(cli: Cli) -> CommandResult {
    match cli.command {
        Command::Run(args) => block_on(run::run(args)),
        Command::Check(args) => block_on(check::check(args)),
        Command::Hosts(args) => block_on(hosts::hosts(args)),
        Command::Resume(args) => block_on(resume::resume(args)),
        Command::Send(args) => block_on(send::send(args)),
        Command::Runs { output } => runs::runs(&output_folder(output)),
        Command::Sudoers(args) => block_on(sudoers::sudoers(args)),
        Command::Completions { shell } => Ok(print_generated(&cli::generate_completions(shell))),
        Command::Man => Ok(print_generated(&cli::generate_manual()?)),
    }
}

/// Runs a command on a runtime of one thread; blocking work has threads of its own.
fn block_on(command: impl Future<Output = CommandResult>) -> CommandResult {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        heed_children()?;
        command.await
    });
    // A thread that still blocks, on a dead file system for instance, must not delay the end of the program.
    runtime.shutdown_background();
    result
}

/// Prints the error of a command that did nothing, with all its causes. Returns the exit status of the program.
pub fn print_error(error: &CommandError) -> ExitStatus {
    let (error, status): (&dyn Error, _) = match error {
        CommandError::Usage(error) => (&**error, ExitStatus::Usage),
        CommandError::Locked(error) => (error, ExitStatus::Locked),
    };
    print_message(&format!("recolte: {}", error_chain(error)));
    status
}

/// Takes the lock of a job: one run of it at a time.
fn take_lock(output: &Path, job: &str) -> CommandResult<Lock> {
    Lock::take(output, job).map_err(|error| match &*error.kind {
        Message::Run(RunMessage::LockHeld { .. }) => CommandError::Locked(error),
        _ => CommandError::Usage(error.into()),
    })
}

fn print_generated(text: &[u8]) -> ExitStatus {
    print_answer(&String::from_utf8_lossy(text));
    ExitStatus::Success
}

/// Loads the job, changed as the command line says.
fn load_job(job_args: &JobArgs, no_mail: bool) -> CommandResult<Job> {
    let overrides = Overrides {
        hosts: read_host_arguments(&job_args.hosts)?,
        only: parse_host_lists("--only", &job_args.only)?,
        exclude: parse_host_lists("--exclude", &job_args.exclude)?,
        config: job_args.ssh_config.clone(),
        parallel: job_args.parallel,
        output: job_args.output.clone(),
        no_mail,
        ..Overrides::default()
    };
    Ok(job::load_job(&job_args.job, overrides)?)
}

/// Returns the hosts that the command line names, else those of `$LIST_SERVEUR`, else none.
fn read_host_arguments(lists: &[String]) -> CommandResult<Option<Vec<String>>> {
    if !lists.is_empty() {
        return parse_host_lists("--hosts", lists).map(Some);
    }
    match std::env::var(LIST_SERVEUR) {
        Ok(list) if !list.trim().is_empty() => {
            parse_host_lists(&format!("${LIST_SERVEUR}"), &[list]).map(Some)
        }
        _ => Ok(None),
    }
}

fn parse_host_lists(option: &str, lists: &[String]) -> CommandResult<Vec<String>> {
    let read_stdin = || io::read_to_string(io::stdin().take(host_list::MAX_BYTES));
    let words: Result<Vec<_>, _> =
        lists.iter().map(|list| host_list::read_host_list(option, list, read_stdin)).collect();
    Ok(words?.concat())
}

/// Resolves hosts by the job's ssh_config. Returns them with the groups of names that lead to the same machine.
async fn resolve_hosts(
    job: &Job,
    hosts: impl Iterator<Item = HostName>,
) -> CommandResult<(Vec<Host>, Vec<Vec<HostName>>)> {
    let (config, identity) = (job.ssh.config.as_deref(), job.ssh.identity.as_deref());
    Ok(ssh_config::resolve_for_visit(hosts.collect(), config, identity, per_core(QUERIES_PER_CORE)).await?)
}

/// Reads an earlier run: by its folder, by its id, or the latest.
fn read_earlier_run(args: EarlierRunArgs) -> CommandResult<EarlierRun> {
    let folder = find_run(&output_folder(args.output), args.run.as_deref())?;
    Ok(EarlierRun::read(&folder)?)
}

/// Returns the folder that holds the runs: that of the command line, else that of the job file in the current folder,
/// else the default.
fn output_folder(output: Option<PathBuf>) -> PathBuf {
    let in_job_file = || job::read_output(Path::new(cli::DEFAULT_JOB));
    output.or_else(in_job_file).unwrap_or_else(job::default_output)
}

/// Prints the JSON of `check` and `hosts`.
fn print_json<T: Serialize>(hosts: Vec<T>) -> serde_json::Result<()> {
    let answer = BTreeMap::from([("hosts", hosts)]);
    print_answer(&format!("{}\n", serde_json::to_string_pretty(&answer)?));
    Ok(())
}

/// Prints notes on stderr, one on each line.
fn print_notes<T: ToString>(notes: impl IntoIterator<Item = T>) {
    notes
        .into_iter()
        .for_each(|note| print_message(&ReportMessage::Note { note: note.to_string() }.to_string()));
}
