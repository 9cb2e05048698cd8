//! The first step: a master, adopted or launched, tried again for causes that pass.

use std::time::Duration;

use tokio::time::sleep;

use super::{ConnectLimiter, Visit};
use crate::escape::escape;
use crate::job::Ssh;
use crate::outcome::{Cause, Failure, Step};
use crate::remote::{ConnectError, ControlSockets, Remote, SshArgs};
use crate::shell_quoting;
use crate::ssh_config::Host;

/// The wait before the second try; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How a host is reached: the job's settings, the user's own, and a socket of ours.
pub fn control_plan(ssh: &Ssh, host: &Host, sockets: &ControlSockets, number: usize) -> SshArgs {
    SshArgs {
        host: host.alias.clone(),
        config: ssh.config.clone(),
        identity: ssh.identity.clone(),
        connect_timeout: ssh.connect_timeout,
        keepalive: host.notices_dead_link_within.is_none_or(|seconds| seconds > 60),
        control: sockets.control(number, &host.alias, host.control_path.clone()),
    }
}

impl Visit {
    /// Reaches the host.
    pub(super) async fn connect(&mut self, host: &Host, number: usize) -> Result<Remote, Failure> {
        let run = self.run.clone();
        let reached = reach(&run.job.ssh, host, &run.sockets, number, &run.connect_limiter);
        let remote = self.step(Step::Connect, reached).await?;
        if let Some(note) = stale(&remote) {
            run.events.note(format!("{}: {note}", host.alias));
        }
        Ok(remote)
    }
}

/// What is to be said of a socket of the user's where nobody answers.
pub(super) fn stale(remote: &Remote) -> Option<String> {
    let path = shell_quoting::quote(&escape(remote.stale()?.as_os_str().as_encoded_bytes()));
    Some(format!("nobody answers at your control socket; a connection of our own was made; rm {path}"))
}

/// Reaches a host: tried again for causes that pass, never for a key that was refused.
pub(super) async fn reach(
    ssh: &Ssh,
    host: &Host,
    sockets: &ControlSockets,
    number: usize,
    connect_limiter: &ConnectLimiter,
) -> Result<Remote, Failure> {
    let plan = control_plan(ssh, host, sockets, number);
    let mut wait = FIRST_WAIT;
    let mut left = ssh.retries;
    loop {
        match once(connect_limiter, host.jump.as_deref(), plan.clone()).await {
            Ok(remote) => return Ok(remote),
            Err(refusal) if left > 0 && refusal.transient => {
                left -= 1;
                sleep(wait.mul_f64(rand::random_range(0.75..1.25))).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
            Err(refusal) => return Err(refused(refusal)),
        }
    }
}

/// One try, when it is this host's turn.
async fn once(
    connect_limiter: &ConnectLimiter,
    jump: Option<&str>,
    plan: SshArgs,
) -> Result<Remote, ConnectError> {
    let turn = connect_limiter.wait(jump).await;
    let made = Remote::connect(plan).await;
    if matches!(&made, Err(refusal) if refusal.cause == Cause::ConnectionLost) {
        turn.was_hung_up();
    }
    made
}

/// What ssh's refusal means.
fn refused(refusal: ConnectError) -> Failure {
    Failure { step: Step::Connect, cause: refusal.cause, message: refusal.message, hint: refusal.hint }
}
