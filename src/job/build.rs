//! Builds a [`Job`] from the job file and the command line, and checks its values.
//!
//! Limits: only what can be checked on this machine is; no host is contacted.

use std::io;
use std::path::{Path, PathBuf};
use std::string::FromUtf8Error;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::file::JobFile;
use super::script_format::find_script_fault;
use super::source::{JobSource, absolute, home, not_regular};
use super::{Collect, Job, Overrides, ReadAs, Script, Ssh};
use crate::disk;
use crate::escape::hex;
use crate::inventory::{Selection, expand_entry};
use crate::located::Located;
use crate::message::JobMessage;

/// The largest job file and the largest script, in bytes.
const MAX_FILE: u64 = 64 << 20;

/// The maximum number of hosts visited at once, unless the job or the command line sets it.
const PARALLEL: usize = 32;

/// Reads a job file and builds the job.
///
/// # Errors
/// The job file, the script or the register cannot be read, or a value is wrong.
pub fn load_job(path: &Path, overrides: Overrides) -> Result<Job, Located> {
    let bytes = read_file(path).map_err(|error| unreadable_job(path, error))?;
    let text = String::from_utf8(bytes).map_err(|error| not_utf8(path, &error))?;
    let folder = folder_of(path).map_err(|error| unreadable_job(path, error))?;
    let source = JobSource { file: path, text: &text, folder };
    let parsed: JobFile = toml::from_str(&text).map_err(|error| source.toml_error(&error))?;
    source.build_job(parsed, overrides)
}

/// Returns the folder that holds the runs, if the job file can be read and has the key `output`.
pub fn read_output(path: &Path) -> Option<PathBuf> {
    let text = String::from_utf8(read_file(path).ok()?).ok()?;
    let table: toml::Table = toml::from_str(&text).ok()?;
    let source = JobSource { file: path, text: &text, folder: folder_of(path).ok()? };
    Some(source.resolve_path(Path::new(table.get("output")?.as_str()?)))
}

/// Returns the folder that paths in the job file are relative to.
fn folder_of(path: &Path) -> io::Result<PathBuf> {
    Ok(std::path::absolute(path)?.parent().unwrap_or(Path::new("/")).to_owned())
}

/// Reads a whole regular file of at most [`MAX_FILE`].
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    disk::read_bounded(path, MAX_FILE).map_err(|error| match error.kind() {
        io::ErrorKind::IsADirectory => not_regular(),
        io::ErrorKind::FileTooLarge => {
            io::Error::other(JobMessage::FileTooLarge { max_mib: MAX_FILE >> 20 }.to_string())
        }
        _ => error,
    })
}

fn unreadable_job(path: &Path, error: io::Error) -> Located {
    Located::with_source(path.display().to_string(), JobMessage::JobFileUnreadable, error)
}

/// Makes an error about the line that is not UTF-8. Without its cause, which counts bytes: the line says more.
fn not_utf8(path: &Path, error: &FromUtf8Error) -> Located {
    let valid = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
    let line = 1 + valid.filter(|byte| **byte == b'\n').count();
    Located::new(format!("{}:{line}", path.display()), JobMessage::JobFileNotUtf8)
}

/// The most bytes that the arguments may take once they are quoted: Linux takes 128 KiB for one argument, and all of
/// them are one for su.
const MAX_ARGUMENTS: usize = 120 * 1024;

