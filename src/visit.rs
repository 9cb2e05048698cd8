//! The steps on one host, in order: the body of the old script's loop.
//!
//! [`visit`] reads like that loop, a function a line. What a step needs is in `visit/`: one file a step where it is
//! more than a few lines, and `failure` which says what an error means there. A visit never fails: it ends in one
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

pub use connect::control_plan;
pub use connect_limiter::ConnectLimiter;
pub use execute::script_line;
pub use preflight::{Check, CheckContext, CheckResult, HostCheck, preflight};

use crate::event::{Event, Events, Stop};
use crate::hostset::HostName;
use crate::job::{Job, Script};
use crate::outcome::{Failure, HostReport, Step, StepTime};
use crate::remote::{ControlSockets, Remote, RemoteError};
use crate::run_dir::{HostFolder, Journal, JournalEntry, ReservedNames, RunFolder, Task};
use crate::shell_quoting;
use crate::ssh_config::Host;

/// How long the tidying of a host may take.
const TIDY: Duration = Duration::from_secs(10);

/// What all visits of a run share.
pub struct RunContext {
    /// The job.
    pub job: Job,
    /// The run's folder.
    pub folder: RunFolder,
    /// The names of files that the run's accounts hold.
    pub reserved_names: ReservedNames,
    /// The run's journal.
    pub journal: Journal,
    /// What the staged copies' names are made from.
    pub run_secret: String,
    /// Whether an earlier go of the run may have left something on the hosts.
    pub resuming: bool,
    /// Where our control sockets go.
    pub sockets: ControlSockets,
    /// Who may make a connection now: it costs this machine's processor.
    pub connect_limiter: ConnectLimiter,
    /// Where the run tells what happens.
    pub events: Events,
    /// The order to stop.
    pub stop: Stop,
}

/// One visit under way.
struct Visit {
    run: Arc<RunContext>,
    host: HostName,
    staged: String,
    report: HostReport,
}

/// Visits one host: the old loop's body, from its first `scp` to its last. Its account is on disk when this returns.
pub async fn visit(run: Arc<RunContext>, host: Host, number: usize, task: Task) -> HostReport {
    let mut report = HostReport::new(host.alias.clone());
    report.started = Some(Timestamp::now());
    let staged = run.job.script.staged_path(&run.run_secret, &host.alias);
    let mut visit = Visit { run, host: host.alias.clone(), staged, report };
    let failure = match visit.connect(&host, number).await {
        Ok(remote) => {
            if visit.run.resuming && visit.run.job.script.supervise {
                visit.wait_for_orphan(&remote).await;
            }
            let done = match task {
                Task::Whole => visit.job(&remote).await,
                Task::Collect { started_at, earlier } => {
                    visit.collect_only(&remote, started_at, earlier).await
                }
            };
            remote.end().await;
            done.err()
        }
        Err(failure) => {
            visit.restore_earlier(task);
            Some(failure)
        }
    };
    visit.report.end(failure);
    let Visit { run, report, .. } = visit;
    if let Err(error) = run.journal.write(&JournalEntry::Ended(Box::new(report.clone()))).await {
        run.events.note(format!("{}: the journal cannot be written: {error}", report.host));
    }
    report
}

impl Visit {
    /// What the old loop did on a host that it could reach, line by line.
    async fn job(&mut self, remote: &Remote) -> Result<(), Failure> {
        let run = Arc::clone(&self.run);
        let (script, staged) = (&run.job.script, self.staged.clone());
        let started_at = match self.upload_and_install(remote, script, &staged, run.resuming).await {
            Ok(started_at) => started_at,
            Err(failure) => {
                remove_staged(remote, &run.events, &self.host, &staged).await;
                return Err(failure);
            }
        };
        // 19: sudo su - User_DollarU -c 'Fichier_fourni.sh SOC_PRODUCTION'
        let ran = self.execute(remote, started_at).await;
        // 21: scp $SERVEUR:/tmp/fichier_*log.txt /tmp/JGE. A script that fails still has its files collected.
        let collected = self.collect(remote, started_at).await;
        ran.and(collected)
    }

    /// Uploads and installs the script. Returns the host's clock before it runs.
    async fn upload_and_install(
        &mut self,
        remote: &Remote,
        script: &Script,
        staged: &str,
        resuming: bool,
    ) -> Result<i64, Failure> {
        // 13: scp Fichier_fourni.sh $SERVEUR:/tmp
        self.step(Step::Upload, upload(remote, script, staged, resuming)).await?;
        // 15, 17: cp -P /tmp/Fichier_fourni.sh /home/User_VIP/script; chmod 775 …
        self.step(Step::Install, install(remote, script, staged)).await
    }

    /// Runs the script. Its staged copy, which nothing needs any more, goes at the same time.
    async fn execute(&mut self, remote: &Remote, started_at: i64) -> Result<(), Failure> {
        let (run, host, staged) = (Arc::clone(&self.run), self.host.clone(), self.staged.clone());
        let forgotten = remove_staged(remote, &run.events, &host, &staged);
        let executed = execute::execute(remote, &run, &host, started_at);
        let executed = self.timed(Step::Execute, async {
            if remote.has_sftp_open().await {
                return tokio::join!(executed, forgotten).0;
            }
            forgotten.await;
            executed.await
        });
        let executed = executed.await;
        self.record_execute(executed)
    }

