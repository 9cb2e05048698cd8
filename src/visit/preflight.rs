//! Whether a host is ready for the job: every step is tried as far as it leaves nothing behind and runs nothing.
//!
//! The staging folder is tried with the real upload, whose file is removed again; sudo is asked whether it would permit
//! the exact command, and, where that may be another one, runs `true` in its place. Limits: a host that is ready now
//! may not be so later.

use std::borrow::Borrow;
use std::time::{SystemTime, UNIX_EPOCH};

use super::connect::{reach, stale};
use super::execute::{run_line, script_line};
use super::{ConnectLimiter, failure};
use crate::escape::escape_tail;
use crate::event::Stop;
use crate::job::{Job, Script};
use crate::outcome::{Cause, Failure, HostReport, Step};
use crate::remote::{ControlSockets, Remote, RemoteError};
use crate::shell_quoting;
use crate::ssh_config::Host;

/// By how many seconds a clock may differ before it is told.
const CLOCK: i64 = 5;

/// Lists the names of what is tried, in its order.
pub const CHECKS: [&str; 7] = [
    // Reach, host key, key.
    "connect", // A login shell that is silent.
    "shell",   // SFTP.
    "sftp",    // The staging folder.
    "staging", // The install folder.
    "install", // The sudo rule and the user.
    "sudo",    // The host's clock.
    "clock",
];

/// What came of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckResult {
    /// It is as it must be.
    Passed,
    /// It will do, but is worth knowing.
    Noted(String),
    /// It keeps the job from being done.
    Failed(Failure),
}

/// What came of a host.
#[derive(Debug, Clone)]
pub struct HostCheck {
    /// The account, as a run would give it.
    pub report: HostReport,
    /// What came of the items that were tried, in the order of [`CHECKS`].
    pub found: Vec<CheckResult>,
}

impl From<HostReport> for HostCheck {
    fn from(report: HostReport) -> Self {
        Self { report, found: Vec::new() }
    }
}

impl Borrow<HostReport> for HostCheck {
    fn borrow(&self) -> &HostReport {
        &self.report
    }
}

/// What all trials share.
pub struct CheckContext {
    /// The job.
    pub job: Job,
    /// Where our control sockets go.
    pub sockets: ControlSockets,
    /// Who may make a connection now.
    pub connect_limiter: ConnectLimiter,
    /// The order to stop.
    pub stop: Stop,
}

/// Tries one host.
pub async fn preflight(context: &CheckContext, host: Host, number: usize) -> HostCheck {
    let found = tokio::select! {
        biased;
        why = context.stop.wait() => vec![CheckResult::Failed(failure::stopped(Step::Connect, why))],
        found = try_all(context, &host, number) => found,
    };
    let mut report = HostReport::new(host.alias);
    report.end(found.iter().find_map(|found| match found {
        CheckResult::Failed(failure) => Some(failure.clone()),
        _ => None,
    }));
    HostCheck { report, found }
}

async fn try_all(context: &CheckContext, host: &Host, number: usize) -> Vec<CheckResult> {
    let script = &context.job.script;
    let remote = match reach(&context.job.ssh, host, &context.sockets, number, &context.connect_limiter).await
    {
        Ok(remote) => remote,
        Err(failure) => return vec![CheckResult::Failed(failure)],
    };
    let connect = match stale(&remote) {
        Some(note) => CheckResult::Noted(note),
        None if remote.adopted() => CheckResult::Noted("your live master is used".to_owned()),
        None => CheckResult::Passed,
    };
    let mut found = vec![connect];
    let shell = shell(&remote).await;
    let talks = matches!(shell, CheckResult::Failed(_));
    found.push(shell);
    if !talks {
        found.push(sftp(&remote).await);
        found.push(staging(&remote, script, &host.alias).await);
        found.push(install(&remote, script).await);
        found.push(sudo(&remote, script).await);
        found.push(clock(&remote).await);
    }
    remote.end().await;
    found
}

/// A login shell must print nothing of its own.
async fn shell(remote: &Remote) -> CheckResult {
    match remote.run(&shell_quoting::in_sh("exit 0"), b"", 200).await {
        Ok(done) if done.stdout.is_empty() => CheckResult::Passed,
        Ok(_) => CheckResult::Failed(failure::of(Step::Upload, "", RemoteError::Noisy)),
        Err(error) => CheckResult::Failed(failure::of(Step::Upload, "", error)),
    }
}

