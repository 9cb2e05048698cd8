//! `recolte run`: the whole job, from the list of hosts to the mail.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use jiff::Timestamp;
use tempfile::TempDir;
use tokio::sync::{Semaphore, mpsc};

use super::{Answer, chosen, dry_run, harvest, load, print};
use crate::cli;
use crate::event::{Event, Events, Stop};
use crate::fleet;
use crate::job::Job;
use crate::journal::{Log, RunFolder};
use crate::outcome::ExitStatus;
use crate::report::style::{self, View};
use crate::report::text::summary;
use crate::report::{Mode, Progress, RunReport, Style, json};
use crate::signals::Signals;
use crate::targets::Resolved;
use crate::visit::{self, visit};

/// How many connections are made at once for each processor, unless the job says: a handshake waits for the host
/// about as long as it computes here.
const HANDSHAKES_PER_CORE: usize = 4;

/// The longest path that a control socket may have; ssh adds 17 bytes while it makes one.
const LONGEST_SOCKET: usize = 107 - 17;

/// Does the job.
pub async fn run(args: cli::Run) -> Answer {
    let job = load(&args.common, args.no_mail)?;
    let (hosts, notes) = chosen(&job).await?;
    if args.dry_run {
        print(&dry_run::script(&job, &hosts));
        return Ok(ExitStatus::Success);
    }
    let stop = Stop::default();
    let signals = Signals::listen(stop.clone())?;
    let folder = create(&job)?;
    let sockets = sockets()?;
    let (events, ear) = Events::channel();
    let listener = listen(&args.common, ear, Log::open(&folder.journal())?);
    notes.into_iter().for_each(|note| events.note(note));

    let work = whole(&job, hosts, &folder, sockets.path().to_owned(), events, stop);
    let delivered = tokio::select! {
        delivered = work => delivered,
        () = signals.second() => return Ok(ExitStatus::Interrupted(signals.first().unwrap_or(2))),
    };
    // The listener ends with the last event; it never fails.
    let _ended = listener.join();
    let status = ExitStatus::of(&delivered.report.hosts, delivered.whole, signals.first());
    tell(&args, &delivered, status);
    Ok(status)
}

/// Visits the fleet and delivers what came of it.
async fn whole(
    job: &Job,
    hosts: Vec<Resolved>,
    folder: &RunFolder,
    sockets: PathBuf,
    events: Events,
    stop: Stop,
) -> harvest::Delivered {
    let started = Timestamp::now();
    let names: Vec<String> = hosts.iter().map(|host| host.alias.clone()).collect();
    events.emit(Event::Started { run: folder.id.clone(), hosts: names });
    let run = Arc::new(visit::Run {
        job: job.clone(),
        folder: folder.clone(),
        sockets,
        handshakes: Semaphore::new(handshakes(job)),
        events: events.clone(),
        stop: stop.clone(),
    });
    let hosts = hosts.into_iter().map(|host| (host.alias.clone(), host)).collect();
    let each = |number, host| visit(Arc::clone(&run), host, number);
    let ended = |report: &_| events.emit(Event::Ended(Box::new(Clone::clone(report))));
    let reports = fleet::run(hosts, job.parallel, &stop, each, ended).await;
    let script = json::Script { file: job.script.file.display().to_string(), sha256: job.script.sha256.clone() };
    let report = RunReport::new(&folder.id, &job.name, script, started, Timestamp::now(), reports);
    harvest::deliver(job, folder, report, &events).await
}

/// Makes the run's folder.
fn create(job: &Job) -> Result<RunFolder, String> {
    RunFolder::create(&job.output, &job.name)
        .map_err(|error| format!("{}: runs cannot be kept there: {error}; set output", job.output.display()))
}

/// A short private folder for control sockets, gone with the run.
fn sockets() -> Result<TempDir, String> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let candidates = runtime.into_iter().chain([std::env::temp_dir(), PathBuf::from("/tmp")]);
    let mut refusals = Vec::new();
    for folder in candidates {
        match tempfile::Builder::new().prefix("recolte-").tempdir_in(&folder) {
            Ok(made) if made.path().as_os_str().len() + 8 <= LONGEST_SOCKET => return Ok(made),
            Ok(_) => refusals.push(format!("{}: its path is too long", folder.display())),
            Err(error) => refusals.push(format!("{}: {error}", folder.display())),
        }
    }
    Err(format!("no folder for control sockets: {}; set XDG_RUNTIME_DIR or TMPDIR", refusals.join("; ")))
}

/// How many connections are made at once.
fn handshakes(job: &Job) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if job.handshakes > 0 { job.handshakes } else { cores * HANDSHAKES_PER_CORE }
}

/// Starts the listener: a thread that keeps the journal, which blocks, and then tells the terminal.
fn listen(args: &cli::Common, mut ear: mpsc::UnboundedReceiver<Event>, mut log: Log) -> JoinHandle<()> {
    let stderr = std::io::stderr();
    let mode = Mode::choose(args.quiet, args.verbose, style::is_terminal(&stderr));
    let mut progress = Progress::new(mode, Style::of(&stderr));
    std::thread::spawn(move || {
        while let Some(event) = ear.blocking_recv() {
            if let Event::Ended(report) = &event
                && let Err(error) = log.append(report)
            {
                progress.on(&Event::Note(format!("{}: the journal cannot be written: {error}", report.host)));
            }
            progress.on(&event);
        }
        progress.finish();
    })
}

/// The run's last word: the table, or the report for machines.
fn tell(args: &cli::Run, delivered: &harvest::Delivered, status: ExitStatus) {
    if args.json {
        match delivered.report.to_json() {
            Ok(bytes) => print(&String::from_utf8_lossy(&bytes)),
            Err(error) => super::say(&format!("recolte: the report cannot be printed: {error}")),
        }
    } else if !args.common.quiet || status != ExitStatus::Success {
        print(&summary(&delivered.report, &delivered.places, View::of(&std::io::stdout())));
    }
}
