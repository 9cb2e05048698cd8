//! The steps on one host, in order: the body of the old script's loop.
//!
//! [`visit`] reads like that loop, a function a line. What a step needs is in `visit/`: one file a step where it is
//! more than a few lines, and `fault` which says what an error means there. A visit never fails: it ends in one
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
pub use connect_limiter::Turns;
pub use execute::script_line;
pub use preflight::{Found, Item, Readiness, Trial, ready};

use crate::event::{Event, Events, Stop};
use crate::job::{Job, Script};
use crate::outcome::{Fault, HostReport, Step, StepTime};
use crate::remote::{Remote, RemoteError, Sockets};
use crate::run_dir::{Entry, Journal, Place, RunFolder, Taken};
use crate::shell_quoting;
use crate::ssh_config::Host;

/// How long the tidying of a host may take.
const TIDY: Duration = Duration::from_secs(10);

/// What all visits of a run share.
pub struct Run {
    /// The job.
    pub job: Job,
    /// The run's folder.
    pub folder: RunFolder,
    /// The names of files that the run's accounts hold.
    pub taken: Taken,
    /// The run's journal.
    pub journal: Journal,
    /// What the staged copies' names are made from.
    pub secret: String,
    /// Whether an earlier go of the run may have left something on the hosts.
    pub again: bool,
    /// Where our control sockets go.
    pub sockets: Sockets,
    /// Who may make a connection now: it costs this machine's processor.
    pub turns: Turns,
    /// Where the run tells what happens.
    pub events: Events,
    /// The order to stop.
    pub stop: Stop,
}

/// What is to be done on a host.
#[derive(Debug)]
pub enum Task {
    /// The whole job.
    Whole,
    /// The script began in an earlier go of the run: only its files are still to come.
    Collect {
        /// The host's clock before it, in seconds since 1970.
        since: i64,
        /// What was known of the host.
        earlier: Option<Box<HostReport>>,
    },
}

/// One visit under way.
struct Visit {
    run: Arc<Run>,
    host: Arc<str>,
    staged: String,
    report: HostReport,
}

/// Visits one host: the old loop's body, from its first `scp` to its last. Its account is on disk when this returns.
pub async fn visit(run: Arc<Run>, host: Host, number: usize, task: Task) -> HostReport {
    let mut report = HostReport::new(&host.alias);
    report.started = Some(Timestamp::now());
    let staged = run.job.script.staged(&run.secret, &host.alias);
    let mut visit = Visit { run, host: Arc::from(host.alias.as_str()), staged, report };
    let fault = match visit.connect(&host, number).await {
        Ok(remote) => {
            if visit.run.again && visit.run.job.script.supervise {
                visit.outlast(&remote).await;
            }
            let done = match task {
                Task::Whole => visit.job(&remote).await,
                Task::Collect { since, earlier } => visit.collect_only(&remote, since, earlier).await,
            };
            remote.end().await;
            done.err()
        }
        Err(fault) => {
            visit.recall(task);
            Some(fault)
        }
    };
    visit.report.end(fault);
    let Visit { run, report, .. } = visit;
    if let Err(error) = run.journal.write(&Entry::Ended(Box::new(report.clone()))).await {
        run.events.note(format!("{}: the journal cannot be written: {error}", report.host));
    }
    report
}

impl Visit {
    /// What the old loop did on a host that it could reach, line by line.
    async fn job(&mut self, remote: &Remote) -> Result<(), Fault> {
        let run = Arc::clone(&self.run);
        let (script, staged) = (&run.job.script, self.staged.clone());
        let since = match self.bring_script(remote, script, &staged, run.again).await {
            Ok(since) => since,
            Err(fault) => {
                forget(remote, &run.events, &self.host, &staged).await;
                return Err(fault);
            }
        };
        // 19: sudo su - User_DollarU -c 'Fichier_fourni.sh SOC_PRODUCTION'
        let ran = self.execute(remote, since).await;
        // 21: scp $SERVEUR:/tmp/fichier_*log.txt /tmp/JGE. A script that fails still has its files collected.
        let collected = self.collect(remote, since).await;
        ran.and(collected)
    }

    /// Uploads and installs the script. Returns the host's clock before it runs.
    async fn bring_script(
        &mut self,
        remote: &Remote,
        script: &Script,
        staged: &str,
        again: bool,
    ) -> Result<i64, Fault> {
        // 13: scp Fichier_fourni.sh $SERVEUR:/tmp
        self.step(Step::Upload, upload(remote, script, staged, again)).await?;
        // 15, 17: cp -P /tmp/Fichier_fourni.sh /home/User_VIP/script; chmod 775 …
        self.step(Step::Install, install(remote, script, staged)).await
    }

