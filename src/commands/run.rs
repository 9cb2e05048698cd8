//! `recolte run`: the whole job, from the list of hosts to the mail.

use jiff::Timestamp;

use super::output::run_attempt;
use super::{CommandResult, load, print, ways};
use crate::cli;
use crate::hostset::{HostName, list_names};
use crate::inventory::{self, Selected};
use crate::job::Job;
use crate::outcome::ExitStatus;
use crate::run::{self, Attempt};
use crate::run_dir::{Lock, RunFolder, RunStart};
use crate::shell_quoting;
use crate::visit::Task;

/// Does the job.
pub async fn run(args: cli::RunArgs) -> CommandResult {
    let job = load(&args.job_args, args.no_mail)?;
    let Selected { targets, notes } = inventory::select(&job.targets)?;
    let (hosts, duplicates) = ways(&job, targets.into_iter().map(|target| target.host).collect()).await?;
    if !args.allow_duplicates {
        refuse_duplicates(&duplicates)?;
    }
    if args.dry_run {
        print(&run::dry_run(&job, &hosts)?);
        return Ok(ExitStatus::Success);
    }
    let _lock = Lock::take(&job.output, &job.name)?;
    let folder = create(&job)?;
    let begin = RunStart {
        run: folder.id.clone(),
        name: job.name.clone(),
        job_file: job.file.clone(),
        config: args.job_args.ssh_config.as_deref().map(std::path::absolute).transpose()?,
        no_mail: args.no_mail,
        hosts: hosts.iter().map(|host| host.alias.clone()).collect(),
        run_secret: shell_quoting::random_marker(),
        started: Timestamp::now(),
    };
    folder.write(crate::run_dir::SCRIPT, &job.script.bytes)?;
    let left = hosts.into_iter().map(|host| (host, Task::Whole)).collect();
    run_attempt(
        Attempt { job, folder, begin, left, done: Vec::new(), resumed: Vec::new(), notes },
        &args.output_options,
    )
    .await
}

/// The script must not run twice on one machine, whatever names lead there.
fn refuse_duplicates(duplicates: &[Vec<HostName>]) -> Result<(), String> {
    let groups: Vec<String> = duplicates.iter().map(|names| list_names(names)).collect();
    if groups.is_empty() {
        return Ok(());
    }
    let names = groups.join("; ");
    Err(format!(
        "{names}: these names lead to the same machine; exclude all but one, or say --allow-duplicates"
    ))
}

/// Makes the run's folder.
fn create(job: &Job) -> Result<RunFolder, String> {
    RunFolder::create(&job.output, &job.name)
        .map_err(|error| format!("{}: runs cannot be kept there: {error}; set output", job.output.display()))
}
