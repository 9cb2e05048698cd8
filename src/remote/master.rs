//! The ssh master of one host: launched with the system's `ssh` or adopted from the user, and ended if it is ours.
//!
//! The `openssh` crate's own launch is not used: it would override the user's `StrictHostKeyChecking` and hide the
//! user's own master. Here nothing of the ssh_config is weakened: what is added turns off prompts and forwardings and
//! bounds waits. Limits: an inner `ssh` of ProxyJump gets none of our options, so it runs without a terminal to ask at.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use openssh::Session;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::ssh_text::{self, Refusal};
use super::{Remote, fetch, helper, sftp};
use crate::outcome::Cause;
use crate::shell;

/// How long our own master outlives its last use when nobody is left to end it.
const PERSIST: &str = "60s";

/// How long a master may take to answer, or to go.
const PATIENCE: Duration = Duration::from_secs(5);

/// The most of what ssh said that is read.
const LOG: u64 = 16 * 1024;

/// Where the user's ssh_config places sockets, and where ours go.
#[derive(Debug, Clone)]
pub struct Control {
    /// The user's own socket for this host, if ssh_config names one.
    pub theirs: Option<PathBuf>,
    /// A path for ours: unused, short, in a private folder.
    pub ours: PathBuf,
}

/// All that is needed to reach one host.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The host, as ssh knows it.
    pub host: String,
    /// For `ssh -F`.
    pub config: Option<PathBuf>,
    /// For `ssh -i`.
    pub identity: Option<PathBuf>,
    /// TCP, key exchange and authentication together.
    pub connect_timeout: Duration,
    /// Whether ssh_config leaves a dead link unnoticed for more than a minute.
    pub keepalive: bool,
    /// The sockets.
    pub control: Control,
}

/// Whose the master is.
pub(super) enum Master {
    /// Ours, behind this socket.
    Own(Plan),
    /// The user's: left as it was found.
    Adopted,
}

impl Plan {
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
    fn launch(&self) -> Vec<String> {
        let mut words = self.client("ssh");
        words.extend(["-M", "-N", "-f", "-T", "-a", "-x", "-S"].map(str::to_owned));
        words.push(self.control.ours.to_string_lossy().into_owned());
        let mut option = |text: String| words.extend(["-o".to_owned(), text]);
        option("BatchMode=yes".to_owned());
        option(format!("ControlPersist={PERSIST}"));
        option(format!("ConnectTimeout={}", self.connect_timeout.as_secs().max(1)));
        option("ConnectionAttempts=1".to_owned());
        if self.keepalive {
            option("ServerAliveInterval=15".to_owned());
            option("ServerAliveCountMax=3".to_owned());
        }
        option("ClearAllForwardings=yes".to_owned());
        option("PermitLocalCommand=no".to_owned());
        option("RemoteCommand=none".to_owned());
        words.extend(["--".to_owned(), self.host.clone()]);
        words
    }

    /// The words that run `line` through our master, by hand.
    pub fn through(&self, line: &str) -> Vec<String> {
        let socket = self.control.ours.to_string_lossy().into_owned();
        let mut words = self.client("ssh");
        words.extend(["-S".to_owned(), socket, "-T".to_owned(), "--".to_owned(), self.host.clone()]);
        words.push(line.to_owned());
        words
    }

    /// The words that feed commands to sftp through our master, by hand.
    pub fn sftp(&self) -> Vec<String> {
        let mut words = self.client("sftp");
        let socket = format!("ControlPath={}", self.control.ours.display());
        words.extend(["-o".to_owned(), socket, "-b".to_owned(), "-".to_owned()]);
        words.extend(["--".to_owned(), self.host.clone()]);
        words
    }

    /// The words that give our master the order `order` (`check`, `exit`).
    pub fn order(&self, order: &str) -> Vec<String> {
        let mut words = self.client("ssh");
        let socket = self.control.ours.to_string_lossy().into_owned();
        words.extend(["-S".to_owned(), socket, "-O".to_owned(), order.to_owned()]);
        words.extend(["--".to_owned(), self.host.clone()]);
        words
    }
}

/// Whether control sockets in this folder have paths that a socket may have: ssh adds 17 bytes while it makes one.
pub fn fits(folder: &Path) -> bool {
    folder.as_os_str().len() + "/100000".len() + 17 <= 107
}

/// Ends every master of ours whose socket is in this folder, at once, within `time` in all.
pub async fn end_all(folder: &Path, time: Duration) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let sockets = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_socket()));
    let orders = sockets.map(|entry| async move {
        let socket = entry.path().to_string_lossy().into_owned();
        let words = ["ssh", "-F", "none", "-S", &socket, "-O", "exit", "--", "none"].map(str::to_owned);
        // One that does not answer ends by ControlPersist.
        let _ended_or_not = command(&words).stderr(Stdio::null()).status().await;
    });
    let _all_or_some = timeout(time, futures_util::future::join_all(orders)).await;
}

/// The line that launches a master, for a person to paste.
pub fn launch_line(plan: &Plan) -> String {
    shell::line(plan.launch())
}

impl Remote {
    /// Adopts the user's live master, or makes one try to launch our own.
    ///
    /// # Errors
    /// Why ssh made no connection, in its own words.
    pub async fn connect(plan: Plan) -> Result<Self, Refusal> {
        if let Some(session) = adopt(plan.control.theirs.as_deref()).await {
            return Ok(Self::over(session, Master::Adopted));
        }
        launch(&plan).await?;
        let session = Session::resume_mux(plan.control.ours.clone().into_boxed_path(), None);
        Ok(Self::over(session, Master::Own(plan)))
    }

