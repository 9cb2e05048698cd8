//! From the job file and the command line to a [`Job`]: every value is checked that this machine can check.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use toml::Spanned;

use super::error::Source;
use super::{Collect, Job, JobError, Overrides, Script, Ssh, file};
use crate::escape::hex;

/// The most bytes of a job file, and of a script: far beyond any that people write.
const MAX_FILE: u64 = 64 * 1024 * 1024;

/// Reads a job file and makes a job of it.
///
/// # Errors
/// Anything that keeps the job from being done as written: see [`JobError`].
pub fn load(path: &Path, overrides: Overrides) -> Result<Job, JobError> {
    let unreadable = |source| JobError::Unreadable { file: path.to_owned(), source };
    let text = String::from_utf8(read(path).map_err(unreadable)?)
        .map_err(|error| unreadable(std::io::Error::new(std::io::ErrorKind::InvalidData, error)))?;
    let source = Source { file: path, text: &text };
    let parsed: file::JobFile = toml::from_str(&text).map_err(|error| JobError::from((source, error)))?;
    Builder { source, folder: folder_of(path).map_err(unreadable)? }.job(parsed, overrides)
}

/// Where the runs of a job file live, if it can be read and says so.
pub fn output_of(path: &Path) -> Option<PathBuf> {
    let text = String::from_utf8(read(path).ok()?).ok()?;
    let table: toml::Table = toml::from_str(&text).ok()?;
    let output = table.get("output")?.as_str()?.to_owned();
    let builder = Builder { source: Source { file: path, text: &text }, folder: folder_of(path).ok()? };
    Some(builder.path(Path::new(&output)))
}

/// The folder that paths in the job file are relative to.
fn folder_of(path: &Path) -> std::io::Result<PathBuf> {
    Ok(std::path::absolute(path)?.parent().unwrap_or(Path::new("/")).to_owned())
}

/// A whole file, unless it is beyond [`MAX_FILE`] or no regular file.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let meta = fs::metadata(path)?;
    if !meta.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    if meta.len() > MAX_FILE {
        return Err(std::io::Error::other("it is larger than 64 MiB"));
    }
    fs::read(path)
}

/// What every part of the job is built with.
pub struct Builder<'a> {
    /// The job file, for errors.
    pub source: Source<'a>,
    /// What relative paths start from.
    folder: PathBuf,
}

