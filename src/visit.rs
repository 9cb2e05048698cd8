//! The steps on one host, in order: the body of the old script's loop.
//!
//! [`visit`] reads like that loop, one function a line; the numbers are its lines (docs/old-script.md). What a step
//! needs is in `visit/`: one file a step where it is more than a few lines, and `failure`, which says what an error
//! means there. A visit never fails: it ends in one [`HostReport`]. Limits: it emits events and never prints.

mod collect;
mod connect;
mod connect_limiter;
mod execute;
mod failure;
mod install;
mod preflight;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::time::timeout;

pub use connect::ssh_args;
pub use connect_limiter::ConnectLimiter;
pub use install::{bare_command, launcher_command, su_command};
pub use preflight::{CHECKS, CheckContext, CheckResult, HostCheck, preflight};

use crate::event::{Event, Events, Stop};
use crate::job::{Job, ReadAs, Script};
use crate::message::VisitMessage;
use crate::outcome::{Cause, Failure, FileStates, HostReport, Step, StepTime};
use crate::remote::{ControlSockets, LauncherShell, Remote, WAIT_FOR_END};
use crate::run_dir::{HostFolder, Journal, JournalEntry, ReservedNames, RunFolder, Task};
use crate::ssh_config::Host;
use collect::{CollectResult, Collector};
use install::Purpose;

/// The longest time that the removal of the staged copy may take.
const REMOVE_TIMEOUT: Duration = Duration::from_secs(10);

/// The state that all visits of a run share.
pub struct RunContext {
    /// The job.
    pub job: Job,
    /// The run's folder.
    pub folder: RunFolder,
    /// The names that collected files may not take, since the run's reports have them.
    pub reserved_names: ReservedNames,
    /// The run's journal.
    pub journal: Journal,
    /// The secret that makes the names of staged copies unguessable.
    pub run_secret: String,
    /// Set if an earlier attempt of the run may have left something on the hosts.
    pub resuming: bool,
    /// The paths of our control sockets.
    pub sockets: ControlSockets,
    /// Limits how many connections are made at once.
    pub connect_limiter: ConnectLimiter,
    /// Takes the events of the run.
    pub events: Events,
    /// The request to stop.
    pub stop: Stop,
}

/// One visit under way.
struct Visit {
    run: Arc<RunContext>,
    /// The path of the staged copy on the host.
    staged: String,
    report: HostReport,
}

/// Visits one host: the old loop's body, from its first `scp` to its last. The report is on disk when this returns.
pub async fn visit(run: Arc<RunContext>, host: Host, number: usize, task: Task) -> HostReport {
    let mut report = HostReport::new(host.alias.clone());
    report.started = Some(Timestamp::now());
    let staged = run.job.script.staged_path(&run.run_secret, &host.alias);
    let mut visit = Visit { run, staged, report };
    let failure = match visit.connect(&host, number).await {
        Ok(remote) => {
            if visit.run.resuming && visit.run.job.script.supervise {
                visit.wait_for_earlier_script(&remote).await;
            }
            let result = match task {
                Task::Whole => visit.do_job(&remote).await,
                Task::Collect { before, earlier } => visit.collect_only(&remote, before, earlier).await,
            };
            remote.end().await;
            result.err()
        }
        Err(failure) => {
            visit.restore_earlier(task);
            Some(failure)
        }
    };
    visit.report.end(failure);
    let Visit { run, report, .. } = visit;
    if let Err(error) = run.journal.write(&JournalEntry::Ended(Box::new(report.clone()))).await {
        let note = VisitMessage::JournalNotWritten { error: error.to_string() };
        run.events.note(format!("{}: {note}", report.host));
    }
    report
}

impl Visit {
    /// Does the whole job on a host that could be reached: what the old loop did, line by line.
    async fn do_job(&mut self, remote: &Remote) -> Result<(), Failure> {
        if let Err(failure) = self.upload_and_install(remote).await {
            remove_staged(remote, &self.run.events, &self.report.host, &self.staged).await;
            return Err(failure);
        }
        // 19: sudo su - User_DollarU -c 'Fichier_fourni.sh SOC_PRODUCTION'
        let (executed, before, shell) = self.execute(remote).await;
        if self.report.began == Some(false) {
            return executed;
        }
        // 21: scp $SERVEUR:/tmp/fichier_*log.txt /tmp/JGE. A script that fails still has its files collected.
        let collected = self.collect(remote, &before, shell).await;
        executed.and(collected)
    }

    /// Uploads and installs the script, and the launcher beside it.
    async fn upload_and_install(&mut self, remote: &Remote) -> Result<(), Failure> {
        let (run, staged) = (Arc::clone(&self.run), self.staged.clone());
        let script = &run.job.script;
        // 13: scp Fichier_fourni.sh $SERVEUR:/tmp
        self.step(Step::Upload, upload(remote, script, &staged, run.resuming)).await?;
        // 15, 17: cp -P /tmp/Fichier_fourni.sh /home/User_VIP/script; chmod 775 …
        let temporary = script.temporary_path(&run.run_secret, &self.report.host);
        let purpose = if run.resuming { Purpose::RunAgain } else { Purpose::Run };
        self.step(Step::Install, install::install(remote, script, &staged, temporary, purpose)).await
    }

