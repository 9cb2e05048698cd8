//! Checks whether a host is ready for the job: tries every step as far as it leaves nothing behind and runs nothing.
//!
//! The staging folder is tried with the real upload, whose file is removed again; sudo is asked whether it would
//! permit the exact command, and, where that may be another one, runs `true` in its place. Limits: a host that is
//! ready now may not be so later.

use std::borrow::Borrow;
use std::time::{SystemTime, UNIX_EPOCH};

use super::connect::{connect, stale_socket_note};
use super::execute::{command_line, script_line};
use super::{ConnectLimiter, failure};
use crate::escape::escape_tail;
use crate::event::Stop;
use crate::job::{Job, Script};
use crate::message::VisitMessage;
use crate::outcome::{Cause, Failure, HostReport, Step};
use crate::remote::{ControlSockets, Remote, RemoteError};
use crate::shell_quoting;
use crate::ssh_config::Host;

/// By how many seconds a host's clock may differ before a check notes it.
const CLOCK_TOLERANCE: i64 = 5;

/// The names of the checks of a host, in the order in which they are made.
pub const CHECKS: [&str; 7] = [
    "connect", // The network, the host key and the key.
    "shell",   // A login shell that prints nothing.
    "sftp",    // SFTP.
    "staging", // The staging folder.
    "install", // The install folder.
    "sudo",    // The sudo rule and the user.
    "clock",   // The host's clock.
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

impl From<Result<(), Failure>> for CheckResult {
    fn from(result: Result<(), Failure>) -> Self {
        result.map_or_else(Self::Failed, |()| Self::Passed)
    }
}

/// The results of a host.
#[derive(Debug, Clone)]
pub struct HostCheck {
    /// The report, as a run would make it.
    pub report: HostReport,
    /// The results of the checks that were made, in the order of [`CHECKS`].
    pub results: Vec<CheckResult>,
}

impl From<HostReport> for HostCheck {
    fn from(report: HostReport) -> Self {
        Self { report, results: Vec::new() }
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
    /// The order to stop.
    pub stop: Stop,
}

/// Checks one host.
pub async fn preflight(context: &CheckContext, host: Host, number: usize) -> HostCheck {
    let results = tokio::select! {
        biased;
        why = context.stop.wait() => vec![CheckResult::Failed(failure::stopped(Step::Connect, why))],
        results = check_all(context, &host, number) => results,
    };
    let mut report = HostReport::new(host.alias);
    report.end(results.iter().find_map(|result| match result {
        CheckResult::Failed(failure) => Some(failure.clone()),
        _ => None,
    }));
    HostCheck { report, results }
}

async fn check_all(context: &CheckContext, host: &Host, number: usize) -> Vec<CheckResult> {
    let CheckContext { job: Job { ssh, script, .. }, sockets, connect_limiter, .. } = context;
    let remote = match connect(ssh, host, sockets, number, connect_limiter).await {
        Ok(remote) => remote,
        Err(failure) => return vec![CheckResult::Failed(failure)],
    };
    let connected = match stale_socket_note(&remote) {
        Some(note) => CheckResult::Noted(note),
        None if remote.is_adopted() => CheckResult::Noted(VisitMessage::MasterAdopted),
        None => CheckResult::Passed,
    };
    let mut results = vec![connected];
    let shell = check_shell(&remote).await;
    let is_silent = shell.is_ok();
    results.push(shell.into());
    // Where the shell prints text of its own, no other answer can be read.
    if is_silent {
        results.push(check_sftp(&remote).await);
        results.push(check_staging(&remote, script, &host.alias).await.into());
        results.push(check_install(&remote, script).await.into());
        results.push(check_sudo(&remote, script).await.into());
        results.push(check_clock(&remote).await);
    }
    remote.end().await;
    results
}

/// Checks that the login shell prints nothing of its own.
async fn check_shell(remote: &Remote) -> Result<(), Failure> {
    let error = match remote.run(&shell_quoting::in_sh("exit 0"), b"", 200).await {
        Ok(output) if output.stdout.is_empty() => return Ok(()),
        Ok(_) => RemoteError::NoisyShell,
        Err(error) => error,
    };
    Err(failure::from_error(Step::Upload, "", error))
}

async fn check_sftp(remote: &Remote) -> CheckResult {
    match remote.sftp().await {
        Ok(Some(_)) => CheckResult::Passed,
        Ok(None) => CheckResult::Noted(VisitMessage::CheckedWithoutSftp),
        Err(error) => CheckResult::Failed(failure::from_error(Step::Upload, "", error)),
    }
}

/// Checks the staging folder: uploads the script and removes it again.
async fn check_staging(remote: &Remote, script: &Script, host: &str) -> Result<(), Failure> {
    let path = script.staged_path(&shell_quoting::random_marker(), host);
    let uploaded = remote.upload(&path, &script.bytes).await;
    let removed = remote.remove(&path).await;
    uploaded.and(removed).map_err(|error| failure::from_error(Step::Upload, &script.staging, error))
}

/// Checks that the install folder exists, can be written, and has free space for the script.
async fn check_install(remote: &Remote, script: &Script) -> Result<(), Failure> {
    let (folder, file) =
        (shell_quoting::quote(&script.install), shell_quoting::quote(&script.installed_path()));
    let program = format!(
        "( LC_ALL=C; export LC_ALL; if [ -d {folder} ]; then :; else echo \"No such folder\" >&2; exit 1; fi; \
         if [ -e {file} ]; then t={file}; else t={folder}; fi; \
         if [ -w \"$t\" ]; then df -Pk {folder}; else echo \"Permission denied: $t\" >&2; exit 1; fi )"
    );
    let failed = |error| failure::from_error(Step::Install, &script.install, error);
    let output = remote.run_in_shell(&program, 4096).await.map_err(failed)?;
    if output.status != Some(0) {
        return Err(failure::install_failed(script, &output.stderr));
    }
    match parse_free_bytes(&String::from_utf8_lossy(&output.stdout)) {
        Some(free) if free < script.bytes.len() as u64 => Err(failed(RemoteError::DiskFull)),
        _ => Ok(()),
    }
}

/// Returns the free bytes in the answer of `df -Pk`.
fn parse_free_bytes(answer: &str) -> Option<u64> {
    let kib: u64 = answer.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()?;
    Some(kib.saturating_mul(1024))
}

/// Checks that sudo would permit the exact command, and that the user can log in.
async fn check_sudo(remote: &Remote, script: &Script) -> Result<(), Failure> {
    let Some(user) = &script.run_as else { return Ok(()) };
    let marker = script.supervise.then(shell_quoting::random_marker);
    let exact = script_line(script, marker.as_deref());
    let permitted = format!("sudo -n -l {}", exact.strip_prefix("sudo -n ").unwrap_or(&exact));
    // A rule for the bare command permits no other one: there only the user's existence can be checked.
    let harmless = if script.supervise {
        command_line(script, &["true".to_owned()], None)
    } else {
        format!("id {}", shell_quoting::quote(user))
    };
    match remote.run(&format!("{permitted} && {harmless}"), b"", 4096).await {
        Ok(output) if output.status == Some(0) => Ok(()),
        Ok(output) => Err(failure::refusal(script, &output.stderr, output.status)),
        Err(error) => Err(failure::from_error(Step::Execute, "", error)),
    }
}

/// Checks that the host's clock can be read, and notes how far it is from ours. A difference harms nothing, since
/// what is of this run is decided by the host's clock alone.
async fn check_clock(remote: &Remote) -> CheckResult {
    let output = match remote.run_in_shell("date +%s", 200).await {
        Ok(output) => output,
        Err(error) => return CheckResult::Failed(failure::from_error(Step::Install, "", error)),
    };
    let ours =
        SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|now| i64::try_from(now.as_secs()).ok());
    let theirs = std::str::from_utf8(&output.stdout).ok().and_then(|text| text.trim().parse::<i64>().ok());
    match theirs.zip(ours).map(|(theirs, ours)| theirs - ours) {
        Some(seconds) if seconds.abs() <= CLOCK_TOLERANCE => CheckResult::Passed,
        Some(seconds) => CheckResult::Noted(VisitMessage::ClockDiffers { seconds }),
        None => {
            let message = VisitMessage::ClockUnreadable { said: escape_tail(&output.stdout, 100) };
            let hint = Some(VisitMessage::DateIsNeeded);
            CheckResult::Failed(Failure::new(Step::Install, Cause::Other, message, hint))
        }
    }
}
