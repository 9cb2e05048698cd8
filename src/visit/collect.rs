//! The collect step: this run's regular files, each whole or not at all.
//!
//! A stale file is skipped: one that was there before the script began and is as it was. Each file is copied to a
//! temporary file, compared, and renamed into place (`run_dir`). The user who ran the script reads them, in the
//! launcher's shell; or, where the job says so, the login user. Limits: a file that changes while it is copied is
//! copied again a few times, then reported.

mod choose;

use futures_util::{StreamExt as _, stream};
use tempfile::TempPath;

use super::execute::SMALL_FILES;
use super::failure;
use crate::disk::run_blocking;
use crate::escape::escape;
use crate::job::Job;
use crate::message::VisitMessage;
use crate::outcome::{Cause, Change, CollectedFile, Failure, FileStates, SkippedFile, Step};
use crate::remote::{
    FileWriter, LARGE, LauncherShell, Listing, Remote, RemoteError, RemoteFile, Written, fetch_by_sftp,
};
use crate::run_dir::HostFolder;
use choose::choose;

/// The most files of one host that are copied at once by SFTP.
const FILES_AT_ONCE: usize = 8;

/// The most attempts to copy a file that changes meanwhile.
const MAX_ATTEMPTS: usize = 3;

/// The result of a copy.
type Copied = (RemoteFile, Result<CollectedFile, RemoteError>);

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

/// The means to collect the files of a host.
pub struct Collector<'a> {
    /// The connection.
    pub remote: &'a Remote,
    /// The job.
    pub job: &'a Job,
    /// The files that were there before the script.
    pub before: &'a FileStates,
    /// The local folder of the host's files.
    pub folder: &'a HostFolder,
    /// The files that an earlier attempt collected; those that did not change since are left out.
    pub known: &'a [CollectedFile],
}

