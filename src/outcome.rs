//! Outcomes of hosts and of runs: steps, causes, the report of one host, the exit status of the program.
//!
//! Plain data. A host's outcome (`Cause::outcome`) and the exit code (`ExitStatus::of_run`) are pure functions of it.

mod cause;
mod file_states;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strum::{Display, VariantArray};

use crate::hostset::HostName;
use crate::message::{Lang, Message, VisitMessage};

pub use cause::Cause;
pub use file_states::{Change, FileState, FileStates};

/// A step of the job on one host, in order. Displayed by its name in `report.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Display, VariantArray)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Step {
    /// An ssh master is launched, or a persistent one is reused.
    Connect,
    /// The script is uploaded to the staging folder.
    Upload,
    /// The script is copied to the install folder, made executable and read back.
    Install,
    /// The script runs.
    Execute,
    /// The files that it wrote are collected.
    Collect,
}

/// The outcome of one host; the order is that of the reports. Displayed by its name in `report.json`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Display, VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Outcome {
    /// Every step succeeded.
    Succeeded,
    /// A step after connecting failed.
    Failed,
    /// No connection could be made.
    Unreachable,
    /// A timeout or the deadline of the job ended it.
    TimedOut,
    /// The operator interrupted it.
    Cancelled,
    /// It was never visited.
    NotStarted,
}

impl Outcome {
    /// Returns the name for people: `timed out`, where `report.json` has `timed_out`.
    pub fn display_name(self) -> String {
        self.to_string().replace('_', " ")
    }
}

/// A failure on a host: the step, the cause, and a hint. Its texts are escaped already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The step that failed.
    pub step: Step,
    /// The cause, for machines.
    pub cause: Cause,
    /// The cause, for people: lower case, without the host's name.
    pub message: Message,
    /// The hint: what to do about it, where that is known.
    pub hint: Option<Message>,
}

impl Failure {
    /// Makes a failure from its parts.
    pub fn new(step: Step, cause: Cause, message: VisitMessage, hint: Option<VisitMessage>) -> Self {
        Self { step, cause, message: message.into(), hint: hint.map(Message::from) }
    }
}

/// The duration of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepTime {
    /// The step.
    pub step: Step,
    /// Its duration in milliseconds.
    pub ms: u64,
}

/// A file that was collected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectedFile {
    /// Its path on the host; bytes that are no printable UTF-8 are escaped.
    pub remote: String,
    /// Its path below the run folder.
    pub path: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// The SHA-256 of the local copy, in hexadecimal.
    pub sha256: String,
}

/// A file that matches a glob and was not collected, or a stream of the script that was not kept whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedFile {
    /// Its path on the host, escaped as in [`CollectedFile`]; `stdout` or `stderr` for a stream.
    pub remote: String,
    /// The reason, for people.
    pub why: String,
}

/// The report of one host: one entry of `hosts[]` in `report.json`, one line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostReport {
    /// The host's alias.
    pub host: HostName,
    /// The outcome.
    pub outcome: Outcome,
    /// Set if the script began, false if it did not; none where a bare command leaves it open.
    #[serde(default)]
    pub began: Option<bool>,
    /// The step that failed; none when it succeeded or never started.
    pub step: Option<Step>,
    /// The cause, for machines.
    pub cause: Option<Cause>,
    /// The cause, for people.
    pub message: Option<String>,
    /// The hint: what to do about it, where that is known.
    pub hint: Option<String>,
    /// The script's exit status, where it ended by itself.
    pub exit_status: Option<i32>,
    /// When the visit began; none if it did not.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// The steps that were begun, with their durations.
    pub steps: Vec<StepTime>,
    /// The files that were collected.
    pub files: Vec<CollectedFile>,
    /// The files that were not collected, and the streams that were cut, with the reasons.
    pub skipped: Vec<SkippedFile>,
}

impl HostReport {
    /// Creates the report of a host that was not visited yet; the visit fills it in.
    pub fn new(host: impl Into<HostName>) -> Self {
        Self {
            host: host.into(),
            outcome: Outcome::NotStarted,
            began: Some(false),
            step: None,
            cause: None,
            message: None,
            hint: None,
            exit_status: None,
            started: None,
            ended: None,
            steps: Vec::new(),
            files: Vec::new(),
            skipped: Vec::new(),
        }
    }

