//! The run engine: one attempt visits the hosts that are not done yet, then delivers the results of all hosts.
//!
//! An attempt of `recolte run` has every host to visit, one of `recolte resume` those that earlier attempts did not
//! finish; in everything else the two are alike. Limits: nothing here prints, events are emitted instead.

mod control_dir;
mod deliver;
mod dry_run;
mod fd_limit;
mod mail_parts;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::archive::Packer;
use crate::event::{Event, Events, Stop};
use crate::fleet::{self, Limits};
use crate::hostset::HostName;
use crate::job::Job;
use crate::message::Message;
use crate::outcome::{Cause, CollectedFile, ExitStatus, HostReport};
use crate::remote;
use crate::report::json::{RunReport, SCHEMA, ScriptReport, Totals};
use crate::run_dir::{JOURNAL, Journal, JournalEntry, ReservedNames, RunFolder, RunParameters, Task};
use crate::signals::Signals;
use crate::ssh_config::Host;
use crate::visit::{self, ConnectLimiter, visit};

pub use control_dir::ControlDirectory;
pub use deliver::Delivery;
pub use dry_run::dry_run;
pub use fd_limit::fit_parallel;

/// The number of connections made at once for each processor, unless the job sets it: a handshake waits for the
/// host about as long as it computes here.
const HANDSHAKES_PER_CORE: usize = 4;

/// The time that ending the remaining masters may take after a second signal.
const END_TIMEOUT: Duration = Duration::from_secs(5);

/// Everything that one attempt of a run needs.
pub struct Attempt {
    /// The job.
    pub job: Job,
    /// The run's folder.
    pub folder: RunFolder,
    /// The parameters that the run was started with.
    pub parameters: RunParameters,
    /// The hosts to visit, with the work to do on each.
    pub tasks: Vec<(Host, Task)>,
    /// The reports of the hosts that are not visited again.
    pub earlier_reports: Vec<HostReport>,
    /// When the run was resumed, this attempt included.
    pub resumed: Vec<Timestamp>,
    /// The notes to print before it begins.
    pub notes: Vec<Message>,
}

/// Runs an attempt. Returns the exit status of the program, and the delivered results; none where a second signal
/// ended the program at once.
///
/// # Errors
/// No host was touched: the journal or the control directory cannot be created, or the ssh_config cannot be read.
pub async fn run_attempt(attempt: Attempt, events: Events) -> io::Result<(ExitStatus, Option<Delivery>)> {
    let stop = Stop::default();
    let signals = Signals::listen(stop.clone())?;
    let journal = Journal::open(&attempt.folder.path.join(JOURNAL))?;
    match attempt.resumed.last() {
        Some(at) => {
            journal.write(&JournalEntry::Resumed { at: *at }).await?;
            attempt.folder.remove_temporary_files()?;
        }
        None => journal.write(&JournalEntry::Started(attempt.parameters.clone())).await?,
    }
    let control_directory = ControlDirectory::create()?;
    let sockets = control_directory.sockets(&attempt.job.ssh)?;
    let packer = Packer::start(&attempt.folder.path, per_core(1))?;
    attempt.notes.iter().for_each(|note| events.note(note.clone()));
    if let Some(deadline) = attempt.job.deadline {
        let stop = stop.clone();
        tokio::spawn(async move {
            tokio::time::sleep(deadline).await;
            stop.request(Cause::Deadline);
        });
    }
    let context = visit::RunContext {
        job: attempt.job.clone(),
        folder: attempt.folder.clone(),
        reserved_names: ReservedNames::from_files(earlier_files(&attempt)),
        journal,
        run_secret: attempt.parameters.run_secret.clone(),
        resuming: !attempt.resumed.is_empty(),
        sockets,
        connect_limiter: ConnectLimiter::new(max_handshakes(&attempt.job)),
        events,
        stop,
    };
    let work = visit_and_deliver(attempt, Arc::new(context), packer);
    let delivery = tokio::select! {
        delivery = work => delivery,
        // The second signal (Ctrl-C twice) cancels all visits by dropping their future. Masters are processes of
        // their own and would outlive the program, so they are ended here. The journal has what `resume` needs.
        () = signals.second.cancelled() => {
            remote::end_all(control_directory.folder.path(), END_TIMEOUT).await;
            return Ok((ExitStatus::Interrupted(signals.first().unwrap_or(2)), None));
        }
    };
    let status = ExitStatus::of_run(&delivery.report.hosts, delivery.status, signals.first());
    Ok((status, Some(delivery)))
}

