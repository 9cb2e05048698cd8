//! `recolte resume`: finishes an earlier run. No script that began is run again unless that is asked for.

use jiff::Timestamp;

use super::output::run_attempt;
use super::{BoxError, CommandResult, earlier};
use crate::cli;
use crate::hostset::HostName;
use crate::job::{self, Job, Overrides};
use crate::outcome::HostReport;
use crate::run::Attempt;
use crate::run_dir::{EarlierRun, Lock, Remaining, SCRIPT};
use crate::ssh_config::Host;
use crate::visit::Task;

/// Finishes a run.
pub async fn resume(args: cli::ResumeArgs) -> CommandResult {
    let earlier = earlier(args.run.as_deref(), args.output.as_deref())?;
    let job = job_of(&earlier, args.parallel, args.no_mail)?;
    let output = earlier.folder.path.parent().unwrap_or(&job.output);
    let _lock = Lock::take(output, &job.name)?;
    // Read again: the holder of the lock may have gone on until now.
    let earlier = EarlierRun::read(&earlier.folder.path)?;
    let (mut left, mut done) = (Vec::new(), Vec::new());
    let (hosts, _duplicates) = super::ways(&job, earlier.begin.hosts.clone()).await?;
    for host in hosts {
        match earlier.left(&host.alias, args.execute_again) {
            Remaining::Nothing(report) => done.push(*report),
            Remaining::Collect { started_at, earlier } => {
                left.push((host, Task::Collect { started_at, earlier }));
            }
            Remaining::Visit => left.push((host, Task::Whole)),
        }
    }
    let notes = notes(&left, &done);
    let mut resumed = earlier.resumed;
    resumed.push(Timestamp::now());
    run_attempt(
        Attempt { job, folder: earlier.folder, begin: earlier.begin, left, done, resumed, notes },
        &args.output_options,
    )
    .await
}

/// The job as it stands now, with the hosts and the script of the earlier run.
pub(super) fn job_of(earlier: &EarlierRun, parallel: Option<usize>, no_mail: bool) -> Result<Job, BoxError> {
    let begin = &earlier.begin;
    let overrides = Overrides {
        hosts: Some(begin.hosts.iter().map(HostName::to_string).collect()),
        config: begin.config.clone(),
        parallel,
        no_mail: no_mail || begin.no_mail,
        script: Some(earlier.folder.path.join(SCRIPT)),
        name: Some(begin.name.clone()),
        ..Overrides::default()
    };
    Ok(job::load_job(&begin.job_file, overrides)?)
}

/// What will be done, in a line each.
fn notes(left: &[(Host, Task)], done: &[HostReport]) -> Vec<String> {
    let fold = |hosts: Vec<&str>| crate::hostset::fold_names(&hosts);
    let collect: Vec<&str> = left
        .iter()
        .filter(|(_, task)| matches!(task, Task::Collect { .. }))
        .map(|(h, _)| &*h.alias)
        .collect();
    let mut notes = Vec::new();
    if !done.is_empty() {
        notes.push(format!("left alone, they succeeded: {}", fold(done.iter().map(|r| &*r.host).collect())));
    }
    if !collect.is_empty() {
        notes.push(format!("their script began before, only collected from: {}", fold(collect)));
    }
    notes
}
