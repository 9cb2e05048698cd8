//! The step that brings files home: this run's regular files, each whole or not at all.

use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;

use super::failure;
use crate::disk::run_blocking;
use crate::escape::escape;
use crate::job::{Collect, Job};
use crate::outcome::{Cause, CollectedFile, Failure, SkippedFile, Step};
use crate::remote::{FileKind, FileWriter, ReadAs, Remote, RemoteError, RemoteFile};
use crate::run_dir::HostFolder;

/// How many files of one host are on their way at once.
const FILES: usize = 8;

/// How often a file is copied that changes under the copy.
const COPIES: usize = 3;

/// What came home from a host, and what did not.
#[derive(Default)]
pub struct CollectResult {
    /// The files, in the order of the host's glob.
    pub files: Vec<CollectedFile>,
    /// What was left there, and why.
    pub skipped: Vec<SkippedFile>,
    /// The first thing that should have come and did not.
    pub failure: Option<Failure>,
}

impl CollectResult {
    fn skip(&mut self, file: &RemoteFile, why: impl Into<String>) {
        self.skipped.push(SkippedFile { remote: escape(&file.name), why: why.into() });
    }

    fn miss(&mut self, file: &RemoteFile, failure: Failure) {
        self.skip(file, failure.message.clone());
        self.failure.get_or_insert(failure);
    }
}

/// Brings home what matches the job's globs and is of this run, which began at `started_at` by the host's clock. What came
/// home before and did not change since is `known` and left out.
pub async fn collect(
    remote: &Remote,
    job: &Job,
    started_at: i64,
    place: &HostFolder,
    known: &[CollectedFile],
) -> Result<CollectResult, Failure> {
    let globs = job.collect.files.join(" ");
    let found = remote.list(&job.collect.files).await.map_err(|e| failure::of(Step::Collect, &globs, e))?;
    let mut home = CollectResult::default();
    let wanted = choose(found, &job.collect, started_at, &mut home);
    let run_as = job.script.run_as.as_deref();
    let mut copies =
        stream::iter(wanted.into_iter().map(|file| copy(remote, file, run_as, place))).buffered(FILES);
    while let Some((file, copied)) = copies.next().await {
        match copied {
            Ok(copied) if known.iter().any(|k| k.remote == copied.remote && k.sha256 == copied.sha256) => {
                place.remove_file(&copied.path).await;
            }
            Ok(copied) => home.files.push(copied),
            Err(RemoteError::Lost) => {
                return Err(failure::of(Step::Collect, &escape(&file.name), RemoteError::Lost));
            }
            Err(RemoteError::Missing) => home.skip(&file, "it went away before it was copied"),
            Err(error) => home.miss(&file, failure::of(Step::Collect, &escape(&file.name), error)),
        }
    }
    if home.files.is_empty() && known.is_empty() && home.failure.is_none() && job.collect.required {
        home.failure = Some(none(&globs, home.skipped.len()));
    }
    Ok(home)
}

/// The files to copy; the others are told in `home`.
fn choose(
    found: Vec<RemoteFile>,
    collect: &Collect,
    started_at: i64,
    home: &mut CollectResult,
) -> Vec<RemoteFile> {
    let mut remaining = collect.max_host;
    let mut wanted = Vec::new();
    for file in found {
        if file.kind != FileKind::Regular {
            home.skip(&file, format!("it is {}", file.kind));
        } else if collect.fresh && file.modified < started_at {
            home.skip(&file, format!("it is of an earlier run: last changed {}", time(file.modified)));
        } else if file.bytes > collect.max_file {
            home.miss(&file, too_large(&file, "max_file", collect.max_file));
        } else if file.bytes > remaining {
            home.miss(&file, too_large(&file, "max_host", collect.max_host));
        } else {
            remaining -= file.bytes;
            wanted.push(file);
        }
    }
    wanted
}

