//! One go of a run: the hosts that are left are visited, and what came of all of them is delivered.
//!
//! `run` begins with every host, `resume` with those that an earlier go left. From here on they are the same.

mod control_dir;
mod deliver;
mod dry_run;
mod fd_limit;
mod mail_parts;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use crate::archive::Packer;
use crate::event::{Event, Events, Stop};
use crate::fleet::{self, Limits};
use crate::hostset::HostName;
use crate::job::Job;
use crate::outcome::{Cause, CollectedFile, ExitStatus, HostReport};
use crate::remote::{self, ControlSockets};
use crate::report::{RunReport, json};
use crate::run_dir::{Journal, JournalEntry, ReservedNames, RunFolder, RunStart};
use crate::signals::Signals;
use crate::ssh_config::Host;
use crate::visit::{self, ConnectLimiter, Task, visit};
use jiff::Timestamp;

pub use control_dir::ControlDirectory;
pub use deliver::{Delivered, mail_again};
pub use dry_run::script as dry_run;
pub use fd_limit::fit;

/// Why a command did nothing: the command line, the job, the gateway.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// How many connections are made at once for each processor, unless the job says: a handshake waits for the host
/// about as long as it computes here.
const HANDSHAKES_PER_CORE: usize = 4;

/// How long ending what is left may take when the operator wants to leave at once.
const LEAVING: Duration = Duration::from_secs(5);

/// What a go begins with.
pub struct Attempt {
    /// The job.
    pub job: Job,
    /// The run's folder.
    pub folder: RunFolder,
    /// What the run was begun with.
    pub begin: RunStart,
    /// The hosts that are left, with what is left to do.
    pub left: Vec<(Host, Task)>,
    /// The accounts of those that are not.
    pub done: Vec<HostReport>,
    /// When the run was taken up again, this time included.
    pub resumed: Vec<Timestamp>,
    /// What is worth telling before it begins.
    pub notes: Vec<String>,
}

/// What a go came to.
pub struct AttemptEnd {
    /// For the operating system.
    pub status: ExitStatus,
    /// What was delivered; none where a second signal ended the program at once.
    pub delivered: Option<Delivered>,
}

/// Does it.
///
/// # Errors
/// No host was touched: the journal or the folder of the sockets cannot be made.
pub async fn run_attempt(attempt: Attempt, events: Events) -> Result<AttemptEnd, BoxError> {
    let stop = Stop::default();
    let signals = Signals::listen(stop.clone())?;
    let journal = Journal::open(&attempt.folder.journal())?;
    match attempt.resumed.last() {
        Some(at) => journal.write(&JournalEntry::Resumed { at: *at }).await?,
        None => journal.write(&JournalEntry::Started(attempt.begin.clone())).await?,
    }
    if !attempt.resumed.is_empty() {
        attempt.folder.sweep()?;
    }
    let control_directory = ControlDirectory::make()?;
    let sockets = control_directory.sockets(&attempt.job.ssh)?;
    let packer = Packer::begin(&attempt.folder.path, per_core(1))?;
    attempt.notes.iter().for_each(|note| events.note(note.clone()));
    if let Some(deadline) = attempt.job.deadline {
        tokio::spawn(request_stop_at(deadline, stop.clone()));
    }
    let work = whole(attempt, journal, sockets, packer, events, stop);
    let delivered = tokio::select! {
        delivered = work => delivered,
        () = signals.second() => {
            remote::end_all(control_directory.path(), LEAVING).await;
            let status = ExitStatus::Interrupted(signals.first().unwrap_or(2));
            return Ok(AttemptEnd { status, delivered: None });
        }
    };
    let status = ExitStatus::of(&delivered.report.hosts, delivered.whole, signals.first());
    Ok(AttemptEnd { status, delivered: Some(delivered) })
}

/// Visits what is left of the fleet and delivers what came of all of it.
async fn whole(
    attempt: Attempt,
    journal: Journal,
    sockets: ControlSockets,
    packer: Packer,
    events: Events,
    stop: Stop,
) -> Delivered {
    let Attempt { job, folder, begin, left, done, resumed, .. } = attempt;
    let names = left.iter().map(|(host, _)| host.alias.clone()).collect();
    events.emit(Event::Started { run: folder.id.clone(), hosts: names });
    let run = Arc::new(visit::RunContext {
        job: job.clone(),
        folder: folder.clone(),
        reserved_names: ReservedNames::of(files_of(&done, &left)),
        journal,
        run_secret: begin.run_secret,
        resuming: !resumed.is_empty(),
        sockets,
        connect_limiter: ConnectLimiter::new(handshakes(&job)),
        events: events.clone(),
        stop: stop.clone(),
    });
    // Who resumes has seen what became of the canary.
    let canary = if resumed.is_empty() { job.canary } else { 0 };
    let (parallel, note) = fit(job.parallel);
    note.into_iter().for_each(|note| events.note(note));
    let limits = Limits { parallel, canary, max_failures: job.max_failures };
    let hosts = left.into_iter().map(|(host, task)| (host.alias.clone(), (host, task))).collect();
    let each = |number, (host, task)| visit(Arc::clone(&run), host, number, task);
    done.iter().for_each(|report| deliver::pack(&packer, &folder, report));
    let ended = |report: &HostReport| {
        deliver::pack(&packer, &folder, report);
        events.emit(Event::Ended(Box::new(report.clone())));
    };
    let visited = fleet::run(hosts, limits, &stop, each, ended).await;
    let hosts = in_order(&begin.hosts, done.into_iter().chain(visited));
    let script =
        json::ScriptReport { file: job.script.file.display().to_string(), sha256: job.script.sha256.clone() };
    let report = RunReport::new(&folder.id, &job.name, script, begin.started, Timestamp::now(), hosts);
    deliver::deliver(&job, &folder, packer, RunReport { resumed, ..report }, &events).await
}

/// The files that earlier goes brought home and that stay.
fn files_of<'a>(done: &'a [HostReport], left: &'a [(Host, Task)]) -> impl Iterator<Item = &'a CollectedFile> {
    let earlier = left.iter().filter_map(|(_, task)| match task {
        Task::Collect { earlier, .. } => earlier.as_deref(),
        Task::Whole => None,
    });
    done.iter().chain(earlier).flat_map(|report| &report.files)
}

/// The accounts of all hosts, in the order the run began with.
fn in_order(names: &[HostName], reports: impl Iterator<Item = HostReport>) -> Vec<HostReport> {
    let mut by_name: std::collections::HashMap<HostName, HostReport> =
        reports.map(|report| (report.host.clone(), report)).collect();
    names.iter().filter_map(|name| by_name.remove(name)).collect()
}

/// Orders the run to stop when its time is over.
async fn request_stop_at(deadline: Duration, stop: Stop) {
    tokio::time::sleep(deadline).await;
    stop.request(Cause::Deadline);
}

/// How many connections are made at once.
pub fn handshakes(job: &Job) -> usize {
    if job.handshakes > 0 { job.handshakes } else { per_core(HANDSHAKES_PER_CORE) }
}

/// How many of something at once, at so many for each processor.
pub fn per_core(each: usize) -> usize {
    std::thread::available_parallelism().map_or(1, usize::from) * each
}
