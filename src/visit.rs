//! The steps on one host, in order: the body of the old script's loop.
//!
//! [`visit`] reads like that loop, one function a line. What a step needs is in `visit/`: one file a step where it is
//! more than a few lines, and `failure`, which says what an error means there. A visit never fails: it ends in one
//! [`HostReport`]. Limits: it emits events and never prints.

mod collect;
mod connect;
mod connect_limiter;
mod execute;
mod failure;
mod preflight;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::time::timeout;

pub use connect::ssh_args;
pub use connect_limiter::ConnectLimiter;
pub use execute::script_line;
pub use preflight::{CHECKS, CheckContext, CheckResult, HostCheck, preflight};

use crate::event::{Event, Events, Stop};
use crate::job::{Job, Script};
use crate::message::VisitMessage;
use crate::outcome::{Failure, HostReport, Step, StepTime};
use crate::remote::{ControlSockets, PendingAnswer, Remote, RemoteError};
use crate::run_dir::{HostFolder, Journal, JournalEntry, ReservedNames, RunFolder, Task};
use crate::shell_quoting;
use crate::ssh_config::Host;

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
    /// The places of our control sockets.
    pub sockets: ControlSockets,
    /// Limits how many connections are made at once.
    pub connect_limiter: ConnectLimiter,
    /// Takes the events of the run.
    pub events: Events,
    /// The order to stop.
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
                visit.wait_for_orphan(&remote).await;
            }
            let result = match task {
                Task::Whole => visit.job(&remote).await,
                Task::Collect { started_at, earlier } => {
                    visit.collect_only(&remote, started_at, earlier).await
                }
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
    /// Does what the old loop did on a host that it could reach, line by line.
    async fn job(&mut self, remote: &Remote) -> Result<(), Failure> {
        let started_at = match self.upload_and_install(remote).await {
            Ok(started_at) => started_at,
            Err(failure) => {
                remove_staged(remote, &self.run.events, &self.report.host, &self.staged).await;
                return Err(failure);
            }
        };
        // 19: sudo su - User_DollarU -c 'Fichier_fourni.sh SOC_PRODUCTION'
        let (executed, listing) = self.execute(remote, started_at).await;
        // 21: scp $SERVEUR:/tmp/fichier_*log.txt /tmp/JGE. A script that fails still has its files collected.
        let collected = self.collect(remote, started_at, listing).await;
        executed.and(collected)
    }

    /// Uploads and installs the script. Returns the host's clock before it runs, in seconds since 1970.
    async fn upload_and_install(&mut self, remote: &Remote) -> Result<i64, Failure> {
        let (run, staged) = (Arc::clone(&self.run), self.staged.clone());
        // 13: scp Fichier_fourni.sh $SERVEUR:/tmp
        self.step(Step::Upload, upload(remote, &run.job.script, &staged, run.resuming)).await?;
        // 15, 17: cp -P /tmp/Fichier_fourni.sh /home/User_VIP/script; chmod 775 …
        self.step(Step::Install, install(remote, &run.job.script, &staged)).await
    }

    /// Runs the script, and removes its staged copy, which nothing needs any more. Returns how the script ended, and
    /// the listing that the host made right after it, where that can still be read.
    async fn execute(
        &mut self,
        remote: &Remote,
        started_at: i64,
    ) -> (Result<(), Failure>, Option<PendingAnswer>) {
        let (run, host, staged) = (Arc::clone(&self.run), self.report.host.clone(), self.staged.clone());
        let removed = remove_staged(remote, &run.events, &host, &staged);
        let executed = execute::execute(remote, &run, &host, started_at);
        let executed = self.timed(Step::Execute, async {
            // By SFTP at the same time; a command would need the shell that the script runs in.
            if remote.sftp_if_open().await.is_some() {
                return tokio::join!(executed, removed).0;
            }
            removed.await;
            executed.await
        });
        let executed = executed.await;
        self.report.exit_status = executed.exit_status;
        self.report.skipped.extend(executed.skipped);
        (executed.result, executed.listing)
    }

    /// Collects what matches the globs, and records it, whether or not it is all that should have come.
    async fn collect(
        &mut self,
        remote: &Remote,
        started_at: i64,
        listing: Option<PendingAnswer>,
    ) -> Result<(), Failure> {
        let run = Arc::clone(&self.run);
        let folder =
            HostFolder::new(&run.folder, &self.report.host, run.job.collect.layout, &run.reserved_names);
        let known = self.report.files.clone();
        let collected = collect::collect(remote, &run.job, started_at, &folder, &known, listing);
        let collected = self.step(Step::Collect, collected).await?;
        self.report.files.extend(collected.files);
        self.report.skipped.extend(collected.skipped);
        collected.failure.map_or(Ok(()), Err)
    }

    /// Ends a visit that an earlier attempt began: the script is not run again.
    async fn collect_only(
        &mut self,
        remote: &Remote,
        started_at: i64,
        earlier: Option<Box<HostReport>>,
    ) -> Result<(), Failure> {
        let executed = failure::from_earlier_report(earlier.as_deref());
        self.restore_earlier(Task::Collect { started_at, earlier });
        let collected = self.collect(remote, started_at, None).await;
        // The earlier attempt may have ended before it removed the copy.
        remove_staged(remote, &self.run.events, &self.report.host, &self.staged).await;
        executed.map_or(collected, Err)
    }

    /// Waits for the end of a script that an earlier attempt of the run began, if it still runs: with that attempt
    /// its lifeline ended, and its supervisor is ending it.
    async fn wait_for_orphan(&self, remote: &Remote) {
        let program =
            shell_quoting::wait_for_orphan(&Script::marker(&self.run.run_secret, &self.report.host));
        tokio::select! {
            // The next step reports the order to stop.
            _ = self.run.stop.wait() => {}
            _ = remote.run_in_shell(&program, 0) => {}
        }
    }

    /// Restores what an earlier attempt recorded of the host.
    fn restore_earlier(&mut self, task: Task) {
        if let Task::Collect { earlier: Some(earlier), .. } = task {
            self.report.exit_status = earlier.exit_status;
            self.report.files = earlier.files;
            // What it skipped of the script's output; which files are skipped is decided again.
            let is_stream = |file: &str| ["stdout", "stderr"].contains(&file);
            self.report.skipped.extend(earlier.skipped.into_iter().filter(|file| is_stream(&file.remote)));
        }
    }

    /// Begins a step, times it, and ends it at once when the order to stop comes.
    async fn step<T>(
        &mut self,
        step: Step,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let stop = self.run.stop.clone();
        self.timed(step, async {
            tokio::select! {
                biased;
                why = stop.wait() => Err(failure::stopped(step, why)),
                result = work => result,
            }
        })
        .await
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

/// Copies the script to the install folder, makes it executable, and reads back what will run. Returns the host's
/// clock before it runs, in seconds since 1970.
async fn install(remote: &Remote, script: &Script, staged: &str) -> Result<i64, Failure> {
    let failed = |error| failure::from_error(Step::Install, &script.install, error);
    let max = script.bytes.len() + 64;
    let output = remote.run_in_shell(&install_program(script, staged), max).await.map_err(failed)?;
    if output.status != Some(0) {
        return Err(failure::install_failed(script, &output.stderr));
    }
    // A line with the clock, then the installed script.
    let clock_end = output.stdout.iter().position(|b| *b == b'\n').unwrap_or(output.stdout.len());
    let (clock, installed) = output.stdout.split_at(clock_end);
    let started_at = std::str::from_utf8(clock).ok().and_then(|text| text.parse().ok());
    match (started_at, installed.get(1..) == Some(&*script.bytes)) {
        (Some(started_at), true) => Ok(started_at),
        (Some(_), false) => Err(failure::tampered(script)),
        (None, _) => Err(failed(RemoteError::NoisyShell)),
    }
}

/// Returns the program of [`install`].
pub fn install_program(script: &Script, staged: &str) -> String {
    let (from, to) = (shell_quoting::quote(staged), shell_quoting::quote(&script.installed_path()));
    let mode = &script.mode;
    format!(
        "if [ -h {to} ]; then echo {to} is a link, nothing is written through it >&2; false; else \
         LC_ALL=C cp -P -- {from} {to} && LC_ALL=C chmod {mode} -- {to} && date +%s && cat -- {to}; fi"
    )
}
