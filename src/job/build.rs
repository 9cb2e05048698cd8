//! Builds a [`Job`] of the job file and the command line.
//!
//! Every value is checked that this machine can check. Limits: what only a host can tell is not asked here.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use toml::Spanned;

use super::source::JobSource;
use super::{Collect, Job, Overrides, Script, Ssh, file};
use crate::disk::{self, ReadError};
use crate::escape::hex;
use crate::located::Located;
use crate::message::JobMessage;

/// The most bytes of a job file, and of a script: far beyond any that people write.
const MAX_FILE: u64 = 64 << 20;

/// Reads a job file and builds the job.
///
/// # Errors
/// The file cannot be read, or the job cannot be done as it is written.
pub fn load_job(path: &Path, overrides: Overrides) -> Result<Job, Located> {
    let text = read_file(path).and_then(|bytes| {
        String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    });
    let text = text.map_err(|error| unreadable_job(path, error))?;
    let source = JobSource { file: path, text: &text };
    let parsed: file::JobFile = toml::from_str(&text).map_err(|error| source.toml_error(&error))?;
    let folder = folder_of(path).map_err(|error| unreadable_job(path, error))?;
    JobBuilder { source, folder }.build(parsed, overrides)
}

/// Returns where the runs of a job file live, if it can be read and says so.
pub fn read_output(path: &Path) -> Option<PathBuf> {
    let text = String::from_utf8(read_file(path).ok()?).ok()?;
    let table: toml::Table = toml::from_str(&text).ok()?;
    let output = Path::new(table.get("output")?.as_str()?);
    let builder = JobBuilder { source: JobSource { file: path, text: &text }, folder: folder_of(path).ok()? };
    Some(builder.resolve_path(output))
}

/// Returns the folder that paths in the job file are relative to.
fn folder_of(path: &Path) -> io::Result<PathBuf> {
    Ok(std::path::absolute(path)?.parent().unwrap_or(Path::new("/")).to_owned())
}

/// Reads a whole regular file of at most [`MAX_FILE`].
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    disk::read_bounded(path, MAX_FILE).map_err(|error| match error {
        ReadError::Io(error) => error,
        ReadError::NotRegular => not_regular(),
        ReadError::TooLarge => {
            io::Error::other(JobMessage::FileTooLarge { max_mib: MAX_FILE >> 20 }.to_string())
        }
    })
}

fn not_regular() -> io::Error {
    io::Error::other(JobMessage::FileNotRegular.to_string())
}

fn unreadable_job(path: &Path, error: io::Error) -> Located {
    Located::with_source(path.display().to_string(), JobMessage::JobFileUnreadable, error)
}

/// Builds a job, with the same job file for all parts of it.
pub(super) struct JobBuilder<'a> {
    pub(super) source: JobSource<'a>,
    /// The folder that relative paths start from.
    folder: PathBuf,
}