impl JobSource<'_> {
    fn build_job(&self, file: JobFile, over: Overrides) -> Result<Job, Located> {
        let parallel = over.parallel.or(file.parallel).unwrap_or(PARALLEL);
        self.check("parallel", (parallel == 0).then_some(JobMessage::ParallelIsZero))?;
        let output =
            over.output.as_deref().map(absolute).or(file.output.map(|path| self.resolve_path(&path)));
        let name = over.name.clone().map_or_else(|| self.check_name(file.name), Ok)?;
        let ssh = self.build_ssh(file.ssh, over.config.clone())?;
        Ok(Job {
            name,
            file: self.folder.join(self.file.file_name().unwrap_or_default()),
            output: output.unwrap_or_else(default_output),
            parallel,
            handshakes: file.handshakes,
            deadline: file.deadline,
            max_failures: file.max_failures,
            canary: file.canary,
            targets: self.build_targets(file.targets, ssh.config.clone(), &over)?,
            ssh,
            collect: self.check_collect(file.collect, file.script.supervise)?,
            script: self.build_script(file.script, over.script)?,
            copy_to: file.archive.copy_to.map(|path| self.resolve_path(&path)),
            mail: file.mail.filter(|_| !over.no_mail).map(|mail| self.build_mail(mail)).transpose()?,
        })
    }

    fn check_name(&self, name: Option<String>) -> Result<String, Located> {
        let stem = || self.file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let name = name.unwrap_or_else(stem);
        let fits = !name.is_empty() && name.len() <= 100 && !name.starts_with(['.', '-']);
        if !fits || name.contains(['/', '\0']) || name.chars().any(char::is_control) {
            return Err(self.error_at("name", JobMessage::NameInvalid { name }));
        }
        Ok(name)
    }

    fn build_ssh(&self, ssh: Ssh, config: Option<PathBuf>) -> Result<Ssh, Located> {
        let readable =
            |key, path: Option<PathBuf>| path.map(|path| self.resolve_readable(key, &path)).transpose();
        Ok(Ssh {
            config: config.map_or_else(|| readable("ssh.config", ssh.config), |config| Ok(Some(config)))?,
            identity: readable("ssh.identity", ssh.identity)?,
            ..ssh
        })
    }

    /// Builds the selection of hosts. Its entries are checked, but no list, register or ssh_config is read.
    fn build_targets(
        &self,
        mut targets: Selection,
        config: Option<PathBuf>,
        over: &Overrides,
    ) -> Result<Selection, Located> {
        // Checked even where the command line replaces them: a wrong job file is always refused.
        self.check_all("targets.exclude", &targets.exclude, |entry| entry_fault("targets.exclude", entry))?;
        self.check_all("targets.hosts", &targets.hosts, |entry| entry_fault("targets.hosts", entry))?;
        if let Some(register) = &mut targets.register {
            register.file = self.resolve_readable("targets.register.file", &register.file)?;
        }
        targets.exclude.extend(over.exclude.iter().cloned());
        Ok(Selection {
            register: targets.register.filter(|_| over.hosts.is_none()),
            hosts: over.hosts.clone().unwrap_or(targets.hosts),
            only: over.only.clone(),
            config,
            ..targets
        })
    }

    /// Builds the script. For `resume`, its bytes come from the `copy` in the run folder, its name still from the job
    /// file.
    fn build_script(&self, script: Script, copy: Option<PathBuf>) -> Result<Script, Located> {
        const KEY: &str = "script.file";
        let file = self.resolve_path(&script.file);
        let bytes = match copy {
            Some(copy) => read_file(&copy).map_err(|error| unreadable_job(&copy, error))?,
            None => {
                self.resolve_readable(KEY, &file)?;
                let bytes = read_file(&file).map_err(|error| {
                    // The message contains the cause, which is therefore not its source as well.
                    self.error_at(KEY, JobMessage::ScriptUnreadable { error: error.to_string() })
                })?;
                self.check(KEY, find_script_fault(&bytes, &file))?;
                bytes
            }
        };
        let name = file.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        let name = name.ok_or_else(|| self.error_at(KEY, JobMessage::ScriptNameNotUtf8))?;
        self.check_all("script.args", &script.args, argument_fault)?;
        self.check("script.staging", path_fault("script.staging", &script.staging))?;
        self.check("script.install", path_fault("script.install", &script.install))?;
        self.check("script.mode", mode_fault(&script.mode))?;
        let length: usize = script.args.iter().map(|argument| 2 * argument.len() + 1).sum();
        self.check("script.args", (length > MAX_ARGUMENTS).then_some(JobMessage::ArgumentsTooLong))?;
        self.check("script.run_as", script.run_as.as_deref().and_then(user_fault))?;
        Ok(Script { name, sha256: hex(&Sha256::digest(&bytes)), bytes: Arc::from(bytes), file, ..script })
    }

    fn check_collect(&self, collect: Collect, supervise: bool) -> Result<Collect, Located> {
        const KEY: &str = "collect.files";
        self.check(KEY, collect.files.is_empty().then_some(JobMessage::CollectEmpty))?;
        self.check_all(KEY, &collect.files, |glob| path_fault(KEY, glob).or_else(|| glob_fault(glob)))?;
        let no_session = collect.read_as == Some(ReadAs::RunAs) && !supervise;
        self.check("collect.as", no_session.then_some(JobMessage::NoSessionToReadIn))?;
        Ok(collect)
    }

    /// Checks each item of a list. Fails at the first one in which `find_fault` finds a fault.
    fn check_all(
        &self,
        key: &str,
        items: &[String],
        find_fault: impl Fn(&str) -> Option<JobMessage>,
    ) -> Result<(), Located> {
        let mut numbered = items.iter().enumerate();
        numbered.try_for_each(|(nth, item)| self.check(&format!("{key}.{nth}"), find_fault(item)))
    }
}

/// Finds what is wrong with an entry of a host list.
fn entry_fault(key: &str, entry: &str) -> Option<JobMessage> {
    let refused = |error: Located| JobMessage::EntryRefused { key: key.to_owned(), error: error.to_string() };
    expand_entry(entry).err().map(refused)
}

/// Finds what is wrong with an argument of the script.
fn argument_fault(text: &str) -> Option<JobMessage> {
    text.contains('\0').then(|| JobMessage::ArgumentHasNul { key: "script.args".to_owned() })
}

/// Finds what a shell would expand in a glob, and what recolte does not.
fn glob_fault(glob: &str) -> Option<JobMessage> {
    let braces = glob.find('{').is_some_and(|at| glob.get(at..).is_some_and(|rest| rest.contains('}')));
    let found =
        if braces { Some("{…}") } else { ["$(", "`", "${"].into_iter().find(|text| glob.contains(text)) };
    found.map(|text| JobMessage::GlobNotExpanded { glob: glob.to_owned(), text: text.to_owned() })
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

/// Returns the folder that holds the runs unless the job or the command line sets it.
pub fn default_output() -> PathBuf {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    state.unwrap_or_else(|| home().unwrap_or_default().join(".local/state")).join("recolte")
}
