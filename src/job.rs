//! The job: what will be done, whole, checked and unchangeable, before any host is touched.
//!
//! `file` is what the TOML file says, `build` and `parts` make a [`Job`] of it and of the command line's [`Overrides`], `error`
//! says what is wrong, where, and the way out. Limits: what only a host can tell (does the folder exist there?) is
//! not asked here.

mod build;
mod error;
mod file;
mod limit;
mod parts;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use build::{default_output, load, output_of};
pub use error::JobError;
pub use file::Layout;
pub use limit::MaxFailures;

use sha2::{Digest as _, Sha256};

use crate::escape::hex;
use crate::inventory::Selection;
use crate::mail;

/// What the command line says in place of the job file.
#[derive(Debug, Default)]
pub struct Overrides {
    /// Words that choose the hosts, in place of `targets.hosts` and the register.
    pub hosts: Option<Vec<String>>,
    /// Only hosts that one of these patterns matches.
    pub only: Vec<String>,
    /// Not these, in addition to `targets.exclude`.
    pub exclude: Vec<String>,
    /// The ssh_config, in place of `ssh.config`.
    pub config: Option<PathBuf>,
    /// Hosts in flight.
    pub parallel: Option<usize>,
    /// Where runs live.
    pub output: Option<PathBuf>,
    /// Whether the mail is left out.
    pub no_mail: bool,
    /// The script of an earlier run, in place of `script.file`. The name stays that of the job.
    pub script: Option<PathBuf>,
    /// The name of an earlier run.
    pub name: Option<String>,
}

/// One job, ready to be done.
#[derive(Debug, Clone)]
pub struct Job {
    /// The folder in the archive, and the archive's name.
    pub name: String,
    /// The job file, absolute.
    pub file: PathBuf,
    /// Where runs live.
    pub output: PathBuf,
    /// Hosts in flight.
    pub parallel: usize,
    /// Connections being made at once; 0 fits them to the machine.
    pub handshakes: usize,
    /// For the whole run.
    pub deadline: Option<Duration>,
    /// Beyond it no host is started any more.
    pub max_failures: Option<MaxFailures>,
    /// So many hosts first; the rest only if all of these succeed.
    pub canary: usize,
    /// Who is visited.
    pub targets: Selection,
    /// How to reach them.
    pub ssh: Ssh,
    /// What runs there.
    pub script: Script,
    /// What comes back.
    pub collect: Collect,
    /// One more place for the archive.
    pub copy_to: Option<PathBuf>,
    /// The mail; none if the job or the command line leaves it out.
    pub mail: Option<mail::Settings>,
}

/// How hosts are reached.
#[derive(Debug, Clone)]
pub struct Ssh {
    /// The ssh_config for `ssh -F`; none leaves the choice to ssh.
    pub config: Option<PathBuf>,
    /// A key for `ssh -i`.
    pub identity: Option<PathBuf>,
    /// TCP, key exchange and authentication together.
    pub connect_timeout: Duration,
    /// How many more tries a connection gets that failed for a passing cause.
    pub retries: usize,
    /// How long our own masters outlive their last use, for the next command; none ends them with this one.
    pub keep: Option<Duration>,
}

/// What runs on the hosts.
#[derive(Debug, Clone)]
pub struct Script {
    /// The supplied script on the gateway, absolute.
    pub file: PathBuf,
    /// Its own name, kept on the hosts.
    pub name: String,
    /// Its bytes: read once, the same for every host.
    pub bytes: Arc<[u8]>,
    /// The SHA-256 of the bytes, in hexadecimal.
    pub sha256: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// The staging folder on the hosts.
    pub staging: String,
    /// The install folder on the hosts.
    pub install: String,
    /// The mode of the installed script, in octal digits.
    pub mode: String,
    /// The user it runs as; none runs it as the login user.
    pub run_as: Option<String>,
    /// How long it may run.
    pub timeout: Option<Duration>,
    /// Whether it dies with its connection.
    pub supervise: bool,
}

impl Script {
    /// Where the script is installed on a host.
    pub fn installed(&self) -> String {
        format!("{}/{}", self.install.trim_end_matches('/'), self.name)
    }

    /// The staging path on a host: nobody can guess it who does not know the run's secret, and a later go of the same
    /// run finds it again.
    pub fn staged(&self, secret: &str, host: &str) -> String {
        format!("{}/.{}", self.staging.trim_end_matches('/'), word(secret, host, "staged"))
    }

    /// The mark of the supervisor on a host: as unguessable, and found again by a later go in the list of processes.
    pub fn mark(secret: &str, host: &str) -> String {
        word(secret, host, "mark")
    }

    /// The script and its arguments, as words.
    pub fn words(&self) -> Vec<String> {
        std::iter::once(self.installed()).chain(self.args.iter().cloned()).collect()
    }
}

/// A word for one use on one host.
fn word(secret: &str, host: &str, meant: &str) -> String {
    let digits = hex(&Sha256::digest(format!("{secret} {host} {meant}")));
    format!("recolte-{}", digits.get(..32).unwrap_or_default())
}

/// What comes back from the hosts.
#[derive(Debug, Clone)]
pub struct Collect {
    /// Globs, expanded on each host.
    pub files: Vec<String>,
    /// How the files lie in the archive.
    pub layout: Layout,
    /// Whether only files of this run are taken.
    pub fresh: bool,
    /// Whether no file at all is a failure.
    pub required: bool,
    /// The most bytes of one file, and of each stream that the script prints.
    pub max_file: u64,
    /// The most bytes of all files of a host.
    pub max_host: u64,
}

#[cfg(test)]
mod tests;