    /// Runs the script. Returns how it ended, the files that were there before it, and the launcher's shell, whose
    /// listing is on its way, where it still lives.
    async fn execute<'a>(
        &mut self,
        remote: &'a Remote,
    ) -> (Result<(), Failure>, FileStates, Option<LauncherShell<'a>>) {
        let (run, host) = (Arc::clone(&self.run), self.report.host.clone());
        let executed = self.timed(Step::Execute, execute::execute(remote, &run, &host)).await;
        self.report.began = executed.began;
        self.report.exit_status = executed.exit_status;
        self.report.skipped.extend(executed.skipped);
        (executed.result, executed.before, executed.shell)
    }

    /// Collects what matches the globs, and records it, also where something is missing.
    async fn collect(
        &mut self,
        remote: &Remote,
        before: &FileStates,
        shell: Option<LauncherShell<'_>>,
    ) -> Result<(), Failure> {
        let run = Arc::clone(&self.run);
        let folder =
            HostFolder::new(&run.folder, &self.report.host, run.job.collect.layout, &run.reserved_names);
        let known = &self.report.files.clone();
        let collector = Collector { remote, job: &run.job, before, folder: &folder, known };
        let collected = self.step(Step::Collect, collect_as(&collector, shell)).await?;
        self.report.files.extend(collected.files);
        self.report.skipped.extend(collected.skipped);
        collected.failure.map_or(Ok(()), Err)
    }

    /// Ends a visit that an earlier attempt began: the script is not run again.
    async fn collect_only(
        &mut self,
        remote: &Remote,
        before: FileStates,
        earlier: Option<Box<HostReport>>,
    ) -> Result<(), Failure> {
        let executed = failure::from_earlier_report(earlier.as_deref());
        self.restore_earlier(Task::Collect { before: before.clone(), earlier });
        let collected = self.collect(remote, &before, None).await;
        executed.map_or(collected, Err)
    }

    /// Waits for the end of a script that an earlier attempt of the run began, if it still runs: with that attempt
    /// its channel ended, and the watcher beside the script is ending it.
    async fn wait_for_earlier_script(&self, remote: &Remote) {
        let script = self.run.job.script.installed_path();
        let variables = [("s", script.as_bytes())];
        tokio::select! {
            // The next step reports the request to stop.
            _ = self.run.stop.wait() => {}
            _ = remote.run_in_shell(&variables, WAIT_FOR_END, 0) => {}
        }
    }

    /// Restores what an earlier attempt recorded of the host.
    fn restore_earlier(&mut self, task: Task) {
        let Task::Collect { earlier, .. } = task else { return };
        // The journal says that it was about to begin. A bare command leaves open whether it did.
        self.report.began = self.run.job.script.supervise.then_some(true);
        if let Some(earlier) = earlier {
            // An attempt in between may have ended before it came to the script.
            if earlier.began != Some(false) {
                self.report.began = earlier.began;
            }
            self.report.exit_status = earlier.exit_status;
            self.report.files = earlier.files;
            // What it skipped of the script's output; which files are skipped is decided again.
            let is_stream = |file: &str| ["stdout", "stderr"].contains(&file);
            self.report.skipped.extend(earlier.skipped.into_iter().filter(|file| is_stream(&file.remote)));
        }
    }

    /// Begins a step, times it, and ends it at once when the request to stop comes.
    async fn step<T>(
        &mut self,
        step: Step,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let stop = self.run.stop.clone();
        self.timed(step, until_stopped(&stop, step, work)).await
    }

    /// Begins a step and times it.
    async fn timed<T>(&mut self, step: Step, work: impl Future<Output = T>) -> T {
        self.run.events.emit(Event::Step { host: self.report.host.clone(), step });
        let begun = Instant::now();
        let result = work.await;
        let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.report.steps.push(StepTime { step, ms });
        result
    }
}

/// Does what can be given up at any moment: at the request to stop it ends at once.
async fn until_stopped<T>(
    stop: &Stop,
    step: Step,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        biased;
        why = stop.wait() => Err(failure::stopped(step, why)),
        result = work => result,
    }
}

/// Uploads the script to the staging folder, under a name that nobody but an earlier attempt of this run can know.
async fn upload(remote: &Remote, script: &Script, staged: &str, resuming: bool) -> Result<(), Failure> {
    if resuming {
        // A copy that the earlier attempt left; often there is none.
        let _removed = remote.remove(staged).await;
    }
    let (uploaded, ()) = tokio::join!(remote.upload(staged, &script.bytes), remote.open_shell_early());
    uploaded.map_err(|error| failure::from_error(Step::Upload, &script.staging, error))
}

/// Removes the staged copy.
async fn remove_staged(remote: &Remote, events: &Events, host: &str, staged: &str) {
    if !matches!(timeout(REMOVE_TIMEOUT, remote.remove(staged)).await, Ok(Ok(()))) {
        let note = VisitMessage::NotRemoved { path: staged.to_owned() };
        events.note(format!("{host}: {note}"));
    }
}

/// Collects in the launcher's shell; in another one where that ended, or where a process that the script left behind
/// prints into its answers; or as the login user, where the job says so.
async fn collect_as(
    collector: &Collector<'_>,
    shell: Option<LauncherShell<'_>>,
) -> Result<CollectResult, Failure> {
    if collector.job.read_as() == ReadAs::Login {
        if let Some(shell) = shell {
            shell.end().await;
        }
        return collector.collect(None, false).await;
    }
    if let Some(mut shell) = shell {
        match collector.collect(Some(&mut shell), true).await {
            Err(failure) if matches!(failure.cause, Cause::NoisyShell | Cause::LoginFailed) => {
                shell.end().await;
            }
            collected => return Ok(collector.hint_at_login_user(collected?, shell).await),
        }
    }
    let mut shell = execute::start(collector.remote, &collector.job.script, Step::Collect).await?;
    let collected = collector.collect(Some(&mut shell), false).await?;
    Ok(collector.hint_at_login_user(collected, shell).await)
}
