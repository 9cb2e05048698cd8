//! `recolte run`: prepares the first attempt of a run (job, hosts, lock, run folder) and starts it, or prints the
//! commands of a dry run. The attempt itself is `run.rs`.

use jiff::Timestamp;

use super::attempt::run_and_print;
use super::{CommandResult, load_job, print_answer, resolve_hosts, take_lock};
use crate::cli;
use crate::inventory::{self, Selected};
use crate::message::RunMessage;
use crate::outcome::ExitStatus;
use crate::run::{self, Attempt};
use crate::run_dir::{RunFolder, RunParameters, SCRIPT, Task};
use crate::shell_quoting;

/// Runs a job.
pub async fn run(args: cli::RunArgs) -> CommandResult {
    let job = load_job(&args.job_args, args.no_mail)?;
    let Selected { targets, notes } = inventory::select(&job.targets)?;
    let (hosts, duplicates) = resolve_hosts(&job, targets.into_iter().map(|target| target.host)).await?;
    // The script must not run twice on a machine.
    if !args.allow_duplicates && !duplicates.is_empty() {
        let groups: Vec<String> = duplicates.iter().map(|names| names.join(", ")).collect();
        return Err(RunMessage::DuplicateHosts { groups: groups.join("; ") }.into());
    }
    if args.dry_run {
        print_answer(&run::dry_run(&job, &hosts).await?);
        return Ok(ExitStatus::Success);
    }
    let _lock = take_lock(&job.output, &job.name)?;
    let folder = RunFolder::create(&job.output, &job.name).map_err(|error| RunMessage::OutputUnusable {
        folder: job.output.display().to_string(),
        error: error.to_string(),
    })?;
    let parameters = RunParameters {
        run: folder.id.clone(),
        name: job.name.clone(),
        job_file: job.file.clone(),
        config: args.job_args.ssh_config.as_deref().map(std::path::absolute).transpose()?,
        no_mail: args.no_mail,
        hosts: hosts.iter().map(|host| host.alias.clone()).collect(),
        run_secret: shell_quoting::random_marker(),
        started: Timestamp::now(),
    };
    folder.write(SCRIPT, &job.script.bytes)?;
    let attempt = Attempt {
        job,
        folder,
        parameters,
        tasks: hosts.into_iter().map(|host| (host, Task::Whole)).collect(),
        earlier_reports: Vec::new(),
        resumed: Vec::new(),
        notes: notes.into_iter().map(Into::into).collect(),
    };
    run_and_print(attempt, &args.output_options).await
}
