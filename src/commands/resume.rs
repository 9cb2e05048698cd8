//! `recolte resume`: finishes an earlier run. It never runs a script again that began, unless `--execute-again` is
//! given: `remaining_task` of `run_dir/earlier_run.rs` decides that.

use jiff::Timestamp;

use super::attempt::run_and_print;
use super::{CommandResult, read_earlier_run, resolve_hosts, take_lock};
use crate::cli;
use crate::hostset::{HostName, fold_names};
use crate::job::{self, Job, Overrides};
use crate::located::Located;
use crate::message::RunMessage;
use crate::run::Attempt;
use crate::run_dir::{EarlierRun, SCRIPT, Task};

/// Finishes a run.
pub async fn resume(args: cli::ResumeArgs) -> CommandResult {
    let earlier = read_earlier_run(args.earlier)?;
    let job = load_earlier_job(&earlier, args.parallel, args.no_mail)?;
    let output = earlier.folder.path.parent().unwrap_or(&job.output);
    let _lock = take_lock(output, &job.name)?;
    // Read again: another attempt may have continued the run until it released the lock.
    let mut earlier = EarlierRun::read(&earlier.folder.path)?;
    let (mut tasks, mut earlier_reports, mut collect_only) = (Vec::new(), Vec::new(), Vec::new());
    let (hosts, _duplicates) = resolve_hosts(&job, earlier.parameters.hosts.iter().cloned()).await?;
    for host in hosts {
        let Some(task) = earlier.remaining_task(&host.alias, args.execute_again) else {
            earlier_reports.extend(earlier.reports.remove(&host.alias));
            continue;
        };
        if matches!(task, Task::Collect { .. }) {
            collect_only.push(host.alias.clone());
        }
        tasks.push((host, task));
    }
    let succeeded: Vec<HostName> = earlier_reports.iter().map(|report| report.host.clone()).collect();
    let notes = [
        (!succeeded.is_empty()).then(|| RunMessage::SucceededBefore { hosts: fold_names(&succeeded) }),
        (!collect_only.is_empty()).then(|| RunMessage::CollectOnly { hosts: fold_names(&collect_only) }),
    ];
    let EarlierRun { folder, parameters, mut resumed, .. } = earlier;
    resumed.push(Timestamp::now());
    let notes = notes.into_iter().flatten().map(Into::into).collect();
    let attempt = Attempt { job, folder, parameters, tasks, earlier_reports, resumed, notes };
    run_and_print(attempt, &args.output_options).await
}

/// Loads the job as its file is now, with the hosts and the script of the earlier run.
pub(super) fn load_earlier_job(
    earlier: &EarlierRun,
    parallel: Option<usize>,
    no_mail: bool,
) -> Result<Job, Located> {
    let parameters = &earlier.parameters;
    let overrides = Overrides {
        hosts: Some(parameters.hosts.iter().map(HostName::to_string).collect()),
        config: parameters.config.clone(),
        parallel,
        no_mail: no_mail || parameters.no_mail,
        script: Some(earlier.folder.path.join(SCRIPT)),
        name: Some(parameters.name.clone()),
        ..Overrides::default()
    };
    job::load_job(&parameters.job_file, overrides)
}
