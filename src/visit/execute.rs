//! The execute step: starts the launcher, says *go* once, keeps the output on disk as it comes, and says what the end
//! means.
//!
//! *go* is said only when the journal says `executing`: whatever happens then, no later attempt of the run starts the
//! script a second time unasked. Limits: of output beyond `max_file` only the beginning is kept.

use std::fs::File;
use std::io;

use super::install::{bare_command, launcher_command};
use super::{RunContext, failure, until_stopped};
use crate::disk::run_blocking;
use crate::hostset::HostName;
use crate::job::{Job, ReadAs, Script};
use crate::message::VisitMessage;
use crate::outcome::{Failure, FileStates, SkippedFile, Step};
use crate::remote::{FileWriter, LauncherShell, Live, Remote, RemoteError, ScriptEnd, Writers, Written};
use crate::run_dir::JournalEntry;
use crate::shell_quoting::quote;

/// The small files that come with a listing, at most: each costs the host two processes, and spares a round trip.
pub const SMALL_FILES: usize = 4;

/// The result of the execute step.
pub struct ExecuteResult<'a> {
    /// Set if the script began; none where a bare command leaves it open.
    pub began: Option<bool>,
    /// The script's exit status, where it ended by itself.
    pub exit_status: Option<i32>,
    /// The parts of its output that were not kept.
    pub skipped: Vec<SkippedFile>,
    /// The files that were there before it began.
    pub before: FileStates,
    /// The launcher's shell, where it is still there; the listing after the script is then on its way.
    pub shell: Option<LauncherShell<'a>>,
    /// The failure of the step, if it failed.
    pub result: Result<(), Failure>,
}

impl From<Failure> for ExecuteResult<'_> {
    /// Makes the result of a script that did not begin.
    fn from(failure: Failure) -> Self {
        Self { began: Some(false), ..from_result(Err(failure)) }
    }
}

/// Runs the script on a host.
pub(super) async fn execute<'a>(remote: &'a Remote, run: &RunContext, host: &HostName) -> ExecuteResult<'a> {
    if run.job.script.supervise {
        execute_by_launcher(remote, run, host).await
    } else {
        execute_bare(remote, run, host).await
    }
}

/// Starts the launcher, which runs nothing by itself.
pub(super) async fn start<'a>(
    remote: &'a Remote,
    script: &Script,
    step: Step,
) -> Result<LauncherShell<'a>, Failure> {
    let started = remote.start_launcher(launcher_command(script)).await;
    started.map_err(|error| failure::not_ready(step, script, error))
}

/// Returns the note about a stream that a profile redirects.
pub(super) fn redirection_note(live: Live) -> Option<VisitMessage> {
    match live {
        Live::Both => None,
        Live::Only(stream) => Some(VisitMessage::ProfileRedirects { stream: stream.other().to_string() }),
    }
}

/// Lists the files that the globs match as the user who will collect them.
pub(super) async fn list_before(
    remote: &Remote,
    job: &Job,
    shell: Option<&mut LauncherShell<'_>>,
) -> Result<crate::remote::Listing, Failure> {
    let listing = match shell {
        Some(shell) => shell.shell.list(&job.collect.files, 0).await,
        None => remote.list(&job.collect.files, 0).await,
    };
    listing.map_err(|error| failure::from_error(Step::Execute, &job.collect.files.join(" "), error))
}

async fn execute_by_launcher<'a>(remote: &'a Remote, run: &RunContext, host: &HostName) -> ExecuteResult<'a> {
    let job = &run.job;
    // Until *go* the request to stop only has to cut: nothing runs.
    let prepared = until_stopped(&run.stop, Step::Execute, prepare(remote, run, host)).await;
    let (mut shell, before, mut writers) = match prepared {
        Ok(prepared) => prepared,
        Err(failure) => return failure.into(),
    };
    if let Err(failure) = note_executing(run, host, &before).await {
        return failure.into();
    }
    let none = Vec::new();
    let globs = if job.read_as() == ReadAs::RunAs { &job.collect.files } else { &none };
    if let Err(error) = shell.go(&run.folder.id, &job.script.argv(), globs, SMALL_FILES).await {
        let result = Err(failure::from_error(Step::Execute, "", error));
        return ExecuteResult { began: Some(true), before, ..from_result(result) };
    }
    let end = shell.follow(job.script.timeout, &run.stop, &mut writers).await;
    let shell = end.leaves_shell().then_some(shell);
    let failure = failure::from_script_end(&job.script, &end);
    let result = finish(writers, &end, failure).await;
    ExecuteResult { began: Some(end.refused.is_none()), before, shell, ..result }
}

/// Does everything up to *go*: the launcher, the files that are there, and the files that take the script's output.
async fn prepare<'a>(
    remote: &'a Remote,
    run: &RunContext,
    host: &HostName,
) -> Result<(LauncherShell<'a>, FileStates, Writers), Failure> {
    let login_reads = run.job.read_as() == ReadAs::Login;
    let before =
        if login_reads { list_before(remote, &run.job, None).await?.states() } else { FileStates::default() };
    let mut shell = start(remote, &run.job.script, Step::Execute).await?;
    if let Some(note) = redirection_note(shell.live) {
        run.events.note(format!("{host}: {note}"));
    }
    let before =
        if login_reads { before } else { list_before(remote, &run.job, Some(&mut shell)).await?.states() };
    let writers = output_writers(run, host).await.map_err(local_failure)?;
    Ok((shell, before, writers))
}