async fn sftp(remote: &Remote) -> CheckResult {
    match remote.offers_sftp().await {
        Ok(()) => CheckResult::Passed,
        Err(RemoteError::NoSftp) => CheckResult::Noted("no sftp: a command channel will do".to_owned()),
        Err(error) => CheckResult::Failed(failure::of(Step::Upload, "", error)),
    }
}

/// What the upload does, taken back.
async fn staging(remote: &Remote, script: &Script, host: &str) -> CheckResult {
    let path = script.staged_path(&shell_quoting::mark(), host);
    let uploaded = remote.upload(&path, &script.bytes).await;
    let removed = remote.remove(&path).await;
    match uploaded.and(removed) {
        Ok(()) => CheckResult::Passed,
        Err(error) => CheckResult::Failed(failure::of(Step::Upload, &script.staging, error)),
    }
}

/// The install folder is there, can be written, and has room.
async fn install(remote: &Remote, script: &Script) -> CheckResult {
    let (folder, file) =
        (shell_quoting::quote(&script.install), shell_quoting::quote(&script.installed_path()));
    let program = format!(
        "( LC_ALL=C; export LC_ALL; if [ -d {folder} ]; then :; else echo \"No such folder\" >&2; exit 1; fi; \
         if [ -e {file} ]; then t={file}; else t={folder}; fi; \
         if [ -w \"$t\" ]; then df -Pk {folder}; else echo \"Permission denied: $t\" >&2; exit 1; fi )"
    );
    let done = match remote.run_in_shell(&program, 4096).await {
        Ok(done) => done,
        Err(error) => return CheckResult::Failed(failure::of(Step::Install, &script.install, error)),
    };
    if done.status != Some(0) {
        return CheckResult::Failed(failure::install(script, &done.stderr));
    }
    match free(&String::from_utf8_lossy(&done.stdout)) {
        Some(free) if free < script.bytes.len() as u64 => {
            CheckResult::Failed(failure::of(Step::Install, &script.install, RemoteError::Full))
        }
        _ => CheckResult::Passed,
    }
}

/// The free bytes in the answer of `df -Pk`.
fn free(answer: &str) -> Option<u64> {
    let kib: u64 = answer.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()?;
    Some(kib.saturating_mul(1024))
}

/// sudo would permit the exact command, and the user can log in.
async fn sudo(remote: &Remote, script: &Script) -> CheckResult {
    let Some(user) = &script.run_as else { return CheckResult::Passed };
    let mark = script.supervise.then(shell_quoting::mark);
    let exact = script_line(script, mark.as_deref());
    let permitted = format!("sudo -n -l {}", exact.strip_prefix("sudo -n ").unwrap_or(&exact));
    let harmless = if script.supervise {
        run_line(script, &["true".to_owned()], None)
    } else {
        format!("id {}", shell_quoting::quote(user))
    };
    match remote.run(&format!("{permitted} && {harmless}"), b"", 4096).await {
        Ok(done) if done.status == Some(0) => CheckResult::Passed,
        Ok(done) => CheckResult::Failed(failure::sudo(script, done.status, &done.stderr)),
        Err(error) => CheckResult::Failed(failure::of(Step::Execute, "", error)),
    }
}

/// How far the host's clock is from ours. The job goes by the host's own, so this is only told.
async fn clock(remote: &Remote) -> CheckResult {
    let done = match remote.run_in_shell("date +%s", 200).await {
        Ok(done) => done,
        Err(error) => return CheckResult::Failed(failure::of(Step::Install, "", error)),
    };
    let here =
        SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|now| i64::try_from(now.as_secs()).ok());
    let there = std::str::from_utf8(&done.stdout).ok().and_then(|text| text.trim().parse::<i64>().ok());
    match (there, here) {
        (Some(there), Some(here)) if (there - here).abs() <= CLOCK => CheckResult::Passed,
        (Some(there), Some(here)) => CheckResult::Noted(format!("its clock differs by {} s", there - here)),
        _ => {
            let said = escape_tail(&done.stdout, 100);
            let message = format!("its clock cannot be read: date +%s says \"{said}\"");
            CheckResult::Failed(failure::new(
                Step::Install,
                Cause::Other,
                message,
                "the job needs date +%s there",
            ))
        }
    }
}
