//! The connect step: a master, adopted or launched, with retries and their backoff for transient causes.
//!
//! Limits: a key or a host key that was refused is never tried again, since repeated attempts get accounts locked.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder, Retryable as _};

use super::{ConnectLimiter, Visit};
use crate::escape::escape;
use crate::job::Ssh;
use crate::message::VisitMessage;
use crate::outcome::{Cause, Failure, Step};
use crate::remote::{ConnectError, ControlSockets, Remote, SshArgs};
use crate::shell_quoting;
use crate::ssh_config::Host;

/// The retry backoff of a connection: the waits before the second and each further attempt, before jitter.
const BACKOFF: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_secs(1))
    .with_factor(2.0)
    .with_max_delay(Duration::from_secs(30));

/// Returns how a host is reached: the job's settings, the user's own, and its control sockets.
pub fn ssh_args(ssh: &Ssh, host: &Host, sockets: &ControlSockets, number: usize) -> SshArgs {
    SshArgs {
        host: host.alias.clone(),
        jump: host.jump.clone(),
        config: ssh.config.clone(),
        identity: ssh.identity.clone(),
        connect_timeout: ssh.connect_timeout,
        keepalive: host.notices_dead_link_within.is_none_or(|seconds| seconds > 60),
        sockets: sockets.for_host(number, &host.alias, host.control_path.clone()),
    }
}

impl Visit {
    /// Connects to the host.
    pub(super) async fn connect(&mut self, host: &Host, number: usize) -> Result<Remote, Failure> {
        let run = self.run.clone();
        let connected = connect(&run.job.ssh, host, &run.sockets, number, &run.connect_limiter);
        let remote = self.step(Step::Connect, connected).await?;
        if let Some(note) = stale_socket_note(&remote) {
            run.events.note(format!("{}: {note}", host.alias));
        }
        Ok(remote)
    }
}

/// Returns the note about a control socket of the user's that no master listens at.
pub(super) fn stale_socket_note(remote: &Remote) -> Option<VisitMessage> {
    let path = shell_quoting::quote(&escape(remote.stale_socket.as_ref()?.as_os_str().as_encoded_bytes()));
    Some(VisitMessage::StaleControlSocket { path })
}

/// Connects to a host, with `ssh.retries` further attempts for transient causes.
pub(super) async fn connect(
    ssh: &Ssh,
    host: &Host,
    sockets: &ControlSockets,
    number: usize,
    connect_limiter: &ConnectLimiter,
) -> Result<Remote, Failure> {
    let args = ssh_args(ssh, host, sockets, number);
    // Jitter: hosts that were dropped together do not come back together.
    let waits = BACKOFF.with_max_times(ssh.retries).build();
    let waits = waits.map(|wait| wait.mul_f64(rand::random_range(0.75..1.25)));
    let attempt = || connect_once(connect_limiter, args.clone());
    attempt.retry(waits).when(|error| error.transient).await.map_err(|error| error.failure)
}

/// Makes one attempt to connect, once the limiter permits it. Each attempt waits for a new permit.
async fn connect_once(connect_limiter: &ConnectLimiter, args: SshArgs) -> Result<Remote, ConnectError> {
    let jump = args.jump.clone();
    let permit = connect_limiter.acquire(jump.as_deref()).await;
    if let Some(refusal) = connect_limiter.refusal_of(jump.as_deref()) {
        return Err(refusal);
    }
    let connected = Remote::connect(args).await;
    match (&connected, jump) {
        (Err(error), Some(jump)) if error.is_of_jump_host() && !error.transient => {
            connect_limiter.note_refusal(jump, error.clone());
        }
        (Err(error), _) if error.failure.cause == Cause::ConnectionLost || error.is_of_jump_host() => {
            permit.note_dropped_connection();
        }
        _ => {}
    }
    connected
}
