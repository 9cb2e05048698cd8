//! The closed list of causes, for machines: schedulers and checks are written against these names.
//!
//! Limits: what ssh's messages mean is in `remote/diagnose`, what an error means in a step in `visit/failure`.

use serde::{Deserialize, Serialize};

use super::{Outcome, Step};

/// The cause why a host did not succeed, of a closed list, for machines. Displayed by its name in `report.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[cfg_attr(test, derive(strum::VariantArray))]
pub enum Cause {
    /// The name has no address.
    Unresolved,
    /// The port is closed.
    Refused,
    /// No connection within `connect_timeout`.
    ConnectTimeout,
    /// The host's key is not in known_hosts.
    HostKeyUnknown,
    /// The host's key is not the one in known_hosts.
    HostKeyChanged,
    /// The host's key is marked as revoked.
    HostKeyRevoked,
    /// The host and this machine have no algorithm in common.
    NoCommonAlgorithm,
    /// The host refuses this machine for a time, since logins from it failed.
    SourceBanned,
    /// The host refused the user's key.
    AuthDenied,
    /// A jump host, or another proxy, let nobody through.
    JumpFailed,
    /// The connection broke.
    ConnectionLost,
    /// The host let the login user in, and ran none of its commands.
    LoginRefused,
    /// The staging folder cannot be written.
    StagingDenied,
    /// The host's disk is full.
    DiskFull,
    /// The install folder cannot be written.
    InstallDenied,
    /// The installed script is not the supplied one.
    Tampered,
    /// The login shell prints where it must be silent.
    NoisyShell,
    /// sudo did not permit it.
    SudoDenied,
    /// The user to run as does not exist.
    NoSuchUser,
    /// The password of the user to run as, or of the login user, has expired.
    PasswordExpired,
    /// The account of the user to run as, or of the login user, is locked or has expired.
    AccountLocked,
    /// The login of the user to run as waits for something.
    LoginStuck,
    /// The login of the user to run as ended before the script, for any other reason.
    LoginFailed,
    /// The user to run as may not execute the script.
    NotExecutable,
    /// The script ended with a status other than 0.
    ScriptFailed,
    /// The script ran longer than `script.timeout`.
    ScriptTimeout,
    /// No file of this run was found.
    NoFile,
    /// A file may not be read by the user who collects.
    Unreadable,
    /// A file is beyond `max_file` or `max_host`.
    TooLarge,
    /// A file changed while it was copied.
    Changed,
    /// The gateway's disk is full.
    LocalDiskFull,
    /// The host stopped answering in the middle of a step.
    Stalled,
    /// A signal ended the run.
    Interrupted,
    /// The run's deadline passed.
    Deadline,
    /// A threshold or the canary stopped the run.
    Stopped,
    /// Anything else; the message says what.
    Other,
}

impl Cause {
    /// Returns the outcome of a host that ended at `step` for this cause.
    pub fn outcome(self, step: Step) -> Outcome {
        match (self, step) {
            (Self::Stopped, _) => Outcome::NotStarted,
            (Self::Interrupted, _) => Outcome::Cancelled,
            (Self::ScriptTimeout | Self::Deadline, _) => Outcome::TimedOut,
            (_, Step::Connect) => Outcome::Unreachable,
            _ => Outcome::Failed,
        }
    }
}
