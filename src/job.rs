//! The job: everything that a run will do, checked before any host is touched, and unchangeable afterwards.
//!
//! `file` holds the TOML file as a whole; its tables are the types below. `build` and `mail_table` make a [`Job`] of
//! them and of the command line's [`Overrides`]; `source` makes errors with the file and the line. Limits: what only
//! a host can tell (whether a folder exists there) is not asked here.

mod build;
mod file;
mod mail_table;
mod max_failures;
mod script_format;
mod source;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use build::{default_output, load_job, read_output};
pub use max_failures::MaxFailures;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::escape::hex;
use crate::inventory::Selection;
use crate::mail;

/// The options of the command line that replace values of the job file.
#[derive(Debug, Default)]
pub struct Overrides {
    /// Entries of a host list, in place of `targets.hosts` and the register.
    pub hosts: Option<Vec<String>>,
    /// Only hosts that one of these entries matches.
    pub only: Vec<String>,
    /// Excluded hosts, in addition to `targets.exclude`.
    pub exclude: Vec<String>,
    /// The ssh_config, in place of `ssh.config`.
    pub config: Option<PathBuf>,
    /// The most hosts visited at once.
    pub parallel: Option<usize>,
    /// The folder of runs.
    pub output: Option<PathBuf>,
    /// Sends no mail.
    pub no_mail: bool,
    /// The script of an earlier run, in place of the content of `script.file`; its name stays.
    pub script: Option<PathBuf>,
    /// The name of an earlier run.
    pub name: Option<String>,
}

/// A checked job.
#[derive(Debug, Clone)]
pub struct Job {
    /// The folder in the archive, and the archive's name.
    pub name: String,
    /// The job file, absolute.
    pub file: PathBuf,
    /// The folder of runs.
    pub output: PathBuf,
    /// The most hosts visited at once.
    pub parallel: usize,
    /// The most connections being made at once; 0 fits them to the machine.
    pub handshakes: usize,
    /// The longest time of the whole run.
    pub deadline: Option<Duration>,
    /// The number of hosts that may fail before no more are started.
    pub max_failures: Option<MaxFailures>,
    /// The number of hosts that are visited first; the others only if all of these succeed.
    pub canary: usize,
    /// The hosts to visit.
    pub targets: Selection,
    /// The settings of ssh.
    pub ssh: Ssh,
    /// The script to run.
    pub script: Script,
    /// The files to collect.
    pub collect: Collect,
    /// The path of a copy of the archive.
    pub copy_to: Option<PathBuf>,
    /// The settings of the mail; none if the job or the command line leaves it out.
    pub mail: Option<mail::Settings>,
}

/// The settings of `[ssh]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ssh {
    /// The ssh_config for `ssh -F`; none leaves the choice to ssh.
    pub config: Option<PathBuf>,
    /// A key for `ssh -i`.
    pub identity: Option<PathBuf>,
    /// The longest time for TCP, key exchange and authentication together.
    #[serde(deserialize_with = "file::duration")]
    pub connect_timeout: Duration,
    /// The most retries of a connection that failed for a transient cause.
    pub retries: usize,
    /// The time that masters persist after their last use; none ends them with this command.
    #[serde(deserialize_with = "file::some_duration")]
    pub keep: Option<Duration>,
}

impl Default for Ssh {
    fn default() -> Self {
        Self {
            config: None,
            identity: None,
            connect_timeout: Duration::from_secs(10),
            retries: 2,
            keep: None,
        }
    }
}

