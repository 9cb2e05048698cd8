//! The step that runs the script, once: its line, its output on disk as it comes, what its end means.

use std::fs::File;
use std::io;

use super::RunContext;
use super::failure;
use crate::disk::run_blocking;
use crate::hostset::HostName;
use crate::job;
use crate::outcome::{Failure, SkippedFile, Step};
use crate::remote::{FileWriter, Remote, RemoteError, ScriptCommand, ScriptEnd, Written};
use crate::run_dir::JournalEntry;
use crate::shell_quoting;

/// What is known after the step.
pub struct ExecuteResult {
    /// The script's exit status, where it ended by itself.
    pub exit_status: Option<i32>,
    /// What of its output was not kept.
    pub skipped: Vec<SkippedFile>,
    /// Whether it went well.
    pub result: Result<(), Failure>,
}

impl From<Failure> for ExecuteResult {
    fn from(failure: Failure) -> Self {
        Self { exit_status: None, skipped: Vec::new(), result: Err(failure) }
    }
}

/// The whole line that runs the script on a host; with a mark, under the supervisor.
pub fn script_line(script: &job::Script, mark: Option<&str>) -> String {
    run_line(script, &script.argv(), mark)
}

/// The line that runs `words` as the script would be run.
pub(super) fn run_line(script: &job::Script, words: &[String], mark: Option<&str>) -> String {
    let inner = match mark {
        Some(mark) => shell_quoting::supervise(words, mark),
        None => shell_quoting::line(words),
    };
    match &script.run_as {
        Some(user) => shell_quoting::run_as(user, &inner),
        None => inner,
    }
}

/// Runs the script on a host. That it begins is on disk before it does: whatever happens then, no later go of the run
/// will run it a second time unasked.
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
    let sinks = match sinks(run, host).await {
        Ok(sinks) => sinks,
        Err(error) => return here(error).into(),
    };
    let mark = job::Script::marker(&run.run_secret, host);
    let ready = ScriptCommand {
        line: script_line(script, script.supervise.then_some(&mark)),
        then: remote.list_program(&run.job.collect.files),
        mark,
        supervised: script.supervise,
        timeout: script.timeout,
        stdout: sinks.0,
        stderr: sinks.1,
    };
    if let Err(error) = run.journal.write(&JournalEntry::Executing { host: host.clone(), started_at }).await {
        return here(error).into();
    }
    match remote.execute(ready, &run.stop).await {
        Ok(ran) => ended(run, host, ran).await,
        Err(error) => failure::of(Step::Execute, "", error).into(),
    }
}

/// Where the script's output goes: two files of the host.
async fn sinks(run: &RunContext, host: &str) -> io::Result<(FileWriter, FileWriter)> {
    let (folder, name) = (run.folder.clone(), host.to_owned());
    let made = run_blocking(move || {
        let folder = folder.create_output_dir(&name)?;
        Ok((File::create(folder.join("stdout"))?, File::create(folder.join("stderr"))?))
    });
    let (stdout, stderr) = made.await?;
    let max = run.job.collect.max_file;
    Ok((FileWriter::new(stdout, max), FileWriter::new(stderr, max)))
}

/// Closes the files and says what the end means.
async fn ended(run: &RunContext, host: &str, ran: ScriptEnd) -> ExecuteResult {
    let failure = failure::ran(&run.job.script, &ran);
    if ran.left_daemon {
        run.events.note(format!("{host}: the script left a process behind that still holds its output"));
    }
    let (stdout, stderr) = tokio::join!(ran.stdout.finish(None), ran.stderr.finish(None));
    let mut skipped = Vec::new();
    let mut lost = None;
    for (name, written) in [("stdout", stdout), ("stderr", stderr)] {
        match written {
            Ok(written) => skipped.extend(cut(name, &written)),
            Err(error) => {
                let why = format!("not all of it could be kept: {error}");
                skipped.push(SkippedFile { remote: name.to_owned(), why });
                lost = lost.or(Some(here(error)));
            }
        }
    }
    // What sudo or su exit with when they refuse is not the script's status.
    let began = failure.as_ref().is_none_or(|failure| !failure::is_refusal(failure));
    ExecuteResult {
        exit_status: ran.status.filter(|_| began),
        skipped,
        result: failure.or(lost).map_or(Ok(()), Err),
    }
}

/// What of a stream was beyond `max_file`.
fn cut(name: &str, written: &Written) -> Option<SkippedFile> {
    let all = written.bytes + written.dropped;
    let why = format!("the first {} of {all} bytes were kept (max_file)", written.bytes);
    (written.dropped > 0).then(|| SkippedFile { remote: name.to_owned(), why })
}

/// This machine cannot keep what the script prints.
fn here(error: io::Error) -> Failure {
    failure::of(Step::Execute, "the script's output", RemoteError::Local(error))
}
