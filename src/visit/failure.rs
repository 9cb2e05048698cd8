//! What an error means in the step it spoils: the cause for machines, the words for people, the way out.

use std::io;

use crate::escape::escape_tail;
use crate::job::Script;
use crate::outcome::{Cause, Failure, HostReport, Step};
use crate::remote::{RemoteError, ScriptEnd, complaint};

/// How much of a host's complaint reaches a message, in bytes.
const SHOWN: usize = 300;

/// The way out of most failures of a script.
const READ_ITS_OUTPUT: &str = "read what it printed in the run folder: hosts/<host>/stderr";

/// The way out where the script began, was broken off, and its files are here.
const ONCE_MORE: &str = "recolte resume --execute-again runs it once more";

/// A fault from its parts.
pub fn new(step: Step, cause: Cause, message: impl Into<String>, hint: &str) -> Failure {
    let hint = (!hint.is_empty()).then(|| hint.to_owned());
    Failure { step, cause, message: message.into(), hint }
}

/// What went wrong with `what`, a path on the host, during a step.
pub fn of(step: Step, what: &str, error: RemoteError) -> Failure {
    let (cause, hint) = match &error {
        RemoteError::Lost => (Cause::ConnectionLost, "is the host still up? recolte resume finishes the run"),
        RemoteError::Stalled => (Cause::Stalled, "is the host overloaded, or a file system of it hanging?"),
        RemoteError::NoSession => {
            (Cause::Other, "close other sessions on this connection, or raise MaxSessions there")
        }
        RemoteError::Noisy => {
            (Cause::NoisyShell, "its .bashrc or profile must print nothing unless a terminal is there")
        }
        RemoteError::Full => (Cause::DiskFull, "make room there"),
        RemoteError::Changed => (Cause::Changed, "does something still write it? run again once it is done"),
        RemoteError::Local(error) => local(error),
        RemoteError::Denied | RemoteError::Missing | RemoteError::Failure(_) => denied(step),
        RemoteError::NoSftp | RemoteError::Nonsense(_) => (Cause::Other, ""),
    };
    let why = match &error {
        RemoteError::Local(source) => format!("{error}: {source}"),
        _ => error.to_string(),
    };
    let what = escape_tail(what.as_bytes(), SHOWN);
    new(step, cause, if what.is_empty() { why } else { format!("{what}: {why}") }, hint)
}

/// What a refusal means in a step.
fn denied(step: Step) -> (Cause, &'static str) {
    match step {
        Step::Upload => {
            (Cause::StagingDenied, "the login user must be able to write there; or set script.staging")
        }
        Step::Install => {
            (Cause::InstallDenied, "the login user must be able to write there; or set script.install")
        }
        Step::Collect => (Cause::Unreadable, "let the login user read it, or permit sudo su for reading"),
        Step::Connect | Step::Execute => (Cause::Other, ""),
    }
}

/// What an error of this machine means.
fn local(error: &io::Error) -> (Cause, &'static str) {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            (Cause::LocalDiskFull, "make room where the runs are kept (output)")
        }
        _ => (Cause::Other, "look at the folder where the runs are kept (output)"),
    }
}

/// The order to stop came during a step.
pub fn stopped(step: Step, why: Cause) -> Failure {
    let message = match why {
        Cause::Deadline => "the run's deadline passed",
        _ => "interrupted",
    };
    new(step, why, message, "recolte resume finishes the run")
}

/// What an earlier go of the run knew of the script: its end, or only that it began.
pub fn ran_before(earlier: Option<&HostReport>) -> Result<(), Failure> {
    match earlier {
        Some(HostReport { exit_status: Some(0), .. }) => Ok(()),
        Some(HostReport { exit_status: Some(status), .. }) => {
            let message = format!("the script exited with status {status} before the run was taken up again");
            Err(new(Step::Execute, Cause::ScriptFailed, message, READ_ITS_OUTPUT))
        }
        Some(HostReport {
            step: Some(Step::Execute),
            cause: Some(cause),
            message: Some(message),
            hint,
            ..
        }) => Err(Failure {
            step: Step::Execute,
            cause: *cause,
            message: message.clone(),
            hint: broken_off(*cause).or(hint.clone()),
        }),
        _ => {
            let message = "the script began before the run was broken off; its end was not seen";
            Err(new(Step::Execute, Cause::Interrupted, message, ONCE_MORE))
        }
    }
}

/// The way out of a script that did not come to its own end.
fn broken_off(cause: Cause) -> Option<String> {
    let cut = [Cause::Interrupted, Cause::Deadline, Cause::ScriptTimeout, Cause::ConnectionLost];
    cut.contains(&cause).then(|| ONCE_MORE.to_owned())
}

/// `cp` or `chmod` failed.
pub fn install(script: &Script, stderr: &[u8]) -> Failure {
    let (cause, hint) = match complaint(stderr) {
        RemoteError::Full => (Cause::DiskFull, "make room there"),
        _ => denied(Step::Install),
    };
    let said = escape_tail(stderr, SHOWN);
    let said = if said.is_empty() { "cp or chmod failed without a word".to_owned() } else { said };
    new(Step::Install, cause, format!("{}: {said}", script.install), hint)
}

