//! The collect step: this run's regular files, each whole or not at all.
//!
//! A stale file is skipped: one that was last changed before this run began, by the host's own clock. Each file is
//! copied to a temporary file, compared, and renamed into place (`run_dir`). Limits: a file that changes while it is
//! copied is copied again a few times, then reported.

use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;

use super::failure;
use crate::disk::run_blocking;
use crate::escape::escape;
use crate::job::{Collect, Job};
use crate::message::VisitMessage;
use crate::outcome::{Cause, CollectedFile, Failure, SkippedFile, Step};
use crate::remote::{FileWriter, PendingAnswer, ReadAs, Remote, RemoteError, RemoteFile, Written};
use crate::run_dir::HostFolder;

/// The most files of one host that are copied at once.
const FILES: usize = 8;

/// The most attempts to copy a file that changes meanwhile.
const COPIES: usize = 3;

/// The result of the collect step.
#[derive(Default)]
pub struct CollectResult {
    /// The files, in the order of the host's glob.
    pub files: Vec<CollectedFile>,
    /// The files that were left on the host, with the reasons.
    pub skipped: Vec<SkippedFile>,
    /// The first error of a file that should have been collected.
    pub failure: Option<Failure>,
}

impl CollectResult {
    fn skip(&mut self, file: &RemoteFile, why: impl ToString) {
        self.skipped.push(SkippedFile { remote: escape(&file.name), why: why.to_string() });
    }

    fn fail(&mut self, file: &RemoteFile, failure: Failure) {
        self.skip(file, &failure.message);
        self.failure.get_or_insert(failure);
    }
}

/// Collects what matches the job's globs and is of this run, which began at `started_at` by the host's clock. Files
/// that an earlier attempt collected (`known`) and that did not change since are left out. `listing` is the pending
/// listing, where the script's run asked for it.
pub async fn collect(
    remote: &Remote,
    job: &Job,
    started_at: i64,
    folder: &HostFolder,
    known: &[CollectedFile],
    listing: Option<PendingAnswer>,
) -> Result<CollectResult, Failure> {
    let globs = job.collect.files.join(" ");
    let listed = remote.list(&job.collect.files, listing).await;
    let listed = listed.map_err(|error| failure::from_error(Step::Collect, &globs, error))?;
    let mut result = CollectResult::default();
    let chosen = choose(listed, &job.collect, started_at, &mut result);
    let run_as = job.script.run_as.as_deref();
    let copies = chosen.into_iter().map(|file| copy(remote, file, run_as, folder));
    let mut copies = stream::iter(copies).buffered(FILES);
    while let Some((file, copied)) = copies.next().await {
        let failed = |error| failure::from_error(Step::Collect, &escape(&file.name), error);
        match copied {
            Ok(copied) if known.iter().any(|k| k.remote == copied.remote && k.sha256 == copied.sha256) => {
                folder.remove_file(&copied.path).await;
            }
            Ok(copied) => result.files.push(copied),
            Err(error @ RemoteError::ConnectionLost(_)) => return Err(failed(error)),
            Err(RemoteError::NotFound) => result.skip(&file, VisitMessage::WentAway),
            Err(error) => result.fail(&file, failed(error)),
        }
    }
    if result.files.is_empty() && known.is_empty() && result.failure.is_none() && job.collect.required {
        result.failure = Some(no_file(globs, result.skipped.len()));
    }
    Ok(result)
}

/// Returns the files to copy; records in `result` why the others are not.
fn choose(
    listed: Vec<RemoteFile>,
    collect: &Collect,
    started_at: i64,
    result: &mut CollectResult,
) -> Vec<RemoteFile> {
    let mut remaining = collect.max_host;
    let mut chosen = Vec::new();
    for file in listed {
        if let Some(kind) = &file.not_regular {
            result.skip(&file, kind);
        } else if collect.fresh && file.modified < started_at {
            // Stale. Both times are by the host's clock: the gateway's may differ by minutes.
            result.skip(&file, VisitMessage::StaleFile { time: format_time(file.modified) });
        } else if file.bytes > collect.max_file {
            result.fail(&file, too_large(&file, "max_file", collect.max_file));
        } else if file.bytes > remaining {
            result.fail(&file, too_large(&file, "max_host", collect.max_host));
        } else {
            remaining -= file.bytes;
            chosen.push(file);
        }
    }
    chosen
}

