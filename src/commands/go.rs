//! One go of a run: the hosts that are left are visited, and what came of all of them is delivered.
//!
//! `run` begins with every host, `resume` with those that an earlier go left. From here on they are the same.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::harvest::{self, Delivered};
use super::sockets::SocketFolder;
use super::{Refused, descriptors, per_core, print, say};
use crate::archive::Packer;
use crate::cli::Telling;
use crate::event::{Event, Events, Stop};
use crate::fleet::{self, Limits};
use crate::job::Job;
use crate::journal::{Begin, Entry, Journal, RunFolder, Taken};
use crate::outcome::{Cause, Collected, ExitStatus, HostReport};
use crate::remote::{self, Sockets};
use crate::report::style::{self, View};
use crate::report::text::summary;
use crate::report::{Mode, Progress, RunReport, Style, json};
use crate::signals::Signals;
use crate::targets::Host;
use crate::visit::{self, Task, Turns, visit};

/// How many connections are made at once for each processor, unless the job says: a handshake waits for the host
/// about as long as it computes here.
const HANDSHAKES_PER_CORE: usize = 4;

/// How long ending what is left may take when the operator wants to leave at once.
const LEAVING: Duration = Duration::from_secs(5);

/// What a go begins with.
pub struct Go {
    /// The job.
    pub job: Job,
    /// The run's folder.
    pub folder: RunFolder,
    /// What the run was begun with.
    pub begin: Begin,
    /// The hosts that are left, with what is left to do.
    pub left: Vec<(Host, Task)>,
    /// The accounts of those that are not.
    pub done: Vec<HostReport>,
    /// When the run was taken up again, this time included.
    pub resumed: Vec<Timestamp>,
    /// What is worth telling before it begins.
    pub notes: Vec<String>,
}

/// Does it.
///
/// # Errors
/// No host was touched: the journal or the folder of the sockets cannot be made.
pub async fn go(go: Go, telling: &Telling) -> Result<ExitStatus, Refused> {
    let stop = Stop::default();
    let signals = Signals::listen(stop.clone())?;
    let journal = Journal::open(&go.folder.journal())?;
    match go.resumed.last() {
        Some(at) => journal.write(&Entry::Resumed { at: *at }).await?,
        None => journal.write(&Entry::Started(go.begin.clone())).await?,
    }
    if !go.resumed.is_empty() {
        go.folder.sweep()?;
    }
    let socket_folder = SocketFolder::make()?;
    let sockets = socket_folder.sockets(&go.job.ssh)?;
    let packer = Packer::begin(&go.folder.path, per_core(1))?;
    let (events, ear) = Events::channel();
    let listener = listen(telling, ear);
    go.notes.iter().for_each(|note| events.note(note.clone()));
    if let Some(deadline) = go.job.deadline {
        tokio::spawn(order_at(deadline, stop.clone()));
    }
    let work = whole(go, journal, sockets, packer, events, stop);
    let delivered = tokio::select! {
        delivered = work => delivered,
        () = signals.second() => {
            remote::end_all(socket_folder.path(), LEAVING).await;
            return Ok(ExitStatus::Interrupted(signals.first().unwrap_or(2)));
        }
    };
    // The listener ends with the last event; it never fails.
    let _ended = listener.join();
    let status = ExitStatus::of(&delivered.report.hosts, delivered.whole, signals.first());
    tell(telling, &delivered, status);
    Ok(status)
}

/// Visits what is left of the fleet and delivers what came of all of it.
async fn whole(
    go: Go,
    journal: Journal,
    sockets: Sockets,
    packer: Packer,
    events: Events,
    stop: Stop,
) -> Delivered {
    let Go { job, folder, begin, left, done, resumed, .. } = go;
    let names = left.iter().map(|(host, _)| host.alias.clone()).collect();
    events.emit(Event::Started { run: folder.id.clone(), hosts: names });
    let run = Arc::new(visit::Run {
        job: job.clone(),
        folder: folder.clone(),
        taken: Taken::of(files_of(&done, &left)),
        journal,
        secret: begin.secret,
        again: !resumed.is_empty(),
        sockets,
        turns: Turns::new(handshakes(&job)),
        events: events.clone(),
        stop: stop.clone(),
    });
    // Who resumes has seen what became of the canary.
    let canary = if resumed.is_empty() { job.canary } else { 0 };
    let (parallel, note) = descriptors::fit(job.parallel);
    note.into_iter().for_each(|note| events.note(note));
    let limits = Limits { parallel, canary, max_failures: job.max_failures };
    let hosts = left.into_iter().map(|(host, task)| (host.alias.clone(), (host, task))).collect();
    let each = |number, (host, task)| visit(Arc::clone(&run), host, number, task);
    done.iter().for_each(|report| harvest::pack(&packer, &folder, report));
    let ended = |report: &HostReport| {
        harvest::pack(&packer, &folder, report);
        events.emit(Event::Ended(Box::new(report.clone())));
    };
    let visited = fleet::run(hosts, limits, &stop, each, ended).await;
    let hosts = in_order(&begin.hosts, done.into_iter().chain(visited));
    let script =
        json::Script { file: job.script.file.display().to_string(), sha256: job.script.sha256.clone() };
    let report = RunReport::new(&folder.id, &job.name, script, begin.started, Timestamp::now(), hosts);
    harvest::deliver(&job, &folder, packer, RunReport { resumed, ..report }, &events).await
}

/// The files that earlier goes brought home and that stay.
fn files_of<'a>(done: &'a [HostReport], left: &'a [(Host, Task)]) -> impl Iterator<Item = &'a Collected> {
    let earlier = left.iter().filter_map(|(_, task)| match task {
        Task::Collect { earlier, .. } => earlier.as_deref(),
        Task::Whole => None,
    });
    done.iter().chain(earlier).flat_map(|report| &report.files)
}

/// The accounts of all hosts, in the order the run began with.
fn in_order(names: &[String], reports: impl Iterator<Item = HostReport>) -> Vec<HostReport> {
    let mut by_name: std::collections::HashMap<String, HostReport> =
        reports.map(|report| (report.host.clone(), report)).collect();
    names.iter().filter_map(|name| by_name.remove(name)).collect()
}

/// Orders the run to stop when its time is over.
async fn order_at(deadline: Duration, stop: Stop) {
    tokio::time::sleep(deadline).await;
    stop.order(Cause::Deadline);
}

/// How many connections are made at once.
pub(super) fn handshakes(job: &Job) -> usize {
    if job.handshakes > 0 { job.handshakes } else { per_core(HANDSHAKES_PER_CORE) }
}

/// Starts the listener: a thread that tells the terminal.
fn listen(telling: &Telling, mut ear: mpsc::UnboundedReceiver<Event>) -> JoinHandle<()> {
    let stderr = std::io::stderr();
    let mode = Mode::choose(telling.quiet, telling.verbose, style::is_terminal(&stderr));
    let mut progress = Progress::new(mode, Style::of(&stderr));
    std::thread::spawn(move || {
        while let Some(event) = ear.blocking_recv() {
            progress.on(&event);
        }
        progress.finish();
    })
}

/// The last word: the table, or the report for machines.
fn tell(telling: &Telling, delivered: &Delivered, status: ExitStatus) {
    if telling.json {
        match delivered.report.to_json() {
            Ok(bytes) => print(&String::from_utf8_lossy(&bytes)),
            Err(error) => say(&format!("recolte: the report cannot be printed: {error}")),
        }
    } else if !telling.quiet || status != ExitStatus::Success {
        print(&summary(&delivered.report, &delivered.places, View::of(&std::io::stdout())));
    }
}