impl Builder<'_> {
    fn job(&self, file: file::JobFile, over: Overrides) -> Result<Job, JobError> {
        let parallel = over.parallel.unwrap_or(*file.parallel.get_ref());
        if parallel == 0 {
            return Err(self.source.wrong(&file.parallel.span(), "parallel must be at least 1"));
        }
        Ok(Job {
            name: over.name.clone().map_or_else(|| self.name(file.name), Ok)?,
            file: self.folder.join(self.source.file.file_name().unwrap_or_default()),
            output: over
                .output
                .as_deref()
                .map(absolute)
                .or(file.output.map(|p| self.path(&p)))
                .unwrap_or_else(default_output),
            parallel,
            handshakes: file.handshakes,
            deadline: file.deadline,
            max_failures: file.max_failures,
            canary: file.canary,
            ssh: self.ssh(&file.ssh, over.config.clone())?,
            targets: self.targets(file.targets, file.ssh.config, &over)?,
            script: self.script(file.script, over.script)?,
            collect: self.collect(file.collect)?,
            copy_to: file.archive.copy_to.map(|p| self.path(&p)),
            mail: if over.no_mail { None } else { file.mail.map(|m| self.mail(m)).transpose()? },
        })
    }

    /// A path of the job file: `~` is the home folder, a relative one starts at the job file's folder.
    pub fn path(&self, path: &Path) -> PathBuf {
        match (path.strip_prefix("~"), home()) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => absolute(&self.folder.join(path)),
        }
    }

    /// A file that the job names and that must be readable.
    pub fn named(&self, key: &'static str, path: &Spanned<PathBuf>) -> Result<PathBuf, JobError> {
        let named = self.path(path.get_ref());
        let opened = fs::File::open(&named).and_then(|file| file.metadata());
        let failed = match opened {
            Ok(meta) if meta.is_file() => return Ok(named),
            Ok(_) => std::io::Error::other("it is not a regular file"),
            Err(error) => error,
        };
        let line = self.source.line(&path.span());
        Err(JobError::Named { file: self.source.file.to_owned(), line, key, named, source: failed })
    }

    fn name(&self, name: Option<Spanned<String>>) -> Result<String, JobError> {
        let stem = || self.source.file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let (place, name) = name.map_or_else(|| (0..0, stem()), |n| (n.span(), n.into_inner()));
        let fits = !name.is_empty() && name.len() <= 100 && !name.starts_with(['.', '-']);
        if !fits || name.contains(['/', '\0']) || name.chars().any(char::is_control) {
            let why = "names a folder: use letters, digits and dashes, at most 100, and no slash";
            return Err(self.source.wrong(&place, format!("name {name:?} {why}")));
        }
        Ok(name)
    }

    fn ssh(&self, ssh: &file::SshTable, config: Option<PathBuf>) -> Result<Ssh, JobError> {
        Ok(Ssh {
            config: match (config, &ssh.config) {
                (Some(config), _) => Some(config),
                (None, Some(config)) => Some(self.named("ssh.config", config)?),
                (None, None) => None,
            },
            identity: ssh.identity.as_ref().map(|key| self.named("ssh.identity", key)).transpose()?,
            connect_timeout: ssh.connect_timeout,
            retries: ssh.retries,
            keep: ssh.keep.filter(|time| !time.is_zero()),
        })
    }

    /// The script; an earlier run's own copy, where there is one, under the name that the job gives it.
    fn script(&self, script: file::ScriptTable, copy: Option<PathBuf>) -> Result<Script, JobError> {
        let place = script.file.span();
        let file = self.path(script.file.get_ref());
        let bytes = match copy {
            Some(copy) => read(&copy).map_err(|source| JobError::Unreadable { file: copy, source })?,
            None => {
                let file = self.named("script.file", &script.file)?;
                read(&file).map_err(|error| self.source.wrong(&place, format!("script.file: {error}")))?
            }
        };
        let name = file.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        let name =
            name.ok_or_else(|| self.source.wrong(&place, "script.file: its name is no UTF-8; rename it"))?;
        Ok(Script {
            name,
            sha256: hex(&Sha256::digest(&bytes)),
            bytes: Arc::from(bytes),
            file,
            args: script.args.iter().map(|a| self.text("script.args", a)).collect::<Result<_, _>>()?,
            staging: self.remote("script.staging", &script.staging)?,
            install: self.remote("script.install", &script.install)?,
            mode: self.mode(&script.mode)?,
            run_as: script.run_as.as_ref().map(|user| self.user(user)).transpose()?,
            timeout: script.timeout,
            supervise: script.supervise,
        })
    }

    fn mode(&self, mode: &Spanned<String>) -> Result<String, JobError> {
        let text = mode.get_ref();
        if (3..=4).contains(&text.len()) && text.bytes().all(|b| (b'0'..=b'7').contains(&b)) {
            return Ok(text.clone());
        }
        let why =
            format!("script.mode \"{text}\" is no mode; write three or four octal digits, like \"775\"");
        Err(self.source.wrong(&mode.span(), why))
    }

    fn user(&self, user: &Spanned<String>) -> Result<String, JobError> {
        let text = user.get_ref();
        let fits = |c: char| c.is_alphanumeric() || "_.-@\\$".contains(c);
        if !text.is_empty() && !text.starts_with('-') && text.chars().all(fits) {
            return Ok(text.clone());
        }
        Err(self.source.wrong(&user.span(), format!("script.run_as {text:?} is no user name")))
    }

    /// A text that a command line can carry.
    fn text(&self, key: &str, text: &Spanned<String>) -> Result<String, JobError> {
        if text.get_ref().contains('\0') {
            return Err(self.source.wrong(&text.span(), format!("{key}: no command line can carry a NUL")));
        }
        Ok(text.get_ref().clone())
    }

    /// A path on the hosts: absolute, since two users with two home folders use it.
    fn remote(&self, key: &str, path: &Spanned<String>) -> Result<String, JobError> {
        let text = path.get_ref();
        if text.starts_with('/') && !text.chars().any(char::is_control) {
            return Ok(text.clone());
        }
        let why = format!("{key} {text:?} must be an absolute path on the hosts, on one line");
        Err(self.source.wrong(&path.span(), why))
    }

    fn collect(&self, collect: file::CollectTable) -> Result<Collect, JobError> {
        if collect.files.get_ref().is_empty() {
            let why = "collect.files is empty; name what comes back, like \"/tmp/fichier_*log.txt\"";
            return Err(self.source.wrong(&collect.files.span(), why));
        }
        let globs = collect.files.get_ref().iter();
        Ok(Collect {
            files: globs.map(|g| self.remote("collect.files", g)).collect::<Result<_, _>>()?,
            layout: collect.layout,
            fresh: collect.fresh,
            required: collect.required,
            max_file: collect.max_file,
            max_host: collect.max_host,
        })
    }
}

/// An absolute path without the `..` that a reader would have to work out; links are kept as they are.
fn absolute(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    whole.components().fold(PathBuf::new(), |mut clean, part| {
        match part {
            // Beyond a link `..` is the link's own parent: only the system knows it.
            Component::ParentDir if !clean.is_symlink() => drop(clean.pop()),
            other => clean.push(other),
        }
        clean
    })
}

/// The user's home folder.
fn home() -> Option<PathBuf> {
    std::env::home_dir().filter(|home| !home.as_os_str().is_empty())
}

/// Where runs live when nobody says.
pub fn default_output() -> PathBuf {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    state.unwrap_or_else(|| home().unwrap_or_default().join(".local/state")).join("recolte")
}
