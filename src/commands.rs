//! One file a subcommand, each a table of contents of what it does; here, what several of them begin with.

mod check;
mod hosts;
mod output;
mod pages;
mod resume;
mod run;
mod runs;
mod send;

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::cli::{self, Cli, Command, JobArgs};
use crate::hostset::HostName;
use crate::inventory::host_list;
use crate::job::{self, Job, Overrides};
use crate::outcome::ExitStatus;
use crate::report::output::{print_answer, print_message};
use crate::run::{BoxError, per_core};
use crate::run_dir::{self, EarlierRun};
use crate::ssh_config::{self, Host};

/// What a command comes to: a status, or an error before any host was touched.
pub type CommandResult = Result<ExitStatus, BoxError>;

/// The variable that names the servers, as the old script did.
const LIST_SERVEUR: &str = "LIST_SERVEUR";

/// How many `ssh -G` ask at once, for each processor.
const QUESTIONS_PER_CORE: usize = 2;

/// Does what was typed.
///
/// # Errors
/// The command line or the job is wrong; no host was touched.
pub fn dispatch(cli: Cli) -> CommandResult {
    match cli.command {
        Command::Run(args) => on_runtime(run::run(args)),
        Command::Check(args) => on_runtime(check::check(args)),
        Command::Hosts(args) => on_runtime(hosts::hosts(args)),
        Command::Resume(args) => on_runtime(resume::resume(args)),
        Command::Send(args) => on_runtime(send::send(args)),
        Command::Runs(args) => runs::runs(&args),
        Command::Completions { shell } => pages::completions(shell),
        Command::Man => pages::man(),
    }
}

/// One thread drives everything; what blocks has threads of its own.
fn on_runtime(work: impl Future<Output = CommandResult>) -> CommandResult {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(work);
    runtime.shutdown_background();
    answer
}

/// The job as the file and the command line have it.
fn load(job_args: &JobArgs, no_mail: bool) -> Result<Job, BoxError> {
    let overrides = Overrides {
        hosts: named(&job_args.hosts)?,
        only: all_words(&job_args.only)?,
        exclude: all_words(&job_args.exclude)?,
        config: job_args.ssh_config.clone(),
        parallel: job_args.parallel,
        output: job_args.output.clone(),
        no_mail,
        ..Overrides::default()
    };
    Ok(job::load_job(&job_args.job, overrides)?)
}

/// The hosts that the command line names, else those of `$LIST_SERVEUR`, else none.
fn named(typed: &[String]) -> Result<Option<Vec<String>>, BoxError> {
    if !typed.is_empty() {
        return all_words(typed).map(Some);
    }
    match std::env::var(LIST_SERVEUR) {
        Ok(list) if !list.trim().is_empty() => all_words(&[list]).map(Some),
        _ => Ok(None),
    }
}

fn all_words(lists: &[String]) -> Result<Vec<String>, BoxError> {
    let mut all = Vec::new();
    for list in lists {
        all.extend(host_list::read_host_list(list, read_stdin)?);
    }
    Ok(all)
}

fn read_stdin() -> io::Result<String> {
    let mut text = String::new();
    io::stdin().lock().take(host_list::MAX_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// The ways to the targets, by the job's ssh_config, and the names that lead to the same machine, in groups.
async fn ways(job: &Job, hosts: Vec<HostName>) -> Result<(Vec<Host>, Vec<Vec<HostName>>), BoxError> {
    let (config, identity) = (job.ssh.config.as_deref(), job.ssh.identity.as_deref());
    Ok(ssh_config::resolve_for_visit(hosts, config, identity, per_core(QUESTIONS_PER_CORE)).await?)
}

/// An earlier run: by its folder, by its id, or the latest.
fn earlier(run: Option<&Path>, output: Option<&Path>) -> Result<EarlierRun, BoxError> {
    Ok(EarlierRun::read(&run_dir::find(&output_folder(output), run)?)?)
}

/// Where runs live: as the command line says, else as the job file at hand says, else the default.
fn output_folder(typed: Option<&Path>) -> PathBuf {
    typed
        .map(Path::to_owned)
        .or_else(|| job::read_output(Path::new(cli::JOB)))
        .unwrap_or_else(job::default_output)
}