    /// Brings home what matches the globs.
    async fn collect(&mut self, remote: &Remote, started_at: i64) -> Result<(), Failure> {
        let run = Arc::clone(&self.run);
        let place = HostFolder::new(&run.folder, &self.host, run.job.collect.layout, &run.reserved_names);
        let known = self.report.files.clone();
        let home =
            self.step(Step::Collect, collect::collect(remote, &run.job, started_at, &place, &known)).await;
        self.record_collect(home?)
    }

    /// The end of a visit that an earlier go began: the script is not run again.
    async fn collect_only(
        &mut self,
        remote: &Remote,
        started_at: i64,
        earlier: Option<Box<HostReport>>,
    ) -> Result<(), Failure> {
        let ran = failure::ran_before(earlier.as_deref());
        self.restore_earlier(Task::Collect { started_at, earlier });
        let collected = self.collect(remote, started_at).await;
        // The earlier go may have been broken off before it was gone.
        remove_staged(remote, &self.run.events, &self.host, &self.staged).await;
        ran.and(collected)
    }

    /// Waits for the end of the script that an earlier go of the run began, if it did: its reason is gone, and it goes.
    async fn wait_for_orphan(&self, remote: &Remote) {
        let program = shell_quoting::wait_for_orphan(&Script::marker(&self.run.run_secret, &self.host));
        let ended = async { drop(remote.run_in_shell(&program, 0).await) };
        tokio::select! {
            // A step says what became of it.
            _ = self.run.stop.wait() => {}
            () = ended => {}
        }
    }

    /// Takes over what an earlier go knew of the host.
    fn restore_earlier(&mut self, task: Task) {
        if let Task::Collect { earlier: Some(earlier), .. } = task {
            self.report.exit_status = earlier.exit_status;
            self.report.files = earlier.files;
            let streams = earlier
                .skipped
                .into_iter()
                .filter(|left| ["stdout", "stderr"].contains(&left.remote.as_str()));
            self.report.skipped.extend(streams);
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
                done = work => done,
            }
        })
        .await
    }

    /// Begins a step and times it.
    async fn timed<T>(&mut self, step: Step, work: impl Future<Output = T>) -> T {
        self.run.events.emit(Event::Step { host: self.host.clone(), step });
        let begun = Instant::now();
        let done = work.await;
        let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.report.steps.push(StepTime { step, ms });
        done
    }

    /// Keeps what is known of the script's run, whether or not it went well.
    fn record_execute(&mut self, executed: execute::ExecuteResult) -> Result<(), Failure> {
        self.report.exit_status = executed.exit_status;
        self.report.skipped.extend(executed.skipped);
        executed.result
    }

    /// Keeps what came home, whether or not it is all that should have come.
    fn record_collect(&mut self, home: collect::CollectResult) -> Result<(), Failure> {
        self.report.files.extend(home.files);
        self.report.skipped.extend(home.skipped);
        home.failure.map_or(Ok(()), Err)
    }
}

/// Puts the script into the staging folder, under a name that nobody can have prepared but an earlier go of this run.
async fn upload(remote: &Remote, script: &Script, staged: &str, resuming: bool) -> Result<(), Failure> {
    if resuming {
        // What is there is ours; what is not there need not go.
        let _gone = remote.remove(staged).await;
    }
    let (uploaded, ()) = tokio::join!(remote.upload(staged, &script.bytes), remote.open_ahead());
    uploaded.map_err(|e| failure::of(Step::Upload, &script.staging, e))
}

/// Removes the staged copy.
async fn remove_staged(remote: &Remote, events: &Events, host: &str, staged: &str) {
    if !matches!(timeout(TIDY, remote.remove(staged)).await, Ok(Ok(()))) {
        events.note(format!("{host}: {staged} could not be removed"));
    }
}

/// Copies the script to its place, makes it executable, and reads back what will run. Returns the host's clock before it
/// runs, in seconds since 1970.
async fn install(remote: &Remote, script: &Script, staged: &str) -> Result<i64, Failure> {
    let max = script.bytes.len() + 64;
    let done = remote.run_in_shell(&install_program(script, staged), max).await;
    let done = done.map_err(|e| failure::of(Step::Install, &script.install, e))?;
    if done.status != Some(0) {
        return Err(failure::install(script, &done.stderr));
    }
    let clock_end = done.stdout.iter().position(|b| *b == b'\n').unwrap_or(done.stdout.len());
    let (clock, installed) = done.stdout.split_at(clock_end);
    let started_at = std::str::from_utf8(clock).ok().and_then(|text| text.parse().ok());
    match (started_at, installed.get(1..) == Some(&*script.bytes)) {
        (Some(started_at), true) => Ok(started_at),
        (Some(_), false) => Err(failure::tampered(script)),
        (None, _) => Err(failure::of(Step::Install, &script.install, RemoteError::Noisy)),
    }
}

/// The program of [`install`].
pub fn install_program(script: &Script, staged: &str) -> String {
    let (from, to) = (shell_quoting::quote(staged), shell_quoting::quote(&script.installed_path()));
    let mode = &script.mode;
    format!(
        "if [ -h {to} ]; then echo {to} is a link, nothing is written through it >&2; false; else \
         LC_ALL=C cp -P -- {from} {to} && LC_ALL=C chmod {mode} -- {to} && date +%s && cat -- {to}; fi"
    )
}