/// The script to run on the hosts: `[script]`, and the content of its file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The supplied script on the gateway, absolute.
    pub file: PathBuf,
    /// The name of that file, also on the hosts.
    #[serde(skip)]
    pub name: String,
    /// The bytes, read once for all hosts.
    #[serde(skip)]
    pub bytes: Arc<[u8]>,
    /// The SHA-256 of the bytes, in hexadecimal.
    #[serde(skip)]
    pub sha256: String,
    /// The arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// The staging folder on the hosts.
    #[serde(default = "file::staging")]
    pub staging: String,
    /// The install folder on the hosts.
    pub install: String,
    /// The mode of the installed script, in octal digits.
    #[serde(default = "file::mode")]
    pub mode: String,
    /// The user it runs as; none runs it as the login user.
    pub run_as: Option<String>,
    /// The longest time from sudo to the launcher's answer.
    #[serde(default = "file::start_timeout", deserialize_with = "file::duration")]
    pub start_timeout: Duration,
    /// The longest time that it may run.
    #[serde(default, deserialize_with = "file::some_duration")]
    pub timeout: Option<Duration>,
    /// Ends the script when its connection ends.
    #[serde(default = "file::yes")]
    pub supervise: bool,
}

impl Script {
    /// Returns the path of the installed script on a host.
    pub fn installed_path(&self) -> String {
        format!("{}/{}", self.install.trim_end_matches('/'), self.name)
    }

    /// Returns the staging path on a host. Only who knows the run's secret can guess it; a resume finds it again.
    pub fn staged_path(&self, run_secret: &str, host: &str) -> String {
        format!("{}/.{}", self.staging.trim_end_matches('/'), derive_name(run_secret, host, "staged"))
    }

    /// Returns the path of a temporary file in the install folder: as hard to guess, and found again by a resume.
    pub fn temporary_path(&self, run_secret: &str, host: &str) -> String {
        format!("{}/.{}", self.install.trim_end_matches('/'), derive_name(run_secret, host, "installed"))
    }

    /// Returns the path of the launcher, beside the script.
    pub fn launcher_path(&self) -> String {
        format!("{}/.recolte-run-1", self.install.trim_end_matches('/'))
    }

    /// Returns the command: the script and its arguments.
    pub fn argv(&self) -> Vec<String> {
        std::iter::once(self.installed_path()).chain(self.args.iter().cloned()).collect()
    }
}

/// Derives a name for one purpose on one host. A resume derives the same, so purposes must not change.
fn derive_name(run_secret: &str, host: &str, purpose: &str) -> String {
    let digits = hex(&Sha256::digest(format!("{run_secret} {host} {purpose}")));
    format!("recolte-{}", digits.get(..32).unwrap_or_default())
}

/// The files to collect from the hosts: `[collect]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Collect {
    /// Globs, expanded on each host.
    pub files: Vec<String>,
    /// The user who reads the files; left out: the one who ran the script.
    #[serde(rename = "as")]
    pub read_as: Option<ReadAs>,
    /// The layout of the files in the archive.
    #[serde(default)]
    pub layout: Layout,
    /// Collects only files of this run.
    #[serde(default = "file::yes")]
    pub fresh: bool,
    /// Makes it a failure if there is no file at all.
    #[serde(default = "file::yes")]
    pub required: bool,
    /// The most bytes of one file, and of each stream that the script prints.
    #[serde(default = "file::bytes::<{ bytesize::GIB }>", deserialize_with = "file::size")]
    pub max_file: u64,
    /// The most bytes of all files of a host.
    #[serde(default = "file::bytes::<{ 4 * bytesize::GIB }>", deserialize_with = "file::size")]
    pub max_host: u64,
}

/// The user who reads the files to collect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadAs {
    /// The user who ran the script, in that user's session.
    RunAs,
    /// The login user.
    Login,
}

impl Job {
    /// Returns the user who reads the files to collect: without the launcher only the login user can.
    pub fn read_as(&self) -> ReadAs {
        let default = if self.script.supervise { ReadAs::RunAs } else { ReadAs::Login };
        self.collect.read_as.unwrap_or(default)
    }
}

/// The layout of collected files below the job's folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// A folder for each host.
    #[default]
    ByHost,
    /// One folder for all; files of the same name get different ones.
    Flat,
}

#[cfg(test)]
mod tests;
