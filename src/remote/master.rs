//! The ssh master of one host: launched with the system's `ssh` or adopted from the user, and ended if it is ours.
//!
//! The `openssh` crate's own launch is not used: it would override the user's `StrictHostKeyChecking` and hide the
//! user's own master. Limits: the inner `ssh` of a ProxyJump gets none of our options (neither BatchMode nor a time
//! limit), so it runs without a terminal to ask at, and the outer limit ends it.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use openssh::Session;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::Remote;
use super::diagnose::{ConnectError, Diagnosis, Evidence, diagnose};
use super::greeting::ask_greeting;
use super::proxy::keep_words;
use super::socket::MasterLock;
use super::ssh_args::{SshArgs, SshVersion};
use crate::disk::run_blocking;
use crate::message::VisitMessage;
use crate::outcome::{Cause, Step};

/// The longest time that a master may take to answer on its control socket, or to end.
const CONTROL_TIMEOUT: Duration = Duration::from_secs(5);

/// The most bytes that are read of what ssh printed.
const STDERR_MAX: u64 = 16 * 1024;

/// The owner of a master.
pub(super) enum Master {
    /// We do; it is persistent where we hold its lock.
    Own(Box<SshArgs>, Option<MasterLock>),
    /// The user does: it is left as it was found.
    Adopted,
}

/// Ends every master of ours whose socket is in this folder, at once, within `time` in all.
pub async fn end_all(folder: &Path, time: Duration) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let sockets = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_socket()));
    let exits = sockets.map(|entry| async move {
        let socket = entry.path().to_string_lossy().into_owned();
        let args = ["ssh", "-F", "none", "-S", &socket, "-O", "exit", "--", "none"].map(str::to_owned);
        // One that does not answer ends by ControlPersist.
        let _ended_or_not = silent_command(&args).stderr(Stdio::null()).status().await;
    });
    let _all_or_some = timeout(time, futures_util::future::join_all(exits)).await;
}

impl Remote {
    /// Connects to a host: adopts the user's live master, reuses a persistent one, or makes one attempt to launch
    /// ours.
    ///
    /// # Errors
    /// Why ssh made no connection, in its own words.
    pub async fn connect(args: SshArgs) -> Result<Self, ConnectError> {
        let user_socket = args.sockets.user.clone().filter(|socket| socket.exists());
        if let Some(session) = live_session(user_socket.as_deref()).await {
            return Ok(Self::adopt(session));
        }
        let (args, lock) = lock_persistent_master(args).await;
        let reused = if lock.is_some() { Self::reuse_persistent_master(&args).await } else { None };
        let mut remote = match reused {
            Some(remote) => remote,
            None => {
                launch(&args).await?;
                Self::adopt(session_at(&args.sockets.own.path))
            }
        };
        remote.master = Master::Own(Box::new(args), lock);
        remote.stale_socket = user_socket;
        Ok(remote)
    }

    /// Checks whether the connection is the user's own.
    pub fn is_adopted(&self) -> bool {
        matches!(self.master, Master::Adopted)
    }

    /// Reuses the master that an earlier command left, if it still leads to the host; else ends it.
    async fn reuse_persistent_master(args: &SshArgs) -> Option<Self> {
        let socket = &args.sockets.own.path;
        if !socket.exists() {
            return None;
        }
        if let Some(session) = live_session(Some(socket)).await {
            let remote = Self::adopt(session);
            // The master answers by itself, even where its link is dead: only an answer of the host counts. What the
            // visit needs anyway is opened for that.
            let answered = async { tokio::join!(remote.run_in_shell(&[], ":", 0), remote.sftp()).0 };
            if let Ok(Ok(_)) = timeout(args.connect_timeout, answered).await {
                return Some(remote);
            }
        }
        exit_master(args).await;
        let _removed_by_its_master = std::fs::remove_file(socket);
        None
    }

    /// Makes a connected host from a master that is the user's, until the caller says that it is ours.
    fn adopt(session: Session) -> Self {
        Self {
            session: Arc::new(session),
            master: Master::Adopted,
            sftp: Default::default(),
            shell: Default::default(),
            channel_left_open: Arc::default(),
            stale_socket: None,
        }
    }
}

impl Master {
    /// Ends our own master, unless it is persistent and clean.
    ///
    /// `close` asks it to stop listening: it then ends by itself with its last channel, and no process is started for
    /// that. With a channel left open it would live on as long as that command runs on the host, so `close` is
    /// skipped and `ssh -O exit` ends it at once.
    pub(super) async fn end(self, session: Arc<Session>, channel_left_open: bool) {
        let Self::Own(args, lock) = self else { return };
        if lock.is_some() && !channel_left_open {
            return;
        }
        drop(session);
        let socket = &args.sockets.own.path;
        let closing = session_at(socket).close();
        let closed = !channel_left_open && matches!(timeout(CONTROL_TIMEOUT, closing).await, Ok(Ok(())));
        if !closed && socket.exists() {
            exit_master(&args).await;
        }
    }
}

/// Tells our master to exit at once.
async fn exit_master(args: &SshArgs) {
    let mut exit = silent_command(&args.control("exit"));
    exit.stderr(Stdio::null());
    // A master that does not answer ends by ControlPersist, or with its link.
    let _ended_or_not = timeout(CONTROL_TIMEOUT, exit.status()).await;
}

/// Returns the session of the master at a control socket, whether or not it lives.
fn session_at(socket: &Path) -> Session {
    Session::resume_mux(socket.to_owned().into_boxed_path(), None)
}

