//! Says what an error means in the step where it happened: the cause for machines, the message for people, the hint.
//!
//! Limits: the texts of ssh, sudo, su and others are read in `remote/diagnose`.

use std::io;

use crate::escape::escape_tail;
use crate::job::Script;
use crate::message::VisitMessage::{self, *};
use crate::outcome::{Cause, Failure, HostReport, Step};
use crate::remote::{
    Diagnosis, Evidence, LAUNCHER_NUMBER, LastWords, Message, NotReady, RemoteError, ScriptEnd, diagnose,
    parse_stderr,
};

/// The most bytes of a host's own text that reach a message.
const SHOWN_MAX: usize = 300;

/// Makes the failure of a step from an error about `subject`, a path on the host.
pub fn from_error(step: Step, subject: &str, error: RemoteError) -> Failure {
    let (cause, hint) = match &error {
        RemoteError::ConnectionLost(_) => (Cause::ConnectionLost, Some(ResumeOnceHostIsUp)),
        RemoteError::Stalled(_) => (Cause::Stalled, Some(IsHostHanging)),
        RemoteError::SessionRefused => (Cause::Other, Some(RaiseMaxSessions)),
        RemoteError::NoisyShell(_) if step == Step::Collect => (Cause::NoisyShell, Some(SilenceLeftBehind)),
        RemoteError::NoisyShell(_) => (Cause::NoisyShell, Some(SilenceProfile)),
        RemoteError::ShellEnded => (Cause::LoginFailed, Some(ShellEndsEarly)),
        RemoteError::DiskFull => (Cause::DiskFull, Some(MakeRoomOnHost)),
        RemoteError::FileChanged => (Cause::Changed, Some(WaitForWriter)),
        RemoteError::LocalIo(error) => from_local_error(error),
        RemoteError::PermissionDenied | RemoteError::NotFound | RemoteError::HostError(..) => denied(step),
        RemoteError::LoginEnded(status, words) => return login_ended(step, *status, words),
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

/// Makes the failure of a step during which the request to stop came.
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
    if let Some(why) = end.refused {
        return Some(refused(script, why));
    }
    if let Some(cause) = end.stopped_by {
        return Some(script_stopped(script, end, cause));
    }
    if end.connection_lost {
        let lost = RemoteError::ConnectionLost(io::ErrorKind::UnexpectedEof.into());
        return Some(from_error(Step::Execute, "", lost));
    }
    let (message, hint) = match end.status {
        Some(0) => return None,
        Some(status @ 129..=159) => (ScriptExitedLikeSignal { status, signal: status - 128 }, ReadItsOutput),
        Some(status @ 126) => (ScriptExited { status }, IsInterpreterThere),
        Some(status @ 127) => (ScriptExited { status }, IsCommandThere),
        Some(status) => (ScriptExited { status }, ReadItsOutput),
        None => (ShellEndedWithScript, DoesItKillAll),
    };
    let message = about(message.to_string(), escape_tail(&end.stderr_tail, SHOWN_MAX));
    Some(Failure::new(Step::Execute, Cause::ScriptFailed, message, Some(hint)))
}

/// Makes the failure of a script that the launcher's shell did not begin.
fn refused(script: &Script, why: Message) -> Failure {
    let user = run_as(script);
    let (cause, message, hint) = match why {
        Message::RefusedExecutable => {
            let path = script.installed_path();
            (Cause::NotExecutable, CannotExecute { path }, PermitExecution { user })
        }
        _ => (Cause::LoginFailed, ArgumentsChanged, UseOtherShell { user }),
    };
    Failure::new(Step::Execute, cause, message, Some(hint))
}

/// Makes the failure of a script that was stopped: by its time-out, the run's deadline or an interruption.
fn script_stopped(script: &Script, stopped: &ScriptEnd, cause: Cause) -> Failure {
    let (end, hint) = match (script.supervise, stopped.is_seen()) {
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

/// Makes the failure of a launcher that did not become ready: in the execute step the script did not begin.
pub fn not_ready(step: Step, script: &Script, error: NotReady) -> Failure {
    let user = run_as(script);
    let (cause, message, hint) = match error {
        NotReady::Remote(error) => return from_error(step, "", error),
        NotReady::OtherNumber(theirs) => {
            let (ours, path) = (LAUNCHER_NUMBER, script.launcher_path());
            (Cause::LoginFailed, OtherLauncher { theirs, ours }, RemoveLauncher { path })
        }
        NotReady::Waits(words) => {
            let said = summary_or(&words.join(), NothingSaid);
            // Where no rule fits, all that is known is that it waits.
            let message =
                if step == Step::Collect { LoginWaitsToCollect { said } } else { LoginWaits { said } };
            match diagnose(step, &launch_evidence(&user, None, &words)) {
                Diagnosis {
                    cause: cause @ (Cause::PasswordExpired | Cause::AccountLocked), hint, ..
                } => (cause, message, hint),
                _ if words.are_a_question_of_su() => (Cause::LoginStuck, message, MendPam { user }),
                _ => (Cause::LoginStuck, message, SilenceLogin { user }),
            }
        }
        NotReady::Ended(status, words) => {
            let Diagnosis { cause, words, hint, .. } =
                diagnose(step, &launch_evidence(&user, Some(status), &words));
            (cause, words, hint)
        }
    };
    Failure::new(step, cause, message, Some(hint))
}

fn launch_evidence<'a>(user: &'a str, status: Option<i32>, words: &'a LastWords) -> Evidence<'a> {
    Evidence { user, status, stdout: &words.stdout, stderr: &words.stderr, ..Evidence::default() }
}

/// Makes the failure of a login user whose shell ran nothing.
fn login_ended(step: Step, status: Option<i32>, words: &LastWords) -> Failure {
    let diagnosis = diagnose(Step::Upload, &launch_evidence("", status, words));
    Failure::new(step, diagnosis.cause, diagnosis.words, Some(diagnosis.hint))
}

/// Makes the failure of a bare command that sudo does not permit.
pub fn sudo_refused(script: &Script, stderr: &[u8], status: Option<i32>) -> Failure {
    let user = run_as(script);
    let diagnosis = diagnose(Step::Execute, &Evidence { user: &user, status, stderr, ..Evidence::default() });
    let (cause, hint) = match (diagnosis.cause, diagnosis.hint) {
        // sudo -l says nothing of what it does not permit.
        (_, PermitLauncher { user } | MendProfile { user }) => {
            (Cause::SudoDenied, PermitBareCommand { user })
        }
        other => other,
    };
    Failure::new(Step::Execute, cause, diagnosis.words, Some(hint))
}

/// Makes the failure of a bare command whose only words are those that sudo had for the question before.
pub fn sudo_spoke(script: &Script, words: &[u8]) -> Failure {
    let message = Quoted { text: summary_or(words, NothingSaid) };
    Failure::new(Step::Execute, Cause::SudoDenied, message, Some(PermitBareCommand { user: run_as(script) }))
}

fn run_as(script: &Script) -> String {
    script.run_as.as_deref().unwrap_or("the login user").to_owned()
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
