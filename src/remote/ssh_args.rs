//! The argument lists of `ssh` and `sftp` for one host: to launch a master, to use it by hand, to end it.
//!
//! Nothing of the user's ssh_config is weakened: what is added turns off prompts and forwardings and bounds waits.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::socket::HostSockets;
use crate::hostset::HostName;
use crate::shell_quoting;

/// The version of this machine's OpenSSH.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SshVersion(u32, u32);

/// The first version that knows `RemoteCommand`.
const KNOWS_REMOTE_COMMAND: SshVersion = SshVersion(7, 6);

impl SshVersion {
    /// Asks `ssh -V`, once a run. What does not answer like OpenSSH counts as a new one.
    pub async fn get() -> Self {
        static VERSION: OnceCell<SshVersion> = OnceCell::const_new();
        let ask = || async {
            let mut ssh = Command::new("ssh");
            let output = ssh.arg("-V").stdin(Stdio::null()).kill_on_drop(true).output();
            let output = timeout(Duration::from_secs(5), output).await.ok().and_then(Result::ok);
            output.and_then(|output| Self::parse(&output.stderr)).unwrap_or(KNOWS_REMOTE_COMMAND)
        };
        *VERSION.get_or_init(ask).await
    }

    /// Parses `OpenSSH_7.4p1, OpenSSL …`.
    fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?.trim_start().strip_prefix("OpenSSH_")?;
        let mut numbers = text.split(|c: char| !c.is_ascii_digit());
        Some(Self(numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    }
}

/// All that is needed to reach one host.
#[derive(Debug, Clone)]
pub struct SshArgs {
    /// The host's alias in ssh_config.
    pub host: HostName,
    /// Its jump hosts, if it has any: `ProxyJump`.
    pub jump: Option<String>,
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
        args.extend(self.files());
        args.extend(arguments.iter().map(ToString::to_string));
        args.extend(["--".to_owned(), self.host.to_string()]);
        args
    }

    /// Returns the options that name the configuration and the key.
    fn files(&self) -> Vec<String> {
        let paths = [("-F", &self.config), ("-i", &self.identity)];
        let given = paths.into_iter().filter_map(|(flag, path)| Some((flag, path.as_ref()?)));
        given.flat_map(|(flag, path)| [flag.to_owned(), path.to_string_lossy().into_owned()]).collect()
    }

    /// Returns the options that lead to the host by hand, with a space behind if there are any.
    pub(super) fn options_by_hand(&self) -> String {
        let options = shell_quoting::quote_all(self.files());
        if options.is_empty() { options } else { format!("{options} ") }
    }

    /// Returns the path of our control socket.
    fn socket(&self) -> String {
        self.sockets.own.path.to_string_lossy().into_owned()
    }

    /// Returns the arguments that launch our master.
    pub(super) fn launch(&self, version: SshVersion) -> Vec<String> {
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
        let off = ["-o", "ClearAllForwardings=yes", "-o", "PermitLocalCommand=no"];
        let no_command: &[&str] =
            if version < KNOWS_REMOTE_COMMAND { &[] } else { &["-o", "RemoteCommand=none"] };
        // A user's LogLevel QUIET would hide why a connection failed.
        let log = ["-o", "LogLevel=INFO"];
        self.client("ssh", &[&master[..], &limits, keepalive, &off, no_command, &log].concat())
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
pub fn launch_line(args: &SshArgs, version: SshVersion) -> String {
    shell_quoting::quote_all(args.launch(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_what_distributions_print() {
        for (text, version) in [
            ("OpenSSH_7.4p1, OpenSSL 1.0.2k-fips  26 Jan 2017\n", Some((7, 4))),
            ("OpenSSH_9.2p1 Debian-2+deb12u10, OpenSSL 3.0.19\n", Some((9, 2))),
            ("OpenSSH_10.0p2 Debian-7, OpenSSL 3.5.1\n", Some((10, 0))),
            ("Sun_SSH_1.1.5\n", None),
        ] {
            let version = version.map(|(major, minor)| SshVersion(major, minor));
            assert_eq!(SshVersion::parse(text.as_bytes()), version, "{text}");
        }
        assert!(SshVersion(7, 4) < KNOWS_REMOTE_COMMAND && KNOWS_REMOTE_COMMAND <= SshVersion(10, 0));
    }
}
