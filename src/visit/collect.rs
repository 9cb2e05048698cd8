//! The step that brings files home: this run's regular files, each whole or not at all.

use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;

use super::failure;
use crate::disk::on_disk;
use crate::escape::printable;
use crate::job::{Collect, Job};
use crate::outcome::{Cause, Collected, Fault, Skipped, Step};
use crate::remote::{FileKind, Found, Get, Remote, RemoteError, Sink};
use crate::run_dir::Place;

/// How many files of one host are on their way at once.
const FILES: usize = 8;

/// How often a file is copied that changes under the copy.
const COPIES: usize = 3;

/// What came home from a host, and what did not.
#[derive(Default)]
pub struct Home {
    /// The files, in the order of the host's glob.
    pub files: Vec<Collected>,
    /// What was left there, and why.
    pub skipped: Vec<Skipped>,
    /// The first thing that should have come and did not.
    pub fault: Option<Fault>,
}

impl Home {
    fn skip(&mut self, file: &Found, why: impl Into<String>) {
        self.skipped.push(Skipped { remote: printable(&file.name), why: why.into() });
    }

    fn miss(&mut self, file: &Found, fault: Fault) {
        self.skip(file, fault.message.clone());
        self.fault.get_or_insert(fault);
    }
}

/// Brings home what matches the job's globs and is of this run, which began at `since` by the host's clock. What came
/// home before and did not change since is `known` and left out.
pub async fn collect(
    remote: &Remote,
    job: &Job,
    since: i64,
    place: &Place,
    known: &[Collected],
) -> Result<Home, Fault> {
    let globs = job.collect.files.join(" ");
    let found = remote.list(&job.collect.files).await.map_err(|e| failure::of(Step::Collect, &globs, e))?;
    let mut home = Home::default();
    let wanted = choose(found, &job.collect, since, &mut home);
    let run_as = job.script.run_as.as_deref();
    let mut copies =
        stream::iter(wanted.into_iter().map(|file| copy(remote, file, run_as, place))).buffered(FILES);
    while let Some((file, copied)) = copies.next().await {
        match copied {
            Ok(copied) if known.iter().any(|k| k.remote == copied.remote && k.sha256 == copied.sha256) => {
                place.drop_again(&copied.path).await;
            }
            Ok(copied) => home.files.push(copied),
            Err(RemoteError::Lost) => {
                return Err(failure::of(Step::Collect, &printable(&file.name), RemoteError::Lost));
            }
            Err(RemoteError::Missing) => home.skip(&file, "it went away before it was copied"),
            Err(error) => home.miss(&file, failure::of(Step::Collect, &printable(&file.name), error)),
        }
    }
    if home.files.is_empty() && known.is_empty() && home.fault.is_none() && job.collect.required {
        home.fault = Some(none(&globs, home.skipped.len()));
    }
    Ok(home)
}

/// The files to copy; the others are told in `home`.
fn choose(found: Vec<Found>, collect: &Collect, since: i64, home: &mut Home) -> Vec<Found> {
    let mut room = collect.max_host;
    let mut wanted = Vec::new();
    for file in found {
        if file.kind != FileKind::Regular {
            home.skip(&file, format!("it is {}", file.kind.words()));
        } else if collect.fresh && file.modified < since {
            home.skip(&file, format!("it is of an earlier run: last changed {}", time(file.modified)));
        } else if file.bytes > collect.max_file {
            home.miss(&file, too_large(&file, "max_file", collect.max_file));
        } else if file.bytes > room {
            home.miss(&file, too_large(&file, "max_host", collect.max_host));
        } else {
            room -= file.bytes;
            wanted.push(file);
        }
    }
    wanted
}

/// Copies one file, again if it changes meanwhile.
async fn copy(
    remote: &Remote,
    file: Found,
    run_as: Option<&str>,
    place: &Place,
) -> (Found, Result<Collected, RemoteError>) {
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
    file: &Found,
    run_as: Option<&str>,
    place: &Place,
) -> Result<Collected, RemoteError> {
    if let Some(bytes) = remote.came_along(file) {
        return settle(file, bytes, place).await;
    }
    match copy_by(remote, file, Get::Login, place).await {
        Err(RemoteError::Denied) => match run_as {
            Some(user) => copy_by(remote, file, Get::As(user), place).await,
            None => Err(RemoteError::Denied),
        },
        done => done,
    }
}

/// Puts a file into place whose bytes are here already.
async fn settle(file: &Found, bytes: Vec<u8>, place: &Place) -> Result<Collected, RemoteError> {
    let (here, name, modified) = (place.clone(), file.name.clone(), file.modified);
    let settled = on_disk(move || {
        let (opened, path) = here.begin()?.into_parts();
        let written = Sink::whole(opened, bytes, Some(modified))?;
        Ok((written, here.settle(path, &name)?))
    });
    let (written, path) = settled.await.map_err(RemoteError::Local)?;
    Ok(Collected { remote: printable(&file.name), path, bytes: written.bytes, sha256: written.sha256 })
}

/// Copies one file under a passing name, compares, and only then gives it its own.
async fn copy_by(
    remote: &Remote,
    file: &Found,
    get: Get<'_>,
    place: &Place,
) -> Result<Collected, RemoteError> {
    let (here, name) = (place.clone(), file.name.clone());
    let part = on_disk(move || here.begin()).await.map_err(RemoteError::Local)?;
    let (opened, path) = part.into_parts();
    let mut sink = Sink::new(opened, file.bytes);
    remote.fetch(file, get, &mut sink).await?;
    let written = sink.finish(Some(file.modified)).await.map_err(RemoteError::Local)?;
    if written.bytes != file.bytes || written.dropped > 0 {
        return Err(RemoteError::Changed);
    }
    let here = place.clone();
    let path = on_disk(move || here.settle(path, &name)).await.map_err(RemoteError::Local)?;
    Ok(Collected { remote: printable(&file.name), path, bytes: written.bytes, sha256: written.sha256 })
}

/// A file beyond a limit.
fn too_large(file: &Found, key: &str, limit: u64) -> Fault {
    let message = format!("{}: its {} bytes are beyond {key} ({limit})", printable(&file.name), file.bytes);
    failure::new(Step::Collect, Cause::TooLarge, message, "raise the limit in [collect], or fetch it by hand")
}

/// Nothing of this run was there.
fn none(globs: &str, skipped: usize) -> Fault {
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