impl Collector<'_> {
    /// Collects the files of this run: in the launcher's shell, else as the login user. A `listing` was asked for
    /// with the script.
    pub async fn collect(
        &self,
        mut shell: Option<&mut LauncherShell<'_>>,
        listing_pending: bool,
    ) -> Result<CollectResult, Failure> {
        let globs = self.job.collect.files.join(" ");
        let listed = match &mut shell {
            Some(shell) if listing_pending => shell.read_listing().await,
            Some(shell) => shell.shell.list(&self.job.collect.files, SMALL_FILES).await,
            // The login user's shell cannot tell whether what it opened is what it listed; SFTP can.
            None => self.remote.list(&self.job.collect.files, 0).await,
        };
        let listed = listed.map_err(|error| failure::from_error(Step::Collect, &globs, error))?;
        let mut result = CollectResult::default();
        let Listing { files, mut contents, .. } = listed;
        let mut copied = Vec::new();
        let mut chosen = Vec::new();
        for file in choose(files, &self.job.collect, self.before, &mut result) {
            match contents.remove(&file.name).filter(|content| content.len() as u64 == file.bytes) {
                Some(content) => {
                    let stored = self.store(&file, content.to_vec()).await;
                    copied.push((file, stored));
                }
                None => chosen.push(file),
            }
        }
        copied.extend(self.copy_all(shell, chosen).await);
        self.record(copied, &mut result).await;
        Ok(result)
    }

    /// Records what was copied and what was not.
    async fn record(&self, copied: Vec<Copied>, result: &mut CollectResult) {
        for (file, copied) in copied {
            let failed = |error| failure::from_error(Step::Collect, &escape(&file.name), error);
            let is_known = |copied: &CollectedFile| {
                self.known.iter().any(|k| k.remote == copied.remote && k.sha256 == copied.sha256)
            };
            match copied {
                Ok(copied) if is_known(&copied) => self.folder.remove_file(&copied.path).await,
                Ok(copied) => result.files.push(copied),
                Err(RemoteError::NotFound) => result.skip(&file, VisitMessage::WentAway),
                Err(error) => result.fail(&file, failed(error)),
            }
        }
        let nothing = result.files.is_empty() && self.known.is_empty() && result.failure.is_none();
        if nothing && self.job.collect.required {
            result.failure = Some(no_file(self.job.collect.files.join(" "), result.skipped.len()));
        }
    }

    /// Says in the hint of a failure how many files the login user would see, where it would see any.
    pub async fn hint_at_login_user(
        &self,
        mut result: CollectResult,
        shell: LauncherShell<'_>,
    ) -> CollectResult {
        let Some(failure) = &mut result.failure else { return result };
        if !matches!(failure.cause, Cause::NoFile | Cause::Unreadable) || self.job.script.run_as.is_none() {
            return result;
        }
        // The host may allow one session.
        shell.end().await;
        let Ok(listing) = self.remote.list(&self.job.collect.files, 0).await else { return result };
        let collect = &self.job.collect;
        let is_new = |file: &RemoteFile| self.before.compare(&file.name, &file.state) == Change::Content;
        let files = listing.files.iter().filter(|file| file.not_regular.is_none());
        let count = files.filter(|file| !collect.fresh || is_new(file)).count();
        if count > 0 {
            failure.hint = Some(VisitMessage::LoginUserSeesFiles { count }.into());
        }
        result
    }

    /// Copies files one after the other through the launcher's shell, or as the login user, several at once.
    async fn copy_all(&self, shell: Option<&mut LauncherShell<'_>>, files: Vec<RemoteFile>) -> Vec<Copied> {
        let Some(shell) = shell else {
            let copies = files.into_iter().map(|file| self.copy(None, file));
            return stream::iter(copies).buffered(FILES_AT_ONCE).collect().await;
        };
        let mut all = Vec::new();
        let mut broken = false;
        for file in files {
            // Its answers no longer fit the questions.
            let copied = if broken {
                (file, Err(RemoteError::ShellEnded))
            } else {
                self.copy(Some(&mut *shell), file).await
            };
            broken |= matches!(
                copied.1,
                Err(RemoteError::NoisyShell(_) | RemoteError::Stalled(_) | RemoteError::ShellEnded)
            );
            all.push(copied);
        }
        all
    }

    /// Copies one file, again if it changes meanwhile.
    async fn copy(&self, mut shell: Option<&mut LauncherShell<'_>>, file: RemoteFile) -> Copied {
        for _ in 1..MAX_ATTEMPTS {
            match self.copy_once(shell.as_deref_mut(), &file).await {
                Err(RemoteError::FileChanged) => {}
                copied => return (file, copied),
            }
        }
        let copied = self.copy_once(shell, &file).await;
        (file, copied)
    }

    async fn copy_once(
        &self,
        shell: Option<&mut LauncherShell<'_>>,
        file: &RemoteFile,
    ) -> Result<CollectedFile, RemoteError> {
        let (mut writer, temporary) = self.begin(file).await?;
        match shell {
            // A large one comes on a channel of its own, where the host has one to give.
            Some(shell) => {
                if file.bytes < LARGE || !shell.fetch_apart(file, &mut writer).await? {
                    shell.shell.fetch(file, &mut writer).await?;
                }
            }
            None => match (std::str::from_utf8(&file.name), self.remote.sftp().await?) {
                (Ok(path), Some(sftp)) => fetch_by_sftp(&sftp, path, file, &mut writer).await?,
                _ => self.remote.fetch_by_shell(file, &mut writer).await?,
            },
        }
        self.finish(file, writer, temporary).await
    }

    /// Opens a temporary file for a copy.
    async fn begin(&self, file: &RemoteFile) -> Result<(FileWriter, TempPath), RemoteError> {
        let folder = self.folder.clone();
        let temporary =
            run_blocking(move || folder.create_temporary_file()).await.map_err(RemoteError::LocalIo)?;
        let (opened, temporary) = temporary.into_parts();
        Ok((FileWriter::new(opened, file.bytes), temporary))
    }

    /// Compares a copy with its file and only then renames it into place.
    async fn finish(
        &self,
        file: &RemoteFile,
        writer: FileWriter,
        temporary: TempPath,
    ) -> Result<CollectedFile, RemoteError> {
        let written = writer.finish(file.modified).await.map_err(RemoteError::LocalIo)?;
        if written.bytes != file.bytes || written.dropped > 0 {
            return Err(RemoteError::FileChanged);
        }
        let (folder, name) = (self.folder.clone(), file.name.clone());
        let renamed = run_blocking(move || folder.rename_from_remote(temporary, &name)).await;
        Ok(collected(file, renamed.map_err(RemoteError::LocalIo)?, written))
    }

    /// Stores a file whose content came with the listing. One blocking task does all of it.
    async fn store(&self, file: &RemoteFile, content: Vec<u8>) -> Result<CollectedFile, RemoteError> {
        let (folder, name, modified) = (self.folder.clone(), file.name.clone(), file.modified);
        let stored = run_blocking(move || {
            let (opened, temporary) = folder.create_temporary_file()?.into_parts();
            let written = FileWriter::write_at_once(opened, content, modified)?;
            Ok((written, folder.rename_from_remote(temporary, &name)?))
        });
        let (written, path) = stored.await.map_err(RemoteError::LocalIo)?;
        Ok(collected(file, path, written))
    }
}

/// Makes the record of a file that was copied to `path`.
fn collected(file: &RemoteFile, path: String, written: Written) -> CollectedFile {
    CollectedFile { remote: escape(&file.name), path, bytes: written.bytes, sha256: written.sha256 }
}

/// Makes the failure of a host on which no file of this run was found.
fn no_file(globs: String, skipped: usize) -> Failure {
    let message = match skipped {
        0 => VisitMessage::NoFile { globs },
        skipped => VisitMessage::NoFileButSkipped { globs, skipped },
    };
    Failure::new(Step::Collect, Cause::NoFile, message, Some(VisitMessage::DidItWriteElsewhere))
}