/// Copies one file, again if it changes meanwhile.
async fn copy(
    remote: &Remote,
    file: RemoteFile,
    run_as: Option<&str>,
    place: &HostFolder,
) -> (RemoteFile, Result<CollectedFile, RemoteError>) {
    let mut now = file.clone();
    for _ in 1..COPIES {
        match copy_once(remote, &now, run_as, place).await {
            Err(RemoteError::Changed) => {}
            done => return (file, done),
        }
        match remote.look_again(&file).await {
            Ok(again) if again.kind == FileKind::Regular && again.bytes <= file.bytes => now = again,
            Ok(_) => return (file, Err(RemoteError::Changed)),
            Err(error) => return (file, Err(error)),
        }
    }
    let done = copy_once(remote, &now, run_as, place).await;
    (file, done)
}

/// Copies one file into place: as the login user, else as the user who wrote it.
async fn copy_once(
    remote: &Remote,
    file: &RemoteFile,
    run_as: Option<&str>,
    place: &HostFolder,
) -> Result<CollectedFile, RemoteError> {
    if let Some(bytes) = remote.take_prefetched(file) {
        return settle(file, bytes, place).await;
    }
    match copy_by(remote, file, ReadAs::LoginUser, place).await {
        Err(RemoteError::Denied) => match run_as {
            Some(user) => copy_by(remote, file, ReadAs::User(user), place).await,
            None => Err(RemoteError::Denied),
        },
        done => done,
    }
}

/// Puts a file into place whose bytes are here already.
async fn settle(file: &RemoteFile, bytes: Vec<u8>, place: &HostFolder) -> Result<CollectedFile, RemoteError> {
    let (here, name, modified) = (place.clone(), file.name.clone(), file.modified);
    let settled = run_blocking(move || {
        let (opened, path) = here.create_temporary_file()?.into_parts();
        let written = FileWriter::whole(opened, bytes, Some(modified))?;
        Ok((written, here.rename_from_remote(path, &name)?))
    });
    let (written, path) = settled.await.map_err(RemoteError::Local)?;
    Ok(CollectedFile { remote: escape(&file.name), path, bytes: written.bytes, sha256: written.sha256 })
}

/// Copies one file under a passing name, compares, and only then gives it its own.
async fn copy_by(
    remote: &Remote,
    file: &RemoteFile,
    get: ReadAs<'_>,
    place: &HostFolder,
) -> Result<CollectedFile, RemoteError> {
    let (here, name) = (place.clone(), file.name.clone());
    let part = run_blocking(move || here.create_temporary_file()).await.map_err(RemoteError::Local)?;
    let (opened, path) = part.into_parts();
    let mut sink = FileWriter::new(opened, file.bytes);
    remote.fetch(file, get, &mut sink).await?;
    let written = sink.finish(Some(file.modified)).await.map_err(RemoteError::Local)?;
    if written.bytes != file.bytes || written.dropped > 0 {
        return Err(RemoteError::Changed);
    }
    let here = place.clone();
    let path =
        run_blocking(move || here.rename_from_remote(path, &name)).await.map_err(RemoteError::Local)?;
    Ok(CollectedFile { remote: escape(&file.name), path, bytes: written.bytes, sha256: written.sha256 })
}

/// A file beyond a limit.
fn too_large(file: &RemoteFile, key: &str, limit: u64) -> Failure {
    let message = format!("{}: its {} bytes are beyond {key} ({limit})", escape(&file.name), file.bytes);
    failure::new(Step::Collect, Cause::TooLarge, message, "raise the limit in [collect], or fetch it by hand")
}

/// Nothing of this run was there.
fn none(globs: &str, skipped: usize) -> Failure {
    let left = if skipped > 0 { format!("; {skipped} were left, see skipped") } else { String::new() };
    let message = format!("no file of this run matches {globs}{left}");
    failure::new(
        Step::Collect,
        Cause::NoFile,
        message,
        "did the script write elsewhere? required = false allows none",
    )
}

/// A time as people read it.
fn time(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| format!("at {seconds} s"), |time| time.to_string())
}