/// Visits the hosts that are not done yet and delivers the results of all hosts.
async fn visit_and_deliver(attempt: Attempt, context: Arc<visit::RunContext>, packer: Packer) -> Delivery {
    let Attempt { job, folder, parameters, tasks, earlier_reports, resumed, .. } = attempt;
    let events = context.events.clone();
    let hosts = tasks.iter().map(|(host, _)| host.alias.clone()).collect();
    events.emit(Event::Started { run: folder.id.clone(), hosts });
    // A run is resumed by somebody who has seen how its canary ended, so the other hosts do not wait for one again.
    let canary = if resumed.is_empty() { job.canary } else { 0 };
    let (parallel, note) = fit_parallel(job.parallel);
    note.into_iter().for_each(|note| events.note(note));
    let limits = Limits { parallel, canary, max_failures: job.max_failures };
    let pack = |report: &HostReport| folder.archive_entries(report).for_each(|entry| packer.add(entry));
    earlier_reports.iter().for_each(pack);
    let on_end = |report: &HostReport| {
        pack(report);
        events.emit(Event::Ended(Box::new(report.clone())));
    };
    let hosts = tasks.into_iter().map(|(host, task)| (host.alias.clone(), (host, task))).collect();
    let visit_host = |number, (host, task)| visit(Arc::clone(&context), host, number, task);
    let visited = fleet::visit_all(hosts, limits, &context.stop, visit_host, on_end).await;
    let hosts = sort_reports(&parameters.hosts, earlier_reports.into_iter().chain(visited));
    let report = RunReport {
        schema: SCHEMA,
        run: folder.id.clone(),
        job: job.name.clone(),
        started: parameters.started,
        ended: Timestamp::now(),
        resumed,
        script: ScriptReport {
            file: job.script.file.display().to_string(),
            sha256: job.script.sha256.clone(),
        },
        totals: Totals::count(&hosts),
        hosts,
        mail: None,
    };
    let mut delivery = Delivery::new(report, &folder);
    delivery.deliver(&job, &folder, packer, &events).await;
    delivery
}

/// Lists the files that earlier attempts collected and that this one keeps.
fn earlier_files(attempt: &Attempt) -> impl Iterator<Item = &CollectedFile> {
    let partial = attempt.tasks.iter().filter_map(|(_, task)| match task {
        Task::Collect { earlier, .. } => earlier.as_deref(),
        Task::Whole => None,
    });
    attempt.earlier_reports.iter().chain(partial).flat_map(|report| &report.files)
}

/// Sorts the reports of all hosts into the order that the run was started with.
fn sort_reports(hosts: &[HostName], reports: impl Iterator<Item = HostReport>) -> Vec<HostReport> {
    let mut by_host: HashMap<HostName, HostReport> =
        reports.map(|report| (report.host.clone(), report)).collect();
    hosts.iter().filter_map(|host| by_host.remove(host)).collect()
}

/// Returns the maximum number of connections that are made at once.
pub fn max_handshakes(job: &Job) -> usize {
    if job.handshakes > 0 { job.handshakes } else { per_core(HANDSHAKES_PER_CORE) }
}

/// Multiplies a number by the number of processors.
pub fn per_core(number: usize) -> usize {
    std::thread::available_parallelism().map_or(1, usize::from) * number
}