/// Notes in the journal that the script is about to begin. From here on it counts as begun.
async fn note_executing(run: &RunContext, host: &HostName, before: &FileStates) -> Result<(), Failure> {
    let entry = JournalEntry::Executing { host: host.clone(), before: before.clone() };
    run.journal.write(&entry).await.map_err(local_failure)
}

/// Runs the script without the launcher: whether it began is known only if it ended well.
async fn execute_bare<'a>(remote: &'a Remote, run: &RunContext, host: &HostName) -> ExecuteResult<'a> {
    let script = &run.job.script;
    let prepared = until_stopped(&run.stop, Step::Execute, prepare_bare(remote, run, host)).await;
    let (before, mut writers, asked) = match prepared {
        Ok(prepared) => prepared,
        Err(failure) => return failure.into(),
    };
    if let Err(failure) = note_executing(run, host, &before).await {
        return failure.into();
    }
    match remote.run_bare(&bare_command(script), script.timeout, &run.stop, &mut writers).await {
        Ok(mut end) => {
            let began = (end.status == Some(0)).then_some(true);
            // The very words that sudo had for the question: most likely it spoke, and not the script.
            let sudo_spoke = end.status == Some(1) && !asked.is_empty() && end.stderr_tail == asked;
            let failure = if sudo_spoke {
                end.status = None;
                Some(failure::sudo_spoke(script, &asked))
            } else {
                failure::from_script_end(script, &end)
            };
            ExecuteResult { began, before, ..finish(writers, &end, failure).await }
        }
        Err(error) => {
            let result = Err(failure::from_error(Step::Execute, "", error));
            ExecuteResult { began: None, before, ..from_result(result) }
        }
    }
}

async fn prepare_bare(
    remote: &Remote,
    run: &RunContext,
    host: &HostName,
) -> Result<(FileStates, Writers, Vec<u8>), Failure> {
    let script = &run.job.script;
    let asked = if script.run_as.is_some() { ask_sudo(remote, script).await? } else { Vec::new() };
    let before = list_before(remote, &run.job, None).await?.states();
    Ok((before, output_writers(run, host).await.map_err(local_failure)?, asked))
}

/// Asks whether the user exists, and sudo whether it permits the bare command. That a password is required for the
/// question proves nothing: these words are returned.
pub(super) async fn ask_sudo(remote: &Remote, script: &Script) -> Result<Vec<u8>, Failure> {
    let command = bare_command(script);
    let user = quote(script.run_as.as_deref().unwrap_or_default());
    let command = command.strip_prefix("sudo -n ").unwrap_or(&command);
    let question = format!("id -- {user} >/dev/null && sudo -n -l {command}");
    let failed = |error| failure::from_error(Step::Execute, "", error);
    let output = remote.run_in_shell(&[], &question, 4096).await.map_err(failed)?;
    let words = String::from_utf8_lossy(&output.stderr).to_lowercase();
    let proves_nothing = words.contains("password is required") || words.contains("mot de passe");
    match output.status {
        Some(0) => Ok(Vec::new()),
        _ if proves_nothing => Ok(output.stderr),
        status => Err(failure::sudo_refused(script, &output.stderr, status)),
    }
}

fn from_result<'a>(result: Result<(), Failure>) -> ExecuteResult<'a> {
    let (skipped, before) = (Vec::new(), FileStates::default());
    ExecuteResult { began: None, exit_status: None, skipped, before, shell: None, result }
}

/// Makes the two files of a host that take the script's output.
async fn output_writers(run: &RunContext, host: &str) -> io::Result<Writers> {
    let (folder, name) = (run.folder.clone(), host.to_owned());
    let created = run_blocking(move || {
        let folder = folder.create_output_dir(&name)?;
        Ok((File::create(folder.join("stdout"))?, File::create(folder.join("stderr"))?))
    });
    let (stdout, stderr) = created.await?;
    let max = run.job.collect.max_file;
    Ok(Writers { stdout: FileWriter::new(stdout, max), stderr: FileWriter::new(stderr, max) })
}

/// Finishes the output files and says what the script's end means.
async fn finish<'a>(writers: Writers, end: &ScriptEnd, failure: Option<Failure>) -> ExecuteResult<'a> {
    let (stdout, stderr) = tokio::join!(writers.stdout.finish(None), writers.stderr.finish(None));
    let mut skipped = Vec::new();
    let mut not_kept = None;
    for (name, written) in [("stdout", stdout), ("stderr", stderr)] {
        match written {
            Ok(written) => skipped.extend(truncated(name, &written)),
            Err(error) => {
                let why = VisitMessage::OutputNotKept { error: error.to_string() }.to_string();
                skipped.push(SkippedFile { remote: name.to_owned(), why });
                not_kept = not_kept.or(Some(local_failure(error)));
            }
        }
    }
    let result = failure.or(not_kept).map_or(Ok(()), Err);
    let exit_status = end.status.filter(|_| end.stopped_by.is_none());
    ExecuteResult { exit_status, skipped, ..from_result(result) }
}

/// Records how much of a stream was beyond `max_file`.
fn truncated(name: &str, written: &Written) -> Option<SkippedFile> {
    let (kept, all) = (written.bytes, written.bytes + written.dropped);
    let why = VisitMessage::OutputTruncated { kept, all }.to_string();
    (written.dropped > 0).then(|| SkippedFile { remote: name.to_owned(), why })
}

/// Makes the failure of this machine to keep the script's output or the journal.
fn local_failure(error: io::Error) -> Failure {
    let subject = VisitMessage::ScriptOutput.to_string();
    failure::from_error(Step::Execute, &subject, RemoteError::LocalIo(error))
}
