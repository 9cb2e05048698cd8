//! How one host is reached: its sockets, and the words of `ssh` and `sftp` that a master is launched and used with.
//!
//! Nothing of the ssh_config is weakened: what is added turns off prompts and forwardings and bounds waits.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::socket::PersistentMasters;
use crate::hostset::HostName;
use crate::shell_quoting;

/// How long our own master outlives its last use when nobody is left to end it.
const PERSIST: Duration = Duration::from_secs(60);

/// The longest path of a socket, and how many bytes ssh adds to one while it makes it.
const LONGEST_PATH: usize = 107;
const SSH_ADDS: usize = 17;

/// The most digits of a host's number in a run.
const DIGITS: usize = 6;

/// Where our sockets go.
#[derive(Debug, Clone)]
pub struct ControlSockets {
    /// The folder of those that end with the command.
    pub folder: PathBuf,
    /// Those that are to outlive it, if any.
    pub keep: Option<PersistentMasters>,
}

impl ControlSockets {
    /// Whether sockets in this folder have paths that a socket may have.
    pub fn fit_in(folder: &Path) -> bool {
        fits(folder, DIGITS)
    }

    /// The sockets that may lead to the `number`th host of a run.
    pub fn control(&self, number: usize, host: &str, theirs: Option<PathBuf>) -> HostSockets {
        let ours = ControlSocket { path: self.folder.join(number.to_string()), persist: PERSIST };
        HostSockets { theirs, ours, kept: self.keep.as_ref().map(|keep| keep.socket(host)) }
    }
}

/// A control socket of ours.
#[derive(Debug, Clone)]
pub struct ControlSocket {
    /// Where it is.
    pub path: PathBuf,
    /// How long its master outlives its last use when nobody ends it.
    pub persist: Duration,
}

/// The control sockets that may lead to a host.
#[derive(Debug, Clone)]
pub struct HostSockets {
    /// The user's own for this host, if ssh_config names one.
    pub theirs: Option<PathBuf>,
    /// One of ours: its path is short, in a private folder, and nobody else's while we use it.
    pub ours: ControlSocket,
    /// Ours that outlives the run, to be used in place of `ours` where it is free.
    pub kept: Option<ControlSocket>,
}

/// All that is needed to reach one host.
#[derive(Debug, Clone)]
pub struct SshArgs {
    /// The host, as ssh knows it.
    pub host: HostName,
    /// For `ssh -F`.
    pub config: Option<PathBuf>,
    /// For `ssh -i`.
    pub identity: Option<PathBuf>,
    /// TCP, key exchange and authentication together.
    pub connect_timeout: Duration,
    /// Whether ssh_config leaves a dead link unnoticed for more than a minute.
    pub keepalive: bool,
    /// The sockets.
    pub control: HostSockets,
}

impl SshArgs {
    /// `ssh` or `sftp` with what tells it which configuration and key to use.
    fn client(&self, program: &str) -> Vec<String> {
        let mut words = vec![program.to_owned()];
        let flags = [("-F", &self.config), ("-i", &self.identity)];
        for (flag, path) in flags.into_iter().filter_map(|(flag, path)| path.as_ref().map(|p| (flag, p))) {
            words.extend([flag.to_owned(), path.to_string_lossy().into_owned()]);
        }
        words
    }

    /// The words that launch our master.
    pub(super) fn launch(&self) -> Vec<String> {
        let mut words = self.client("ssh");
        words.extend(["-M", "-N", "-f", "-T", "-a", "-x", "-S"].map(str::to_owned));
        words.push(self.control.ours.path.to_string_lossy().into_owned());
        let mut option = |text: String| words.extend(["-o".to_owned(), text]);
        option("BatchMode=yes".to_owned());
        option(format!("ControlPersist={}s", self.control.ours.persist.as_secs().max(1)));
        option(format!("ConnectTimeout={}", self.connect_timeout.as_secs().max(1)));
        option("ConnectionAttempts=1".to_owned());
        if self.keepalive {
            option("ServerAliveInterval=15".to_owned());
            option("ServerAliveCountMax=3".to_owned());
        }
        option("ClearAllForwardings=yes".to_owned());
        option("PermitLocalCommand=no".to_owned());
        option("RemoteCommand=none".to_owned());
        words.extend(["--".to_owned(), self.host.to_string()]);
        words
    }

    /// The same plan over the master that is kept, if one is to be.
    #[must_use]
    pub fn persistent_master(&self) -> Option<Self> {
        let mut plan = self.clone();
        plan.control.ours = plan.control.kept.take()?;
        Some(plan)
    }

    /// The words that run `line` through our master, by hand.
    pub fn through(&self, line: &str) -> Vec<String> {
        let socket = self.control.ours.path.to_string_lossy().into_owned();
        let mut words = self.client("ssh");
        words.extend(["-S".to_owned(), socket, "-T".to_owned(), "--".to_owned(), self.host.to_string()]);
        words.push(line.to_owned());
        words
    }

    /// The words that feed commands to sftp through our master, by hand.
    pub fn sftp(&self) -> Vec<String> {
        let mut words = self.client("sftp");
        let socket = format!("ControlPath={}", self.control.ours.path.display());
        words.extend(["-o".to_owned(), socket, "-b".to_owned(), "-".to_owned()]);
        words.extend(["--".to_owned(), self.host.to_string()]);
        words
    }

    /// The words that give our master the order `order` (`check`, `exit`).
    pub fn control_command(&self, order: &str) -> Vec<String> {
        let mut words = self.client("ssh");
        let socket = self.control.ours.path.to_string_lossy().into_owned();
        words.extend(["-S".to_owned(), socket, "-O".to_owned(), order.to_owned()]);
        words.extend(["--".to_owned(), self.host.to_string()]);
        words
    }
}

/// Whether sockets with names of so many bytes have paths in this folder that a socket may have.
pub(super) fn fits(folder: &Path, name: usize) -> bool {
    folder.as_os_str().len() + 1 + name + SSH_ADDS <= LONGEST_PATH
}

/// The line that launches a master, for a person to paste.
pub fn launch_line(plan: &SshArgs) -> String {
    shell_quoting::line(plan.launch())
}