/// Returns the session of the master at a control socket, if it answers.
async fn live_session(socket: Option<&Path>) -> Option<Session> {
    let session = session_at(socket?);
    matches!(timeout(CONTROL_TIMEOUT, session.check()).await, Ok(Ok(()))).then_some(session)
}

/// Locks the persistent master of a host, if there is to be one, and returns the arguments that lead over it. Where
/// another visit holds the lock, returns the arguments as they are.
async fn lock_persistent_master(args: SshArgs) -> (SshArgs, Option<MasterLock>) {
    let Some(persistent) = args.with_persistent_master() else { return (args, None) };
    let socket = persistent.sockets.own.path.clone();
    match run_blocking(move || Ok(MasterLock::try_acquire(&socket))).await {
        Ok(Some(lock)) => (persistent, Some(lock)),
        Ok(None) | Err(_) => (args, None),
    }
}

/// Makes one attempt to launch our master. ssh goes to the background once it is connected and listening.
async fn launch(args: &SshArgs) -> Result<(), ConnectError> {
    let not_started = |error: io::Error| Diagnosis {
        cause: Cause::Other,
        words: VisitMessage::SshNotStarted { error: error.to_string() },
        hint: VisitMessage::IsSshInstalled,
        transient: false,
    };
    let (mut child, words) = start(args, SshVersion::get().await).map_err(not_started)?;
    let ended = timeout(args.connect_timeout, child.wait()).await;
    let [ssh, proxy] = words.map(read_words);
    match ended {
        Ok(Ok(status)) if status.success() => return Ok(()),
        Ok(Ok(_)) => {}
        Ok(Err(error)) => return Err(not_started(error).into()),
        Err(_) => kill(&mut child).await,
    }
    let known = Evidence {
        host: &args.host,
        options: &args.options_by_hand(),
        jump: args.jump.as_deref(),
        stderr: &proxy,
        ssh: &ssh,
        ..Evidence::default()
    };
    if ended.is_err() {
        return Err(timed_out(args, &known).into());
    }
    let greeting = ask_greeting(&[&proxy[..], &ssh].concat()).await;
    Err(diagnose(Step::Connect, &Evidence { stdout: &greeting, ..known }).into())
}

/// Starts ssh. It and its proxies write their messages into memory: not into a pipe, which the master in the
/// background would keep open, so that it never ends; nor into a file on a disk that may be full.
fn start(args: &SshArgs, version: SshVersion) -> io::Result<(Child, [File; 2])> {
    let memory = || {
        io::Result::Ok(File::from(memfd_create("ssh", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?))
    };
    let words = [memory()?, memory()?];
    let mut ssh = silent_command(&args.launch(version));
    detach_from_terminal(&mut ssh);
    keep_words(&mut ssh, &words[1], args.connect_timeout);
    Ok((ssh.stderr(words[0].try_clone()?).spawn()?, words))
}

/// Makes a command without stdin and stdout that is killed if we stop waiting for it.
fn silent_command(args: &[String]) -> Command {
    let (program, arguments) = args.split_first().map_or(("ssh", args), |(p, rest)| (p.as_str(), rest));
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    // Nobody is there to answer a prompt, neither at the terminal nor at a window.
    command.env("SSH_ASKPASS_REQUIRE", "never");
    command
}

/// Set if we have a terminal that a program of ours could read from.
static HAS_TERMINAL: LazyLock<bool> = LazyLock::new(|| File::open("/dev/tty").is_ok());

/// Puts a command into a session of its own (setsid), without a terminal: Ctrl-C at ours does not reach it, and the
/// inner ssh of a jump host cannot ask there. Where we have no terminal, a process group of its own is enough: it
/// needs no code between fork and exec, which spares a copy of our page tables for each ssh.
#[expect(
    unsafe_code,
    reason = "std has no stable setsid; the call is async-signal-safe and allocates nothing"
)]
fn detach_from_terminal(command: &mut Command) {
    if !*HAS_TERMINAL {
        command.process_group(0);
        return;
    }
    // SAFETY: setsid(2) is async-signal-safe, and the closure touches no memory of the parent.
    unsafe { command.pre_exec(|| nix::unistd::setsid().map(drop).map_err(io::Error::from)) };
}

/// Kills an ssh that did not connect in time, with the proxies that it started.
async fn kill(child: &mut Child) {
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        // It leads its own process group. It may just have ended.
        let _ended_or_killed = killpg(Pid::from_raw(pid), Signal::SIGKILL);
    }
    let _reaped = timeout(CONTROL_TIMEOUT, child.wait()).await;
}

/// Reads what ssh or its proxies wrote, bounded. What they write later, as long as the master lives, is not kept.
fn read_words(mut memory: File) -> Vec<u8> {
    let mut words = Vec::new();
    let _partial_is_fine = memory.rewind().and_then(|()| (&memory).take(STDERR_MAX).read_to_end(&mut words));
    let _sealed_or_not = fcntl(&memory, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_GROW));
    words
}

/// Makes the error of a host that let `connect_timeout` pass. What ssh printed until then may give the better hint.
fn timed_out(args: &SshArgs, known: &Evidence<'_>) -> Diagnosis {
    let said = diagnose(Step::Connect, known);
    if said.cause == Cause::JumpFailed {
        return said;
    }
    let time = humantime::format_duration(args.connect_timeout).to_string();
    let hint = match said.hint {
        VisitMessage::RunSshVerbosely { .. } => VisitMessage::AllowMoreConnectTime,
        hint => hint,
    };
    let words = VisitMessage::NoConnection { time };
    Diagnosis { cause: Cause::ConnectTimeout, words, hint, transient: true }
}