    /// Runs the script. Its staged copy, which nothing needs any more, goes at the same time.
    async fn execute(&mut self, remote: &Remote, since: i64) -> Result<(), Fault> {
        let (run, host, staged) = (Arc::clone(&self.run), Arc::clone(&self.host), self.staged.clone());
        let forgotten = forget(remote, &run.events, &host, &staged);
        let executed = execute::execute(remote, &run, &host, since);
        let executed = self.timed(Step::Execute, async {
            if remote.has_sftp_open().await {
                return tokio::join!(executed, forgotten).0;
            }
            forgotten.await;
            executed.await
        });
        let executed = executed.await;
        self.keep(executed)
    }

    /// Brings home what matches the globs.
    async fn collect(&mut self, remote: &Remote, since: i64) -> Result<(), Fault> {
        let run = Arc::clone(&self.run);
        let place = Place::new(&run.folder, &self.host, run.job.collect.layout, &run.taken);
        let known = self.report.files.clone();
        let home = self.step(Step::Collect, collect::collect(remote, &run.job, since, &place, &known)).await;
        self.bring(home?)
    }

    /// The end of a visit that an earlier go began: the script is not run again.
    async fn collect_only(
        &mut self,
        remote: &Remote,
        since: i64,
        earlier: Option<Box<HostReport>>,
    ) -> Result<(), Fault> {
        let ran = failure::ran_before(earlier.as_deref());
        self.recall(Task::Collect { since, earlier });
        let collected = self.collect(remote, since).await;
        // The earlier go may have been broken off before it was gone.
        forget(remote, &self.run.events, &self.host, &self.staged).await;
        ran.and(collected)
    }

    /// Waits for the end of the script that an earlier go of the run began, if it did: its reason is gone, and it goes.
    async fn outlast(&self, remote: &Remote) {
        let program = shell_quoting::outlast(&Script::mark(&self.run.secret, &self.host));
        let ended = async { drop(remote.ask(&program, 0).await) };
        tokio::select! {
            // A step says what became of it.
            _ = self.run.stop.wait() => {}
            () = ended => {}
        }
    }

    /// Takes over what an earlier go knew of the host.
    fn recall(&mut self, task: Task) {
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
        work: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
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
        self.run.events.emit(Event::Step { host: Arc::clone(&self.host), step });
        let begun = Instant::now();
        let done = work.await;
        let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.report.steps.push(StepTime { step, ms });
        done
    }

    /// Keeps what is known of the script's run, whether or not it went well.
    fn keep(&mut self, executed: execute::Executed) -> Result<(), Fault> {
        self.report.exit_status = executed.exit_status;
        self.report.skipped.extend(executed.skipped);
        executed.result
    }

    /// Keeps what came home, whether or not it is all that should have come.
    fn bring(&mut self, home: collect::Home) -> Result<(), Fault> {
        self.report.files.extend(home.files);
        self.report.skipped.extend(home.skipped);
        home.fault.map_or(Ok(()), Err)
    }
}

/// Puts the script into the staging folder, under a name that nobody can have prepared but an earlier go of this run.
async fn upload(remote: &Remote, script: &Script, staged: &str, again: bool) -> Result<(), Fault> {
    if again {
        // What is there is ours; what is not there need not go.
        let _gone = remote.remove(staged).await;
    }
    let (uploaded, ()) = tokio::join!(remote.upload(staged, &script.bytes), remote.open_ahead());
    uploaded.map_err(|e| failure::of(Step::Upload, &script.staging, e))
}

/// Removes the staged copy.
async fn forget(remote: &Remote, events: &Events, host: &str, staged: &str) {
    if !matches!(timeout(TIDY, remote.remove(staged)).await, Ok(Ok(()))) {
        events.note(format!("{host}: {staged} could not be removed"));
    }
}

/// Copies the script to its place, makes it executable, and reads back what will run. Returns the host's clock before it
/// runs, in seconds since 1970.
async fn install(remote: &Remote, script: &Script, staged: &str) -> Result<i64, Fault> {
    let most = script.bytes.len() + 64;
    let done = remote.ask(&install_program(script, staged), most).await;
    let done = done.map_err(|e| failure::of(Step::Install, &script.install, e))?;
    if done.status != Some(0) {
        return Err(failure::install(script, &done.stderr));
    }
    let clock_end = done.stdout.iter().position(|b| *b == b'\n').unwrap_or(done.stdout.len());
    let (clock, installed) = done.stdout.split_at(clock_end);
    let since = std::str::from_utf8(clock).ok().and_then(|text| text.parse().ok());
    match (since, installed.get(1..) == Some(&*script.bytes)) {
        (Some(since), true) => Ok(since),
        (Some(_), false) => Err(failure::tampered(script)),
        (None, _) => Err(failure::of(Step::Install, &script.install, RemoteError::Noisy)),
    }
}

/// The program of [`install`].
pub fn install_program(script: &Script, staged: &str) -> String {
    let (from, to) = (shell_quoting::quote(staged), shell_quoting::quote(&script.installed()));
    let mode = &script.mode;
    format!(
        "if [ -h {to} ]; then echo {to} is a link, nothing is written through it >&2; false; else \
         LC_ALL=C cp -P -- {from} {to} && LC_ALL=C chmod {mode} -- {to} && date +%s && cat -- {to}; fi"
    )
}
