//! SIGINT (Ctrl-C) and SIGTERM: the first requests the run to stop, the second ends the program at once: it cancels
//! `Signals::second`, for which `run.rs` waits. Also SIGCHLD, which must not stay ignored.

use std::sync::{Arc, OnceLock};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::event::Stop;
use crate::outcome::Cause;

/// Makes sure that the ends of child processes can be waited for: with SIGCHLD ignored, which a parent may hand down,
/// the system forgets them. A handler replaces that, for the rest of the program. Must be called within a runtime.
///
/// # Errors
/// The operating system refuses the handler.
pub fn heed_children() -> std::io::Result<()> {
    signal(SignalKind::child()).map(drop)
}

/// Records the signals that the program received. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    /// The number of the first signal.
    first: Arc<OnceLock<u8>>,
    /// Cancelled by the second signal.
    pub second: CancellationToken,
}

impl Signals {
    /// Installs the signal handlers. Must be called within a runtime.
    ///
    /// # Errors
    /// The operating system refuses the handlers.
    pub fn listen(stop: Stop) -> std::io::Result<Self> {
        let signals = Self::default();
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::spawn(signals.clone().receive(interrupt, terminate, stop));
        Ok(signals)
    }

    /// Returns the number of the first signal, once there was one.
    pub fn first(&self) -> Option<u8> {
        self.first.get().copied()
    }

    async fn receive(self, mut interrupt: Signal, mut terminate: Signal, stop: Stop) {
        let mut receive_one = async || {
            tokio::select! {
                _ = interrupt.recv() => 2,
                _ = terminate.recv() => 15,
            }
        };
        let _only_set_here = self.first.set(receive_one().await);
        stop.request(Cause::Interrupted);
        // Whoever sends a second signal, of either kind, no longer wants to wait for the hosts.
        receive_one().await;
        self.second.cancel();
    }
}
