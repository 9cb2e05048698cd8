//! The execute step: runs the script once, keeps its output on disk as it comes, and says what its end means.
//!
//! Limits: of output beyond `max_file` only the beginning is kept.

use std::fs::File;
use std::io;

use super::{RunContext, failure};
use crate::disk::run_blocking;
use crate::hostset::HostName;
use crate::job;
use crate::message::VisitMessage;
use crate::outcome::{Failure, SkippedFile, Step};
use crate::remote::{FileWriter, PendingAnswer, Remote, RemoteError, ScriptCommand, ScriptEnd, Written};
use crate::run_dir::JournalEntry;
use crate::shell_quoting;

/// The result of the execute step.
pub struct ExecuteResult {
    /// The script's exit status, where it ended by itself.
    pub exit_status: Option<i32>,
    /// The parts of its output that were not kept.
    pub skipped: Vec<SkippedFile>,
    /// The listing that the host began right after the script, where it can still be read.
    pub listing: Option<PendingAnswer>,
    /// The failure of the step, if it failed.
    pub result: Result<(), Failure>,
}

impl From<Failure> for ExecuteResult {
    fn from(failure: Failure) -> Self {
        Self { exit_status: None, skipped: Vec::new(), listing: None, result: Err(failure) }
    }
}

/// Returns the whole command line that runs the script on a host; with a marker, under the supervisor.
pub fn script_line(script: &job::Script, marker: Option<&str>) -> String {
    command_line(script, &script.argv(), marker)
}

/// Returns the command line that runs `args` as the script would be run.
pub(super) fn command_line(script: &job::Script, args: &[String], marker: Option<&str>) -> String {
    let inner = match marker {
        Some(marker) => shell_quoting::supervise(args, marker),
        None => shell_quoting::quote_all(args),
    };
    match &script.run_as {
        Some(user) => shell_quoting::run_as(user, &inner),
        None => inner,
    }
}

/// Runs the script on a host. The journal says that it begins before it does: whatever happens then, no later attempt
/// of the run starts it a second time unasked.
pub(super) async fn execute(
    remote: &Remote,
    run: &RunContext,
    host: &HostName,
    started_at: i64,
) -> ExecuteResult {
    let script = &run.job.script;
    if let Some(why) = run.stop.requested() {
        return failure::stopped(Step::Execute, why).into();
    }
    let (stdout, stderr) = match output_writers(run, host).await {
        Ok(writers) => writers,
        Err(error) => return local_failure(error).into(),
    };
    let marker = job::Script::marker(&run.run_secret, host);
    let command = ScriptCommand {
        line: script_line(script, script.supervise.then_some(&marker)),
        next_program: remote.list_program(&run.job.collect.files),
        marker,
        supervised: script.supervise,
        timeout: script.timeout,
        stdout,
        stderr,
    };
    if let Err(error) = run.journal.write(&JournalEntry::Executing { host: host.clone(), started_at }).await {
        return local_failure(error).into();
    }
    match remote.execute(command, &run.stop).await {
        Ok(end) => finish(run, host, end).await,
        Err(error) => failure::from_error(Step::Execute, "", error).into(),
    }
}

/// Makes the two files of a host that take the script's output.
async fn output_writers(run: &RunContext, host: &str) -> io::Result<(FileWriter, FileWriter)> {
    let (folder, name) = (run.folder.clone(), host.to_owned());
    let created = run_blocking(move || {
        let folder = folder.create_output_dir(&name)?;
        Ok((File::create(folder.join("stdout"))?, File::create(folder.join("stderr"))?))
    });
    let (stdout, stderr) = created.await?;
    let max = run.job.collect.max_file;
    Ok((FileWriter::new(stdout, max), FileWriter::new(stderr, max)))
}

/// Finishes the output files and says what the script's end means.
async fn finish(run: &RunContext, host: &str, end: ScriptEnd) -> ExecuteResult {
    let failure = failure::from_script_end(&run.job.script, &end);
    if end.left_process {
        run.events.note(format!("{host}: {}", VisitMessage::ProcessLeftBehind));
    }
    let (stdout, stderr) = tokio::join!(end.stdout.finish(None), end.stderr.finish(None));
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
    // The status of a sudo or su that refused is not the script's.
    let began = failure.as_ref().is_none_or(|failure| !failure::is_refusal(failure));
    ExecuteResult {
        exit_status: end.status.filter(|_| began),
        skipped,
        listing: end.pending,
        result: failure.or(not_kept).map_or(Ok(()), Err),
    }
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
