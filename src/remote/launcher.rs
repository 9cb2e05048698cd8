//! Starts the launcher as the user who runs the script, and waits until it is ready.
//!
//! Before *go* nothing runs, whatever is cut: the launcher only waits. What sudo, su, PAM and the profile print
//! before it is ready are the last words that say why it did not become so. Limits: that something waits for a
//! password is read from a last line that asks for one; else only the time tells.

use std::time::Duration;

use openssh::Stdio;
use tokio::time::{Instant, sleep_until, timeout};

use super::channel::Channel;
use super::diagnose::join_words;
use super::protocol::{Item, LAUNCHER_NUMBER, Message, Stream};
use super::shell::SHELL;
use super::{Remote, RemoteError, Shell};

/// The time in which the other stream must follow once one said that the script ended, or that the launcher is ready,
/// counted from its last byte.
pub(super) const OTHER_STREAM: Duration = Duration::from_millis(500);

/// The end of a launcher that did not become ready. The script did not begin.
#[derive(Debug)]
pub enum NotReady {
    /// sudo, su, PAM or a profile ended before it, with this status.
    Ended(i32, LastWords),
    /// Something waits, or nothing came within `start_timeout`.
    Waits(LastWords),
    /// The launcher on the host speaks a protocol of another number.
    OtherNumber(u32),
    /// The connection broke.
    Remote(RemoteError),
}

/// The last words of both streams, bounded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LastWords {
    /// Of standard output.
    pub stdout: Vec<u8>,
    /// Of standard error.
    pub stderr: Vec<u8>,
}

impl LastWords {
    pub(super) fn of(channel: &Channel) -> Self {
        Self { stdout: channel.tail(Stream::Stdout).to_vec(), stderr: channel.tail(Stream::Stderr).to_vec() }
    }

    /// Joins what both streams said; the end is that of standard error.
    pub fn join(&self) -> Vec<u8> {
        join_words(&self.stdout, &self.stderr)
    }

    /// Checks whether the last line is su's own question: it asks nobody where PAM lets root pass.
    pub fn are_a_question_of_su(&self) -> bool {
        let text = String::from_utf8_lossy(&self.join()).to_lowercase();
        text.lines().last().is_some_and(|line| ["password:", "mot de passe :"].contains(&line.trim()))
    }

    /// Checks whether somebody asks for a password: a last line without an end, as PAM writes it.
    fn ask_for_password(&self) -> bool {
        [&self.stdout, &self.stderr].into_iter().any(|text| {
            let line = text.rsplit(|b| *b == b'\n').next().unwrap_or_default();
            let line = String::from_utf8_lossy(line).trim_end().to_lowercase();
            line.ends_with(':') && (line.contains("password") || line.contains("mot de passe"))
        })
    }
}

/// The streams on which the launcher said that it is ready: a profile may have redirected the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Live {
    /// Both.
    Both,
    /// This one alone.
    Only(Stream),
}

impl Live {
    pub(super) fn has(self, stream: Stream) -> bool {
        self == Self::Both || self == Self::Only(stream)
    }
}

/// A command that starts the launcher.
#[derive(Debug, Clone)]
pub struct LauncherCommand {
    /// The command line for the login user's shell.
    pub line: String,
    /// The number of arguments that the launcher gets: the script and its own.
    pub arguments: usize,
    /// The longest time until it is ready.
    pub limit: Duration,
}

/// The launcher's shell.
pub struct LauncherShell<'a> {
    /// The shell, which lists and sends files.
    pub shell: Shell,
    pub(super) remote: &'a Remote,
    command: LauncherCommand,
    /// The streams that reach us.
    pub live: Live,
}

impl Remote {
    /// Starts the launcher and waits until it is ready.
    ///
    /// # Errors
    /// It did not become ready in time.
    pub async fn start_launcher(&self, command: LauncherCommand) -> Result<LauncherShell<'_>, NotReady> {
        let shell = self.take_shell().await.map_err(NotReady::Remote)?;
        self.start_launcher_in(shell.channel, command).await
    }

    async fn start_launcher_in(
        &self,
        mut channel: Channel,
        command: LauncherCommand,
    ) -> Result<LauncherShell<'_>, NotReady> {
        channel.await_ready();
        channel.send(&channel.marker.execute_line(&command.line)).await.map_err(NotReady::Remote)?;
        let live = wait_until_ready(&mut channel, command.arguments, command.limit).await?;
        let answers = if live.has(Stream::Stdout) { Stream::Stdout } else { Stream::Stderr };
        Ok(LauncherShell { shell: Shell { channel, answers }, remote: self, command, live })
    }
}

/// Waits for the launcher's first line, on both streams where both reach us.
async fn wait_until_ready(
    channel: &mut Channel,
    arguments: usize,
    limit: Duration,
) -> Result<Live, NotReady> {
    let deadline = Instant::now() + limit;
    let mut live: Option<Live> = None;
    loop {
        // The second line follows the first at once, but behind all that the profile still has on that stream.
        let patience = if live.is_some() { Instant::now() + OTHER_STREAM } else { deadline };
        let item = tokio::select! {
            biased;
            item = channel.next() => item,
            () = sleep_until(patience.min(deadline)) => match live {
                Some(live) => return Ok(live),
                None => return Err(NotReady::Waits(LastWords::of(channel))),
            },
        };
        match item {
            Some((stream, Item::Ready(number, count))) => match live {
                _ if number != LAUNCHER_NUMBER => return Err(NotReady::OtherNumber(number)),
                // Words that look like ours, from somebody else.
                _ if count != arguments => {}
                Some(Live::Only(first)) if first != stream => return Ok(Live::Both),
                _ => live = Some(Live::Only(stream)),
            },
            Some((_, Item::Message(Message::Login(status)))) => {
                return Err(ended(channel, status).await);
            }
            // The login user's shell tells of every end but that of the connection.
            None => return Err(NotReady::Remote(RemoteError::ended_early())),
            Some((_, Item::Text(_))) if live.is_none() && LastWords::of(channel).ask_for_password() => {
                return Err(NotReady::Waits(LastWords::of(channel)));
            }
            Some(_) => {}
        }
    }
}

/// Reads what is still said after the execute line ended: its words may be on the other stream.
async fn ended(channel: &mut Channel, status: i32) -> NotReady {
    let rest = async { while channel.next().await.is_some() {} };
    let _all_or_some = timeout(OTHER_STREAM, rest).await;
    NotReady::Ended(status, LastWords::of(channel))
}

impl<'a> LauncherShell<'a> {
    /// Starts the launcher on a channel of its own; none if the host allows no further session.
    pub(super) async fn open_another(&self) -> Result<Option<LauncherShell<'a>>, RemoteError> {
        let channel = match self.remote.spawn_once(SHELL, Stdio::piped()).await {
            Ok(child) => Channel::new(child, &self.remote.channel_left_open)?,
            Err(RemoteError::SessionRefused) => return Ok(None),
            Err(error) => return Err(error),
        };
        match self.remote.start_launcher_in(channel, self.command.clone()).await {
            Ok(other) if other.shell.answers == Stream::Stdout => Ok(Some(other)),
            Ok(_) | Err(NotReady::Ended(..) | NotReady::Waits(_) | NotReady::OtherNumber(_)) => Ok(None),
            Err(NotReady::Remote(error)) => Err(error),
        }
    }
}