impl JobBuilder<'_> {
    fn build(&self, file: file::JobFile, over: Overrides) -> Result<Job, Located> {
        let parallel = over.parallel.unwrap_or(*file.parallel.get_ref());
        if parallel == 0 {
            return Err(self.source.error_at(&file.parallel.span(), JobMessage::ParallelIsZero));
        }
        let output =
            over.output.as_deref().map(absolute).or(file.output.map(|path| self.resolve_path(&path)));
        Ok(Job {
            name: over.name.clone().map_or_else(|| self.check_name(file.name), Ok)?,
            file: self.folder.join(self.source.file.file_name().unwrap_or_default()),
            output: output.unwrap_or_else(default_output),
            parallel,
            handshakes: file.handshakes,
            deadline: file.deadline,
            max_failures: file.max_failures,
            canary: file.canary,
            ssh: self.build_ssh(&file.ssh, over.config.clone())?,
            targets: self.build_targets(file.targets, file.ssh.config, &over)?,
            script: self.build_script(file.script, over.script)?,
            collect: self.build_collect(file.collect)?,
            copy_to: file.archive.copy_to.map(|path| self.resolve_path(&path)),
            mail: file.mail.filter(|_| !over.no_mail).map(|mail| self.build_mail(mail)).transpose()?,
        })
    }

    /// Resolves a path of the job file: `~` is the home folder, a relative path starts at the job file's folder.
    pub(super) fn resolve_path(&self, path: &Path) -> PathBuf {
        match (path.strip_prefix("~"), home()) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => absolute(&self.folder.join(path)),
        }
    }

    /// Resolves the path of a regular file that must be readable.
    pub(super) fn resolve_readable(&self, key: &str, named: &Spanned<PathBuf>) -> Result<PathBuf, Located> {
        let path = self.resolve_path(named.get_ref());
        match fs::File::open(&path).and_then(|file| file.metadata()) {
            Ok(meta) if meta.is_file() => Ok(path),
            Ok(_) => Err(self.unreadable(key, named, not_regular())),
            Err(error) => Err(self.unreadable(key, named, error)),
        }
    }

    /// Makes an error about a file that the job names.
    pub(super) fn unreadable(&self, key: &str, named: &Spanned<PathBuf>, error: io::Error) -> Located {
        let file = self.resolve_path(named.get_ref()).display().to_string();
        let kind = JobMessage::FileUnreadable { key: key.to_owned(), file };
        Located { source: Some(error.into()), ..self.source.error_at(&named.span(), kind) }
    }

    fn check_name(&self, name: Option<Spanned<String>>) -> Result<String, Located> {
        let stem = || self.source.file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let (place, name) = name.map_or_else(|| (0..0, stem()), |name| (name.span(), name.into_inner()));
        let fits = !name.is_empty() && name.len() <= 100 && !name.starts_with(['.', '-']);
        if !fits || name.contains(['/', '\0']) || name.chars().any(char::is_control) {
            return Err(self.source.error_at(&place, JobMessage::NameInvalid { name }));
        }
        Ok(name)
    }

    fn build_ssh(&self, ssh: &file::SshTable, config: Option<PathBuf>) -> Result<Ssh, Located> {
        let readable = |key, path: &Option<Spanned<PathBuf>>| {
            path.as_ref().map(|path| self.resolve_readable(key, path)).transpose()
        };
        Ok(Ssh {
            config: config.map_or_else(|| readable("ssh.config", &ssh.config), |config| Ok(Some(config)))?,
            identity: readable("ssh.identity", &ssh.identity)?,
            connect_timeout: ssh.connect_timeout,
            retries: ssh.retries,
            keep: ssh.keep.filter(|time| !time.is_zero()),
        })
    }

    /// Builds the script. A `copy` of an earlier run gives the bytes, the job file still gives the name.
    fn build_script(&self, script: file::ScriptTable, copy: Option<PathBuf>) -> Result<Script, Located> {
        let place = script.file.span();
        let file = self.resolve_path(script.file.get_ref());
        let bytes = match copy {
            Some(copy) => read_file(&copy).map_err(|error| unreadable_job(&copy, error))?,
            None => {
                self.resolve_readable("script.file", &script.file)?;
                read_file(&file).map_err(|error| {
                    // The cause stands in the message itself.
                    self.source.error_at(&place, JobMessage::ScriptUnreadable { error: error.to_string() })
                })?
            }
        };
        let name = file.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        Ok(Script {
            name: name.ok_or_else(|| self.source.error_at(&place, JobMessage::ScriptNameNotUtf8))?,
            sha256: hex(&Sha256::digest(&bytes)),
            bytes: Arc::from(bytes),
            file,
            args: self.check_all(&script.args, argument_fault)?,
            staging: self.check(&script.staging, |path| path_fault("script.staging", path))?,
            install: self.check(&script.install, |path| path_fault("script.install", path))?,
            mode: self.check(&script.mode, mode_fault)?,
            run_as: script.run_as.map(|user| self.check(&user, user_fault)).transpose()?,
            timeout: script.timeout,
            supervise: script.supervise,
        })
    }

    fn build_collect(&self, collect: file::CollectTable) -> Result<Collect, Located> {
        let globs = collect.files.get_ref();
        if globs.is_empty() {
            return Err(self.source.error_at(&collect.files.span(), JobMessage::CollectEmpty));
        }
        Ok(Collect {
            files: self.check_all(globs, |glob| path_fault("collect.files", glob))?,
            layout: collect.layout,
            fresh: collect.fresh,
            required: collect.required,
            max_file: collect.max_file,
            max_host: collect.max_host,
        })
    }

    /// Returns a value in which `find_fault` finds nothing wrong.
    fn check(
        &self,
        value: &Spanned<String>,
        find_fault: impl Fn(&str) -> Option<JobMessage>,
    ) -> Result<String, Located> {
        match find_fault(value.get_ref()) {
            Some(kind) => Err(self.source.error_at(&value.span(), kind)),
            None => Ok(value.get_ref().clone()),
        }
    }

    fn check_all(
        &self,
        values: &[Spanned<String>],
        find_fault: impl Fn(&str) -> Option<JobMessage>,
    ) -> Result<Vec<String>, Located> {
        values.iter().map(|value| self.check(value, &find_fault)).collect()
    }
}

/// Finds what is wrong with an argument of the script.
fn argument_fault(text: &str) -> Option<JobMessage> {
    text.contains('\0').then(|| JobMessage::ArgumentHasNul { key: "script.args".to_owned() })
}

/// Finds what is wrong with a path on the hosts: two users with two home folders use it, so it must be absolute.
fn path_fault(key: &str, path: &str) -> Option<JobMessage> {
    let fits = path.starts_with('/') && !path.chars().any(char::is_control);
    (!fits).then(|| JobMessage::PathNotAbsolute { key: key.to_owned(), path: path.to_owned() })
}

fn mode_fault(mode: &str) -> Option<JobMessage> {
    let fits = (3..=4).contains(&mode.len()) && mode.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    (!fits).then(|| JobMessage::ModeInvalid { mode: mode.to_owned() })
}

fn user_fault(user: &str) -> Option<JobMessage> {
    let allowed = |c: char| c.is_alphanumeric() || "_.-@\\$".contains(c);
    let fits = !user.is_empty() && !user.starts_with('-') && user.chars().all(allowed);
    (!fits).then(|| JobMessage::UserInvalid { user: user.to_owned() })
}

/// Makes a path absolute and removes its `..`, but for one that follows a link; links are kept as they are.
fn absolute(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    whole.components().fold(PathBuf::new(), |mut clean, part| {
        match part {
            // After a link, `..` is the parent of the link's target, which only the system knows.
            Component::ParentDir if !clean.is_symlink() => drop(clean.pop()),
            other => clean.push(other),
        }
        clean
    })
}

/// Returns the user's home folder.
fn home() -> Option<PathBuf> {
    std::env::home_dir().filter(|home| !home.as_os_str().is_empty())
}

/// Returns where runs live unless the job or the command line says.
pub fn default_output() -> PathBuf {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    state.unwrap_or_else(|| home().unwrap_or_default().join(".local/state")).join("recolte")
}
