//! The ssh master of one host: launched with the system's `ssh` or adopted from the user, and ended if it is ours.
//!
//! The `openssh` crate's own launch is not used: it would override the user's `StrictHostKeyChecking` and hide the
//! user's own master. Limits: an inner `ssh` of ProxyJump gets none of our options, so it runs without a terminal to ask
//! at.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use openssh::Session;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::diagnose::{self, ConnectError};
use super::socket::MasterLock;
use super::ssh_args::SshArgs;
use super::{Remote, fetch, sftp, shell};
use crate::disk::run_blocking;
use crate::outcome::Cause;
use crate::shell_quoting;

/// How long a master may take to answer, or to go.
const PATIENCE: Duration = Duration::from_secs(5);

/// The most of what ssh said that is read.
const LOG: u64 = 16 * 1024;

/// Whose the master is.
pub(super) enum Master {
    /// Ours; kept for the next command where we have a claim on it.
    Own(Box<SshArgs>, Option<MasterLock>),
    /// The user's: left as it was found.
    Adopted,
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

impl Remote {
    /// Adopts the user's live master, takes up one that was kept, or makes one try to launch our own.
    ///
    /// # Errors
    /// Why ssh made no connection, in its own words.
    pub async fn connect(plan: SshArgs) -> Result<Self, ConnectError> {
        let theirs = plan.control.theirs.clone().filter(|socket| socket.exists());
        if let Some(session) = pending(theirs.as_deref()).await {
            return Ok(Self::over(session));
        }
        let (plan, claim) = claimed(plan).await;
        let taken_up = if claim.is_some() { Self::take_up(&plan).await } else { None };
        let mut remote = match taken_up {
            Some(remote) => remote,
            None => {
                launch(&plan).await?;
                Self::over(attach(&plan.control.ours.path))
            }
        };
        remote.master = Master::Own(Box::new(plan), claim);
        remote.stale = theirs;
        Ok(remote)
    }

    /// Whether the connection is the user's own.
    pub fn adopted(&self) -> bool {
        matches!(self.master, Master::Adopted)
    }

    /// The user's socket for this host, if nobody answers there.
    pub fn stale(&self) -> Option<&Path> {
        self.stale.as_deref()
    }

    /// The master that an earlier command kept, if it still leads to the host. One that does not makes room.
    async fn take_up(plan: &SshArgs) -> Option<Self> {
        let socket = &plan.control.ours.path;
        if !socket.exists() {
            return None;
        }
        if let Some(session) = pending(Some(socket)).await {
            let remote = Self::over(session);
            // The master answers by itself, even where the link is dead. What the visit needs anyway is opened with it.
            let answered = async { tokio::join!(remote.run_in_shell(":", 0), remote.offers_sftp()).0 };
            if let Ok(Ok(_)) = timeout(plan.connect_timeout, answered).await {
                return Some(remote);
            }
        }
        exit(plan).await;
        let _gone_with_its_master = std::fs::remove_file(socket);
        None
    }

    /// A host over a master that is not ours to end, until more is known of it.
    fn over(session: Session) -> Self {
        let session = Arc::new(session);
        Self {
            session,
            master: Master::Adopted,
            word: shell_quoting::mark(),
            sftp: sftp::Slot::default(),
            prefetched: fetch::Prefetched::default(),
            large: tokio::sync::Mutex::default(),
            shell: shell::Slot::default(),
            unclean: false.into(),
            stale: None,
        }
    }
}

impl Master {
    /// Ends our own master: at once if a channel was left open, else by asking it to stop listening, which ends it
    /// with its last channel and costs no process. One that is kept stays.
    pub(super) async fn end(self, session: Arc<Session>, unclean: bool) {
        let Self::Own(plan, claim) = self else { return };
        if claim.is_some() && !unclean {
            return;
        }
        drop(session);
        let again = attach(&plan.control.ours.path);
        let asked = !unclean && matches!(timeout(PATIENCE, again.close()).await, Ok(Ok(())));
        if !asked && plan.control.ours.path.exists() {
            exit(&plan).await;
        }
    }
}

/// Tells our master to exit.
async fn exit(plan: &SshArgs) {
    let mut exit = command(&plan.control_command("exit"));
    exit.stderr(Stdio::null());
    // A master that does not answer ends by ControlPersist, or with its link.
    let _ended_or_not = timeout(PATIENCE, exit.status()).await;
}

/// The master behind a socket, whether or not it lives.
fn attach(socket: &Path) -> Session {
    Session::resume_mux(socket.to_owned().into_boxed_path(), None)
}

/// The master behind a socket, if it answers.
async fn pending(socket: Option<&Path>) -> Option<Session> {
    let session = attach(socket?);
    matches!(timeout(PATIENCE, session.check()).await, Ok(Ok(()))).then_some(session)
}

/// The plan over the master that is to be kept, with the right to it; the plan as it is where there is none.
async fn claimed(plan: SshArgs) -> (SshArgs, Option<MasterLock>) {
    let Some(kept) = plan.persistent_master() else { return (plan, None) };
    let socket = kept.control.ours.path.clone();
    match run_blocking(move || Ok(MasterLock::on(&socket))).await {
        Ok(Some(claim)) => (kept, Some(claim)),
        Ok(None) | Err(_) => (plan, None),
    }
}

/// One try to launch our master. ssh goes to the background once it is connected and listening.
async fn launch(plan: &SshArgs) -> Result<(), ConnectError> {
    let failed = |error: &io::Error| ConnectError {
        cause: Cause::Other,
        message: format!("ssh cannot be started: {error}"),
        hint: Some("is OpenSSH's client installed, and in PATH?".to_owned()),
        transient: false,
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
        Ok(Ok(_)) => Err(diagnose::read(&plan.host, &said)),
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
fn too_slow(plan: &SshArgs, said: &[u8]) -> ConnectError {
    let time = humantime::format_duration(plan.connect_timeout);
    let mut refusal = diagnose::read(&plan.host, said);
    if said.trim_ascii().is_empty() || refusal.cause == Cause::Other {
        refusal.hint = Some("is the host up and not overloaded? connect_timeout allows more time".to_owned());
    }
    ConnectError {
        cause: Cause::ConnectTimeout,
        message: format!("no connection within {time}"),
        transient: true,
        ..refusal
    }
}
