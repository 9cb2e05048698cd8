//! One file a subcommand, each a table of contents of what it does; here, what several of them begin with.

mod dry_run;
mod harvest;
mod hosts;
mod pages;
mod run;

use std::error::Error;
use std::io::{self, Read as _, Write as _};

use crate::cli::{Cli, Command, Common};
use crate::job::{self, Job, Overrides};
use crate::outcome::ExitStatus;
use crate::targets::{self, Resolved, Selected, words};

/// What a command comes to: a status, or an error before any host was touched.
pub type Answer = Result<ExitStatus, Box<dyn Error + Send + Sync>>;

/// The variable that names the servers, as the old script did.
const LIST_SERVEUR: &str = "LIST_SERVEUR";

/// How many `ssh -G` ask at once, for each processor.
const QUESTIONS_PER_CORE: usize = 2;

/// Does what was typed.
///
/// # Errors
/// The command line or the job is wrong; no host was touched.
pub fn dispatch(cli: Cli) -> Answer {
    match cli.command {
        Command::Run(args) => on_runtime(run::run(args)),
        Command::Hosts(args) => on_runtime(hosts::hosts(args)),
        Command::Completions { shell } => pages::completions(shell),
        Command::Man => pages::man(),
    }
}

/// One thread drives everything; what blocks has threads of its own.
fn on_runtime(work: impl Future<Output = Answer>) -> Answer {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(work);
    runtime.shutdown_background();
    answer
}

/// The job as the file and the command line have it.
fn load(common: &Common, no_mail: bool) -> Result<Job, Box<dyn Error + Send + Sync>> {
    let overrides = Overrides {
        hosts: named(&common.hosts)?,
        only: all_words(&common.only)?,
        exclude: all_words(&common.exclude)?,
        config: common.ssh_config.clone(),
        parallel: common.parallel,
        output: common.output.clone(),
        no_mail,
    };
    Ok(job::load(&common.job, overrides)?)
}

/// The hosts that the command line names, else those of `$LIST_SERVEUR`, else none.
fn named(typed: &[String]) -> Result<Option<Vec<String>>, Box<dyn Error + Send + Sync>> {
    if !typed.is_empty() {
        return all_words(typed).map(Some);
    }
    match std::env::var(LIST_SERVEUR) {
        Ok(list) if !list.trim().is_empty() => all_words(&[list]).map(Some),
        _ => Ok(None),
    }
}

fn all_words(lists: &[String]) -> Result<Vec<String>, Box<dyn Error + Send + Sync>> {
    let mut all = Vec::new();
    for list in lists {
        all.extend(words::words(list, read_stdin)?);
    }
    Ok(all)
}

fn read_stdin() -> io::Result<String> {
    let mut text = String::new();
    io::stdin().lock().take(words::MAX_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// The hosts to visit, as OpenSSH sees them, and what is worth telling of their choice.
async fn chosen(job: &Job) -> Result<(Vec<Resolved>, Vec<String>), Box<dyn Error + Send + Sync>> {
    let Selected { targets, notes } = targets::select(&job.targets)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (config, identity) = (job.ssh.config.as_deref(), job.ssh.identity.as_deref());
    let resolved = targets::resolve(targets, config, identity, cores * QUESTIONS_PER_CORE).await?;
    Ok((resolved, notes))
}

/// Prints an answer on stdout. A reader that went away has enough.
fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _gone = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints a message on stderr, where somebody may still read.
fn say(text: &str) {
    let _gone = writeln!(io::stderr().lock(), "{text}");
}
