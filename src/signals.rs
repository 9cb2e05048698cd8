//! SIGINT and SIGTERM: the first requests the run to stop, the second ends the program at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::event::Stop;
use crate::outcome::Cause;

/// Records the signals that the program received. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    /// The number of the first signal; 0 for none.
    first: Arc<AtomicU8>,
    /// Cancelled by the second signal.
    second: CancellationToken,
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
        Some(self.first.load(Ordering::Relaxed)).filter(|number| *number != 0)
    }

    /// Waits for the second signal.
    pub async fn wait_for_second(&self) {
        self.second.cancelled().await;
    }

    async fn receive(self, mut interrupt: Signal, mut terminate: Signal, stop: Stop) {
        loop {
            let number = tokio::select! {
                _ = interrupt.recv() => 2,
                _ = terminate.recv() => 15,
            };
            // Only one exchange from 0 succeeds, so any later signal, of either kind, is the second.
            if self.first.compare_exchange(0, number, Ordering::Relaxed, Ordering::Relaxed).is_err() {
                self.second.cancel();
                return;
            }
            stop.request(Cause::Interrupted);
        }
    }
}