    /// Ends the report: succeeded without a failure, else as the failure says.
    pub fn end(&mut self, failure: Option<Failure>) {
        self.ended = Some(Timestamp::now());
        let Some(failure) = failure else {
            self.outcome = Outcome::Succeeded;
            return;
        };
        self.outcome = failure.cause.outcome(failure.step);
        self.step = (self.outcome != Outcome::NotStarted).then_some(failure.step);
        self.cause = Some(failure.cause);
        self.message = Some(failure.message.text(Lang::En));
        self.hint = failure.hint.map(|hint| hint.text(Lang::En));
    }
}

/// The result of sending the mail, as `report.json` has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailReport {
    /// True if every recipient's server accepted every message.
    pub sent: bool,
    /// The number of messages that were sent.
    pub parts: usize,
    /// The reasons why it was not, or not fully, sent.
    pub error: Option<String>,
}

/// Tells whether all results of a run were delivered: reports, archive, copy and mail. `run/deliver.rs` decides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryStatus {
    /// Everything was delivered.
    Delivered,
    /// Something was not delivered: exit code 3.
    Incomplete,
}

/// The exit status of the program, for schedulers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// Every host succeeded and everything was delivered.
    Success,
    /// At least one host did not succeed.
    HostsFailed,
    /// The command line or the job is wrong; no host was touched.
    Usage,
    /// The hosts were visited, but not everything was delivered.
    NotDelivered,
    /// Another run of this job holds the lock.
    Locked,
    /// Interrupted by the signal of this number.
    Interrupted(u8),
}

impl ExitStatus {
    /// Returns the exit code for the operating system.
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::HostsFailed => 1,
            Self::Usage => 2,
            Self::NotDelivered => 3,
            Self::Locked => 4,
            Self::Interrupted(signal) => 128u8.saturating_add(signal),
        }
    }

    /// Returns the exit status of a run. Where several apply, an interruption comes first, then an incomplete
    /// delivery (exit code 3), then a host that did not succeed.
    pub fn of_run(hosts: &[HostReport], delivery: DeliveryStatus, signal: Option<u8>) -> Self {
        match signal {
            Some(signal) => Self::Interrupted(signal),
            None if delivery == DeliveryStatus::Incomplete => Self::NotDelivered,
            None if hosts.iter().any(|h| h.outcome != Outcome::Succeeded) => Self::HostsFailed,
            None => Self::Success,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(outcome: Outcome) -> HostReport {
        HostReport { outcome, ..HostReport::new("h") }
    }

    #[test]
    fn exit_status_reports_the_most_serious_problem() {
        let good = [host(Outcome::Succeeded)];
        let bad = [host(Outcome::Succeeded), host(Outcome::NotStarted)];
        let (delivered, incomplete) = (DeliveryStatus::Delivered, DeliveryStatus::Incomplete);
        for (hosts, delivery, signal, code) in [
            (&good[..], delivered, None, 0),
            (&bad[..], delivered, None, 1),
            (&good[..], incomplete, None, 3),
            (&bad[..], incomplete, None, 3),
            (&bad[..], incomplete, Some(2), 130),
            (&good[..], delivered, Some(15), 143),
        ] {
            assert_eq!(ExitStatus::of_run(hosts, delivery, signal).code(), code);
        }
    }

    #[test]
    fn a_cause_and_its_step_give_one_outcome() {
        for (cause, step, outcome) in [
            (Cause::Refused, Step::Connect, Outcome::Unreachable),
            (Cause::ConnectionLost, Step::Execute, Outcome::Failed),
            (Cause::ScriptTimeout, Step::Execute, Outcome::TimedOut),
            (Cause::Deadline, Step::Connect, Outcome::TimedOut),
            (Cause::Interrupted, Step::Connect, Outcome::Cancelled),
            (Cause::Stopped, Step::Connect, Outcome::NotStarted),
        ] {
            assert_eq!(cause.outcome(step), outcome, "{cause} at {step}");
        }
    }

    #[test]
    fn names_in_json_are_those_of_the_contract() {
        assert_eq!(Cause::HostKeyUnknown.to_string(), "host_key_unknown");
        assert_eq!(serde_json::to_string(&Outcome::TimedOut).unwrap(), "\"timed_out\"");
        for outcome in Outcome::VARIANTS {
            assert_eq!(serde_json::to_string(outcome).unwrap(), format!("\"{outcome}\""));
        }
        for step in Step::VARIANTS {
            assert_eq!(serde_json::to_string(step).unwrap(), format!("\"{step}\""));
        }
        for cause in Cause::VARIANTS {
            assert_eq!(serde_json::to_string(cause).unwrap(), format!("\"{cause}\""));
            let row = format!("\n| `{cause}` |");
            assert!(include_str!("../docs/causes.md").contains(&row), "{cause} has no row in docs/causes.md");
        }
    }
}