/// Copies one file, again if it changes meanwhile.
async fn copy(
    remote: &Remote,
    file: RemoteFile,
    run_as: Option<&str>,
    folder: &HostFolder,
) -> (RemoteFile, Result<CollectedFile, RemoteError>) {
    let mut now = file.clone();
    for _ in 1..COPIES {
        match copy_once(remote, &now, run_as, folder).await {
            Err(RemoteError::FileChanged) => {}
            copied => return (file, copied),
        }
        match remote.describe_again(&file).await {
            // The limits were checked for the length that was listed: one that grew is not copied.
            Ok(again) if again.not_regular.is_none() && again.bytes <= file.bytes => now = again,
            Ok(_) => return (file, Err(RemoteError::FileChanged)),
            Err(error) => return (file, Err(error)),
        }
    }
    let copied = copy_once(remote, &now, run_as, folder).await;
    (file, copied)
}

/// Copies one file into place: as the login user, else as the user who wrote it.
async fn copy_once(
    remote: &Remote,
    file: &RemoteFile,
    run_as: Option<&str>,
    folder: &HostFolder,
) -> Result<CollectedFile, RemoteError> {
    if let Some(content) = remote.take_prefetched(file) {
        return store_prefetched(file, content, folder).await;
    }
    match (copy_as(remote, file, ReadAs::LoginUser, folder).await, run_as) {
        (Err(RemoteError::PermissionDenied), Some(user)) => {
            copy_as(remote, file, ReadAs::User(user), folder).await
        }
        (copied, _) => copied,
    }
}

/// Stores a file whose content came with the listing. One blocking task does all of it.
async fn store_prefetched(
    file: &RemoteFile,
    content: Vec<u8>,
    folder: &HostFolder,
) -> Result<CollectedFile, RemoteError> {
    let (folder, name, modified) = (folder.clone(), file.name.clone(), file.modified);
    let stored = run_blocking(move || {
        let (opened, temporary) = folder.create_temporary_file()?.into_parts();
        let written = FileWriter::write_at_once(opened, content, Some(modified))?;
        Ok((written, folder.rename_from_remote(temporary, &name)?))
    });
    let (written, path) = stored.await.map_err(RemoteError::LocalIo)?;
    Ok(collected(file, path, written))
}

/// Copies one file to a temporary file, compares, and only then renames it into place.
async fn copy_as(
    remote: &Remote,
    file: &RemoteFile,
    read_as: ReadAs<'_>,
    folder: &HostFolder,
) -> Result<CollectedFile, RemoteError> {
    let begun = folder.clone();
    let temporary =
        run_blocking(move || begun.create_temporary_file()).await.map_err(RemoteError::LocalIo)?;
    let (opened, temporary) = temporary.into_parts();
    let mut writer = FileWriter::new(opened, file.bytes);
    remote.fetch(file, read_as, &mut writer).await?;
    let written = writer.finish(Some(file.modified)).await.map_err(RemoteError::LocalIo)?;
    if written.bytes != file.bytes || written.dropped > 0 {
        return Err(RemoteError::FileChanged);
    }
    let (folder, name) = (folder.clone(), file.name.clone());
    let renamed = run_blocking(move || folder.rename_from_remote(temporary, &name)).await;
    Ok(collected(file, renamed.map_err(RemoteError::LocalIo)?, written))
}

/// Makes the record of a file that was copied to `path`.
fn collected(file: &RemoteFile, path: String, written: Written) -> CollectedFile {
    CollectedFile { remote: escape(&file.name), path, bytes: written.bytes, sha256: written.sha256 }
}

/// Makes the failure of a file beyond a limit.
fn too_large(file: &RemoteFile, key: &str, limit: u64) -> Failure {
    let (name, key, bytes) = (escape(&file.name), key.to_owned(), file.bytes);
    let message = VisitMessage::FileTooLarge { file: name, bytes, key, limit };
    Failure::new(Step::Collect, Cause::TooLarge, message, Some(VisitMessage::RaiseLimit))
}

/// Makes the failure of a host on which no file of this run was found.
fn no_file(globs: String, skipped: usize) -> Failure {
    let message = match skipped {
        0 => VisitMessage::NoFile { globs },
        skipped => VisitMessage::NoFileButSkipped { globs, skipped },
    };
    Failure::new(Step::Collect, Cause::NoFile, message, Some(VisitMessage::DidItWriteElsewhere))
}

/// Formats a time, in seconds since 1970, for people.
fn format_time(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| format!("at {seconds} s"), |time| time.to_string())
}
