//! The argument lists of `ssh` and `sftp` for one host: to launch a master, to use it by hand, to end it.
//!
//! Nothing of the user's ssh_config is weakened: what is added turns off prompts and forwardings and bounds waits.

use std::path::PathBuf;
use std::time::Duration;

use super::socket::HostSockets;
use crate::hostset::HostName;
use crate::shell_quoting;

/// All that is needed to reach one host.
#[derive(Debug, Clone)]
pub struct SshArgs {
    /// The host's alias in ssh_config.
    pub host: HostName,
    /// For `ssh -F`.
    pub config: Option<PathBuf>,
    /// For `ssh -i`.
    pub identity: Option<PathBuf>,
    /// The longest time for TCP, key exchange and authentication together.
    pub connect_timeout: Duration,
    /// Asks the host for signs of life: ssh_config would leave a dead link unnoticed for over a minute.
    pub keepalive: bool,
    /// The control sockets.
    pub sockets: HostSockets,
}

impl SshArgs {
    /// Returns `ssh` or `sftp` with its configuration, its key and further arguments, for this host.
    fn client(&self, program: &str, arguments: &[&str]) -> Vec<String> {
        let mut args = vec![program.to_owned()];
        let paths = [("-F", &self.config), ("-i", &self.identity)];
        for (flag, path) in paths.into_iter().filter_map(|(flag, path)| Some((flag, path.as_ref()?))) {
            args.extend([flag.to_owned(), path.to_string_lossy().into_owned()]);
        }
        args.extend(arguments.iter().map(ToString::to_string));
        args.extend(["--".to_owned(), self.host.to_string()]);
        args
    }

    /// Returns the path of our control socket.
    fn socket(&self) -> String {
        self.sockets.own.path.to_string_lossy().into_owned()
    }

    /// Returns the arguments that launch our master.
    pub(super) fn launch(&self) -> Vec<String> {
        let persist = format!("ControlPersist={}s", self.sockets.own.persist.as_secs().max(1));
        // A second more than ours, so that it is always ours that ends the wait: ssh's covers no key exchange.
        let timeout = format!("ConnectTimeout={}", self.connect_timeout.as_secs() + 1);
        let keepalive: &[&str] = match self.keepalive {
            true => &["-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=3"],
            false => &[],
        };
        let socket = self.socket();
        // To the background once connected (-f), with no command (-N), terminal, agent or X11 (-T -a -x).
        let master = ["-M", "-N", "-f", "-T", "-a", "-x", "-S", &socket, "-o", "BatchMode=yes"];
        let limits = ["-o", &persist, "-o", &timeout, "-o", "ConnectionAttempts=1"];
        // What ssh_config may set for interactive use would fail or collide with hundreds of masters at once.
        let off = ["ClearAllForwardings=yes", "-o", "PermitLocalCommand=no", "-o", "RemoteCommand=none"];
        self.client("ssh", &[&master[..], &limits, keepalive, &["-o"], &off].concat())
    }

    /// Returns the same over the persistent master, if there is to be one.
    #[must_use]
    pub fn with_persistent_master(&self) -> Option<Self> {
        let mut args = self.clone();
        args.sockets.own = args.sockets.persistent.take()?;
        Some(args)
    }

    /// Returns the arguments that run `line` over our master, by hand.
    pub fn run(&self, line: &str) -> Vec<String> {
        let mut args = self.client("ssh", &["-S", &self.socket(), "-T"]);
        args.push(line.to_owned());
        args
    }

    /// Returns the arguments of an `sftp` over our master that reads its commands from stdin, by hand.
    pub fn sftp(&self) -> Vec<String> {
        self.client("sftp", &["-o", &format!("ControlPath={}", self.socket()), "-b", "-"])
    }

    /// Returns the arguments that give our master a command (`check`, `exit`).
    pub fn control(&self, command: &str) -> Vec<String> {
        self.client("ssh", &["-S", &self.socket(), "-O", command])
    }
}

/// Returns the command line that launches a master, for a person to paste.
pub fn launch_line(args: &SshArgs) -> String {
    shell_quoting::quote_all(args.launch())
}
