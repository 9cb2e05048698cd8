//! Says what an error means in the step where it happened: the cause for machines, the message for people, the hint.
//!
//! Limits: what ssh says of a connection that failed is read in `remote/diagnose`.

use std::io;

use crate::escape::escape_tail;
use crate::job::Script;
use crate::message::VisitMessage::{self, *};
use crate::outcome::{Cause, Failure, HostReport, Step};
use crate::remote::{RemoteError, ScriptEnd, parse_stderr};

/// The most bytes of a host's own text that reach a message.
const SHOWN_MAX: usize = 300;

/// Makes the failure of a step from an error about `subject`, a path on the host.
pub fn from_error(step: Step, subject: &str, error: RemoteError) -> Failure {
    let (cause, hint) = match &error {
        RemoteError::ConnectionLost(_) => (Cause::ConnectionLost, Some(ResumeOnceHostIsUp)),
        RemoteError::Stalled(_) => (Cause::Stalled, Some(IsHostHanging)),
        RemoteError::SessionRefused => (Cause::Other, Some(RaiseMaxSessions)),
        RemoteError::NoisyShell => (Cause::NoisyShell, Some(SilenceProfile)),
        RemoteError::DiskFull => (Cause::DiskFull, Some(MakeRoomOnHost)),
        RemoteError::FileChanged => (Cause::Changed, Some(WaitForWriter)),
        RemoteError::LocalIo(error) => from_local_error(error),
        RemoteError::PermissionDenied | RemoteError::NotFound | RemoteError::HostError(..) => denied(step),
        RemoteError::UnexpectedAnswer(_) => (Cause::Other, None),
    };
    let text = match &error {
        RemoteError::LocalIo(source) => format!("{error}: {source}"),
        _ => error.to_string(),
    };
    Failure::new(step, cause, about(escape_tail(subject.as_bytes(), SHOWN_MAX), text), hint)
}

/// Returns what it means in a step that the host denies access.
fn denied(step: Step) -> (Cause, Option<VisitMessage>) {
    match step {
        Step::Upload => (Cause::StagingDenied, Some(PermitStaging)),
        Step::Install => (Cause::InstallDenied, Some(PermitInstall)),
        Step::Collect => (Cause::Unreadable, Some(PermitReading)),
        Step::Connect | Step::Execute => (Cause::Other, None),
    }
}

/// Returns what an error of this machine means.
fn from_local_error(error: &io::Error) -> (Cause, Option<VisitMessage>) {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            (Cause::LocalDiskFull, Some(MakeRoomHere))
        }
        _ => (Cause::Other, Some(LookAtOutputFolder)),
    }
}

/// Makes the failure of a step during which the order to stop came.
pub fn stopped(step: Step, why: Cause) -> Failure {
    let message = match why {
        Cause::Deadline => Deadline,
        _ => Interrupted,
    };
    Failure::new(step, why, message, Some(ResumeFinishes))
}

/// Returns what the report of an earlier attempt says of the script, whose end it may not have seen; none if it went
/// well.
pub fn from_earlier_report(earlier: Option<&HostReport>) -> Option<Failure> {
    let (cause, message, hint) = match earlier {
        Some(HostReport { exit_status: Some(0), .. }) => return None,
        Some(HostReport { exit_status: Some(status), .. }) => {
            (Cause::ScriptFailed, ScriptExitedEarlier { status: *status }, Some(ReadItsOutput))
        }
        Some(HostReport {
            step: Some(Step::Execute),
            cause: Some(cause),
            message: Some(message),
            hint,
            ..
        }) => {
            // The script began and did not come to its own end: only a second run would.
            let cut_off = [Cause::Interrupted, Cause::Deadline, Cause::ScriptTimeout, Cause::ConnectionLost];
            let hint = match cut_off.contains(cause) {
                true => Some(ExecuteAgain),
                false => hint.clone().map(|text| Quoted { text }),
            };
            (*cause, Quoted { text: message.clone() }, hint)
        }
        _ => (Cause::Interrupted, ScriptEndNotSeen, Some(ExecuteAgain)),
    };
    Some(Failure::new(Step::Execute, cause, message, hint))
}

/// Makes the failure of `cp` or `chmod` from what they printed.
pub fn install_failed(script: &Script, stderr: &[u8]) -> Failure {
    let (cause, hint) = match parse_stderr(stderr) {
        RemoteError::DiskFull => (Cause::DiskFull, Some(MakeRoomOnHost)),
        _ => denied(Step::Install),
    };
    let text = summary_or(stderr, InstallSilent);
    Failure::new(Step::Install, cause, about(script.install.clone(), text), hint)
}

/// Makes the failure of an installed script that is not what was supplied.
pub fn tampered(script: &Script) -> Failure {
    let message = NotWhatWasSupplied { path: script.installed_path() };
    Failure::new(Step::Install, Cause::Tampered, message, Some(FindOtherWriter))
}