    /// Whether the connection is the user's own.
    pub fn adopted(&self) -> bool {
        matches!(self.master, Master::Adopted)
    }

    fn over(session: Session, master: Master) -> Self {
        let session = Arc::new(session);
        Self {
            session,
            master,
            word: shell::mark(),
            sftp: sftp::Slot::default(),
            along: fetch::Along::default(),
            large: tokio::sync::Mutex::default(),
            helper: helper::Slot::default(),
            unclean: false.into(),
        }
    }
}

impl Master {
    /// Ends our own master: at once if a channel was left open, else by asking it to stop listening, which ends it
    /// with its last channel and costs no process.
    pub(super) async fn end(self, session: Arc<Session>, unclean: bool) {
        let Self::Own(plan) = self else { return };
        drop(session);
        let again = Session::resume_mux(plan.control.ours.clone().into_boxed_path(), None);
        let asked = !unclean && matches!(timeout(PATIENCE, again.close()).await, Ok(Ok(())));
        if !asked && plan.control.ours.exists() {
            let mut exit = command(&plan.order("exit"));
            exit.stderr(Stdio::null());
            // A master that does not answer ends by ControlPersist, or with its link.
            let _ended_or_not = timeout(PATIENCE, exit.status()).await;
        }
    }
}

/// The user's master, if there is one and it answers.
async fn adopt(theirs: Option<&Path>) -> Option<Session> {
    let socket = theirs.filter(|socket| socket.exists())?;
    let session = Session::resume_mux(socket.to_owned().into_boxed_path(), None);
    matches!(timeout(PATIENCE, session.check()).await, Ok(Ok(()))).then_some(session)
}

/// One try to launch our master. ssh goes to the background once it is connected and listening.
async fn launch(plan: &Plan) -> Result<(), Refusal> {
    let failed = |error: &io::Error| Refusal {
        cause: Cause::Other,
        message: format!("ssh cannot be started: {error}"),
        hint: Some("is OpenSSH's client installed, and in PATH?".to_owned()),
        passing: false,
    };
    // Neither a pipe, whose end a living master would keep from coming, nor a file on a disk that may be full.
    let (mut child, log) = memfd_create("ssh", MFdFlags::MFD_CLOEXEC)
        .map_err(io::Error::from)
        .and_then(|memory| {
            let log = File::from(memory);
            let mut ssh = command(&plan.launch());
            alone(&mut ssh);
            Ok((ssh.stderr(log.try_clone()?).spawn()?, log))
        })
        .map_err(|error| failed(&error))?;
    let ended = timeout(plan.connect_timeout, child.wait()).await;
    let said = read_log(log);
    match ended {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(_)) => Err(ssh_text::read(&plan.host, &said)),
        Ok(Err(error)) => Err(failed(&error)),
        Err(_) => {
            kill(&mut child).await;
            Err(too_slow(plan, &said))
        }
    }
}

/// A program with nothing to read, nothing to print to, and no way to outlive us by accident.
fn command(words: &[String]) -> Command {
    let (program, arguments) = words.split_first().map_or(("ssh", words), |(p, rest)| (p.as_str(), rest));
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    // Nobody is there to answer: neither at the terminal nor at a window.
    command.env("SSH_ASKPASS_REQUIRE", "never");
    command
}

/// Whether we have a terminal that what we start could read from.
static TERMINAL: LazyLock<bool> = LazyLock::new(|| File::open("/dev/tty").is_ok());

/// A session of its own, without a terminal: a Ctrl-C at ours does not reach it, and no jump host can ask there. Where
/// there is none anyway, a process group does, which spares a copy of our memory for each ssh.
#[expect(
    unsafe_code,
    reason = "std has no stable setsid; the call is async-signal-safe and allocates nothing"
)]
fn alone(command: &mut Command) {
    if !*TERMINAL {
        command.process_group(0);
        return;
    }
    // SAFETY: setsid(2) is async-signal-safe, and the closure touches no memory of the parent.
    unsafe { command.pre_exec(|| nix::unistd::setsid().map(drop).map_err(io::Error::from)) };
}

/// Kills an ssh that did not connect in time, with the proxies it started.
async fn kill(child: &mut Child) {
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        // It leads its own process group. It may just have gone.
        let _gone_or_killed = killpg(Pid::from_raw(pid), Signal::SIGKILL);
    }
    let _reaped = timeout(PATIENCE, child.wait()).await;
}

/// What ssh wrote, bounded.
fn read_log(mut log: File) -> Vec<u8> {
    let mut said = Vec::new();
    let _partial_is_fine = log.rewind().and_then(|()| log.take(LOG).read_to_end(&mut said));
    said
}

/// The refusal of a host that let the time for connecting pass.
fn too_slow(plan: &Plan, said: &[u8]) -> Refusal {
    let time = humantime::format_duration(plan.connect_timeout);
    let mut refusal = ssh_text::read(&plan.host, said);
    if said.trim_ascii().is_empty() || refusal.cause == Cause::Other {
        refusal.hint = Some("is the host up and not overloaded? connect_timeout allows more time".to_owned());
    }
    Refusal {
        cause: Cause::ConnectTimeout,
        message: format!("no connection within {time}"),
        passing: true,
        ..refusal
    }
}
