//! `recolte check` on one host: does what a run does, up to the word that lets the script begin.
//!
//! The script is uploaded, copied beside its place and read back, and removed again; the launcher is started as the
//! user who would run the script, and lists the files. Only the launcher's file stays. Limits: a host that is ready
//! now may not be so later.

use std::borrow::Borrow;

use super::connect::{connect, stale_socket_note};
use super::execute::{ask_sudo, list_before, redirection_note, start};
use super::install::{Purpose, install};
use super::{ConnectLimiter, failure, until_stopped};
use crate::event::Stop;
use crate::job::{Job, ReadAs, Script};
use crate::message::VisitMessage;
use crate::outcome::{Failure, HostReport, Step};
use crate::remote::{ControlSockets, LOOK_AT_INSTALL, LauncherShell, Remote};
use crate::shell_quoting;
use crate::ssh_config::Host;

/// The names of the checks of a host, in the order in which they are made.
pub const CHECKS: [&str; 7] = [
    "connect", // The network, the host key and the key.
    "shell",   // A login shell that prints nothing.
    "sftp",    // SFTP.
    "staging", // The staging folder.
    "install", // The install folder: the script, and the launcher.
    "sudo",    // The sudo rule, the user, and the user's profile.
    "files",   // The listing of the files to collect.
];

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckResult {
    /// All is as it must be.
    Passed,
    /// The job can be done, but this should be known.
    Noted(VisitMessage),
    /// The job cannot be done.
    Failed(Failure),
}

impl From<Option<VisitMessage>> for CheckResult {
    fn from(note: Option<VisitMessage>) -> Self {
        note.map_or(Self::Passed, Self::Noted)
    }
}

/// The results of a host.
#[derive(Debug, Clone)]
pub struct HostCheck {
    /// The report, as a run would make it.
    pub report: HostReport,
    /// The results of the checks that were made, in the order of [`CHECKS`].
    pub results: Vec<CheckResult>,
    /// The device and the inode of the install folder: several hosts may share one.
    pub install_folder: Option<String>,
}

impl From<HostReport> for HostCheck {
    fn from(report: HostReport) -> Self {
        Self { report, results: Vec::new(), install_folder: None }
    }
}

impl Borrow<HostReport> for HostCheck {
    fn borrow(&self) -> &HostReport {
        &self.report
    }
}

/// The state that the checks of all hosts share.
pub struct CheckContext {
    /// The job.
    pub job: Job,
    /// The places of our control sockets.
    pub sockets: ControlSockets,
    /// Limits how many connections are made at once.
    pub connect_limiter: ConnectLimiter,
    /// The request to stop.
    pub stop: Stop,
}

/// Checks one host.
pub async fn preflight(context: &CheckContext, host: Host, number: usize) -> HostCheck {
    let (mut results, mut install_folder) = (Vec::new(), None);
    let checks = check_all(context, &host, number, &mut results, &mut install_folder);
    let failure = until_stopped(&context.stop, Step::Connect, checks).await.err();
    let mut report = HostReport::new(host.alias);
    results.extend(failure.clone().map(CheckResult::Failed));
    report.end(failure);
    HostCheck { report, results, install_folder }
}

/// Makes the checks in their order, up to the first that fails.
async fn check_all(
    context: &CheckContext,
    host: &Host,
    number: usize,
    results: &mut Vec<CheckResult>,
    install_folder: &mut Option<String>,
) -> Result<(), Failure> {
    let CheckContext { job, sockets, connect_limiter, .. } = context;
    let remote = connect(&job.ssh, host, sockets, number, connect_limiter).await?;
    let adopted = remote.is_adopted().then_some(VisitMessage::MasterAdopted);
    results.push(stale_socket_note(&remote).or(adopted).into());
    let checked = check_connected(&remote, job, &host.alias, results, install_folder).await;
    remote.end().await;
    checked
}

async fn check_connected(
    remote: &Remote,
    job: &Job,
    host: &str,
    results: &mut Vec<CheckResult>,
    install_folder: &mut Option<String>,
) -> Result<(), Failure> {
    let script = &job.script;
    check_shell(remote).await?;
    results.push(CheckResult::Passed);
    let sftp = remote.sftp().await.map_err(|error| failure::from_error(Step::Upload, "", error))?.is_some();
    results.push((!sftp).then_some(VisitMessage::CheckedWithoutSftp).into());
    let secret = shell_quoting::random_marker();
    let staged = script.staged_path(&secret, host);
    check_staging(remote, script, &staged).await?;
    results.push(CheckResult::Passed);
    let installed =
        install(remote, script, &staged, script.temporary_path(&secret, host), Purpose::Check).await;
    if installed.is_err() {
        let _removed = remote.remove(&staged).await;
    }
    installed?;
    let (folder, note) = look_at_install(remote, script).await?;
    // Without a stat there is no answer.
    let no_stat = folder.is_empty();
    *install_folder = Some(folder);
    results.push(note.into());
    let (mut shell, note) = check_sudo(remote, script).await?;
    results.push(note.into());
    if job.read_as() == ReadAs::Login
        && let Some(shell) = shell.take()
    {
        shell.end().await;
    }
    list_before(remote, job, shell.as_mut()).await?;
    results.push(no_stat.then_some(VisitMessage::TimesByMinute).into());
    Ok(())
}

/// Checks that the login shell runs commands and prints nothing of its own.
async fn check_shell(remote: &Remote) -> Result<(), Failure> {
    remote.check_login().await.map_err(|error| failure::from_error(Step::Upload, "", error))
}

/// Checks the staging folder: uploads the script.
async fn check_staging(remote: &Remote, script: &Script, staged: &str) -> Result<(), Failure> {
    let uploaded = remote.upload(staged, &script.bytes).await;
    if uploaded.is_err() {
        let _removed = remote.remove(staged).await;
    }
    uploaded.map_err(|error| failure::from_error(Step::Upload, &script.staging, error))
}

/// Returns the device and the inode of the install folder, and a note if others may change what runs.
async fn look_at_install(
    remote: &Remote,
    script: &Script,
) -> Result<(String, Option<VisitMessage>), Failure> {
    let variables = [("d", script.install.as_bytes()), ("x", script.mode.as_bytes())];
    let failed = |error| failure::from_error(Step::Install, &script.install, error);
    let output = remote.run_in_shell(&variables, LOOK_AT_INSTALL, 4096).await.map_err(failed)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines = text.lines();
    let folder = lines.next().unwrap_or_default().to_owned();
    let others: usize = lines.next().and_then(|line| line.trim().parse().ok()).unwrap_or(0);
    let group_can_write = u32::from_str_radix(&script.mode, 8).is_ok_and(|mode| mode & 0o020 != 0);
    Ok((folder, (group_can_write && others > 0).then_some(VisitMessage::GroupCanWrite { others })))
}

/// Starts the launcher as a run does; without it, asks sudo about the bare command.
async fn check_sudo<'a>(
    remote: &'a Remote,
    script: &Script,
) -> Result<(Option<LauncherShell<'a>>, Option<VisitMessage>), Failure> {
    if !script.supervise {
        if script.run_as.is_some() {
            ask_sudo(remote, script).await?;
        }
        return Ok((None, None));
    }
    let shell = start(remote, script, Step::Execute).await?;
    let note = redirection_note(shell.live);
    Ok((Some(shell), note))
}