/// What lies installed is not what was supplied.
pub fn tampered(script: &Script) -> Failure {
    let hint = "find out who else writes there; nothing was run";
    new(Step::Install, Cause::Tampered, format!("{} is not what was supplied", script.installed_path()), hint)
}

/// What the end of the script's run means; none if it went well.
pub fn ran(script: &Script, ran: &ScriptEnd) -> Option<Failure> {
    if let Some(cut) = ran.cut {
        return Some(cut_short(script, ran, cut));
    }
    let last_words = escape_tail(&ran.complaint, SHOWN);
    if ran.began == Some(false) || (ran.began.is_none() && ran.status != Some(0) && refused(&ran.complaint)) {
        return Some(refusal(script, &ran.complaint, String::new()));
    }
    let how = match ran.status {
        Some(0) => return None,
        Some(status @ 129..=159) => format!("exited with status {status} (signal {})", status - 128),
        Some(status) => format!("exited with status {status}"),
        None => "was killed by a signal".to_owned(),
    };
    let hint = match ran.status {
        Some(126) => "is its folder mounted noexec, or its interpreter missing?",
        Some(127) => "is its interpreter (the #! line), or a command that it calls, missing?",
        _ => READ_ITS_OUTPUT,
    };
    let words = if last_words.is_empty() { String::new() } else { format!(": {last_words}") };
    Some(new(Step::Execute, Cause::ScriptFailed, format!("the script {how}{words}"), hint))
}

/// The script was ended before its time.
fn cut_short(script: &Script, ran: &ScriptEnd, cut: Cause) -> Failure {
    let when = match (cut, script.timeout) {
        (Cause::ScriptTimeout, Some(time)) => format!("ran longer than {}", humantime::format_duration(time)),
        (Cause::Deadline, _) => "still ran at the run's deadline".to_owned(),
        _ => "still ran at the interruption".to_owned(),
    };
    let (end, hint) = match (script.supervise, ran.confirmed) {
        (true, true) if cut == Cause::ScriptTimeout => ("it was ended", "script.timeout allows more time"),
        (true, true) => ("it was ended", "recolte resume collects what it left"),
        (true, false) => ("its end could not be confirmed", "look on the host whether it still runs"),
        (false, _) => ("it was left running", "supervise = true would end it"),
    };
    new(Step::Execute, cut, format!("the script {when}; {end}"), hint)
}

/// sudo would not permit the script, or the other user cannot log in.
pub fn sudo(script: &Script, status: Option<i32>, complaint: &[u8]) -> Failure {
    refusal(script, complaint, status.map_or_else(String::new, |status| format!(" (status {status})")))
}

/// Whether a fault of the execute step means that the script did not begin.
pub fn is_refusal(failure: &Failure) -> bool {
    matches!(failure.cause, Cause::SudoDenied | Cause::NoSuchUser | Cause::Other)
}

/// Whether it was sudo or su, or the shell that found no sudo, and not the script, that spoke.
fn refused(complaint: &[u8]) -> bool {
    let first = complaint.trim_ascii_start();
    let line = first.split(|b| *b == b'\n').next().unwrap_or_default().to_ascii_lowercase();
    if line.windows(5).any(|w| w == b"sudo:") && line.windows(9).any(|w| w == b"not found") {
        return true;
    }
    first.starts_with(b"sudo:") || first.starts_with(b"su:") || complaint.windows(6).any(|w| w == b"\nsudo:")
}

/// sudo or su refused, or the login of the other user broke off.
fn refusal(script: &Script, complaint: &[u8], how: String) -> Failure {
    let user = script.run_as.as_deref().unwrap_or("the login user");
    let text = String::from_utf8_lossy(complaint);
    let su = text.lines().any(|line| line.starts_with("su:") || line.starts_with("id:"));
    let unknown = ["does not exist", "unknown user", "n'existe pas", "No passwd entry", "no such user"];
    let (cause, hint) = if su && unknown.iter().any(|words| text.contains(words)) {
        (Cause::NoSuchUser, format!("create {user} there, or leave the host out"))
    } else if text.contains("tty") {
        (Cause::SudoDenied, "the sudoers rule must say !requiretty for this command".to_owned())
    } else if script.run_as.is_some() {
        (Cause::SudoDenied, sudo_hint(script, user))
    } else {
        (Cause::Other, "does the login shell end early?".to_owned())
    };
    let said = escape_tail(complaint, SHOWN);
    let said = if said.is_empty() { "no word was said".to_owned() } else { said };
    new(Step::Execute, cause, format!("the script did not begin{how}: {said}"), &hint)
}

/// The rule that sudo needs, and the way round a rule that pins the command.
fn sudo_hint(script: &Script, user: &str) -> String {
    let rule = format!("sudoers must permit, without a password: su - {user} -c …");
    if script.supervise {
        format!("{rule}; a rule that pins the bare command needs supervise = false")
    } else {
        rule
    }
}