/// Returns what the end of the script's run means; none if it went well.
pub fn from_script_end(script: &Script, end: &ScriptEnd) -> Option<Failure> {
    if let Some(cause) = end.stopped_by {
        return Some(script_stopped(script, end, cause));
    }
    // A bare command does not say that it began: there the text decides whether sudo or the script spoke.
    let refused = end.began.is_none() && end.status != Some(0) && is_from_sudo(&end.stderr_tail);
    if end.began == Some(false) || refused {
        return Some(refusal(script, &end.stderr_tail, None));
    }
    let message = match end.status {
        Some(0) => return None,
        Some(status @ 129..=159) => ScriptExitedLikeSignal { status, signal: status - 128 },
        Some(status) => ScriptExited { status },
        None => ScriptKilled,
    };
    let hint = match end.status {
        Some(126) => IsInterpreterThere,
        Some(127) => IsCommandThere,
        _ => ReadItsOutput,
    };
    let message = about(message.to_string(), escape_tail(&end.stderr_tail, SHOWN_MAX));
    Some(Failure::new(Step::Execute, Cause::ScriptFailed, message, Some(hint)))
}

/// Makes the failure of a script that was stopped: by its time-out, the run's deadline or an interruption.
fn script_stopped(script: &Script, stopped: &ScriptEnd, cause: Cause) -> Failure {
    let (end, hint) = match (script.supervise, stopped.end_seen) {
        (true, true) if cause == Cause::ScriptTimeout => (ScriptWasEnded, AllowMoreTime),
        (true, true) => (ScriptWasEnded, ResumeCollects),
        (true, false) => (ScriptMayStillRun, LookWhetherItRuns),
        (false, _) => (ScriptLeftRunning, SuperviseEndsIt),
    };
    let end = end.to_string();
    let message = match (cause, script.timeout) {
        (Cause::ScriptTimeout, Some(time)) => {
            ScriptTimedOut { time: humantime::format_duration(time).to_string(), end }
        }
        (Cause::Deadline, _) => ScriptRanAtDeadline { end },
        _ => ScriptRanAtInterruption { end },
    };
    Failure::new(Step::Execute, cause, message, Some(hint))
}

/// Checks whether a failure of the execute step means that the script did not begin.
pub fn is_refusal(failure: &Failure) -> bool {
    matches!(failure.cause, Cause::SudoDenied | Cause::NoSuchUser | Cause::Other)
}

/// Checks whether sudo or su, or the shell that found no sudo, printed this, and not the script.
fn is_from_sudo(stderr: &[u8]) -> bool {
    let first = stderr.trim_ascii_start();
    let line = first.split(|b| *b == b'\n').next().unwrap_or_default().to_ascii_lowercase();
    if line.windows(5).any(|w| w == b"sudo:") && line.windows(9).any(|w| w == b"not found") {
        return true;
    }
    first.starts_with(b"sudo:") || first.starts_with(b"su:") || stderr.windows(6).any(|w| w == b"\nsudo:")
}

/// Makes the failure of a script that sudo or su refused, or whose login shell ended early.
pub fn refusal(script: &Script, stderr: &[u8], status: Option<i32>) -> Failure {
    let user = script.run_as.as_deref().unwrap_or("the login user").to_owned();
    let text = String::from_utf8_lossy(stderr);
    let from_su = text.lines().any(|line| line.starts_with("su:") || line.starts_with("id:"));
    let unknown = ["does not exist", "unknown user", "n'existe pas", "No passwd entry", "no such user"];
    let (cause, hint) = if from_su && unknown.iter().any(|needle| text.contains(needle)) {
        (Cause::NoSuchUser, CreateUser { user })
    } else if text.contains("tty") {
        (Cause::SudoDenied, NoRequiretty)
    } else if script.run_as.is_none() {
        (Cause::Other, ShellEndsEarly)
    } else if script.supervise {
        (Cause::SudoDenied, PermitSupervisedCommand { user })
    } else {
        (Cause::SudoDenied, PermitBareCommand { user })
    };
    let said = summary_or(stderr, NothingSaid);
    let message = match status {
        Some(status) => ScriptNotBegunStatus { status, said },
        None => ScriptNotBegun { said },
    };
    Failure::new(Step::Execute, cause, message, Some(hint))
}

/// Makes a message of what it is about and a text, either of which may be empty.
fn about(subject: String, text: String) -> VisitMessage {
    match (subject.is_empty(), text.is_empty()) {
        (true, _) => Quoted { text },
        (_, true) => Quoted { text: subject },
        _ => About { subject, text },
    }
}

/// Returns what a host printed, shortened, or `silent` if it printed nothing.
fn summary_or(stderr: &[u8], silent: VisitMessage) -> String {
    let text = escape_tail(stderr, SHOWN_MAX);
    if text.is_empty() { silent.to_string() } else { text }
}
