//! INT and TERM: the first orders the run to stop, the second ends the program at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::event::Stop;
use crate::outcome::Cause;

/// What the operator asked for by signals.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    /// The number of the first signal; 0 for none.
    first: Arc<AtomicU8>,
    /// The second signal came.
    now: CancellationToken,
}

impl Signals {
    /// Listens from now on. Must be called within a runtime.
    ///
    /// # Errors
    /// The system gives no signals.
    pub fn listen(stop: Stop) -> std::io::Result<Self> {
        let heard = Self::default();
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::spawn(heard.clone().follow(interrupt, terminate, stop));
        Ok(heard)
    }

    /// The number of the first signal, once there was one.
    pub fn first(&self) -> Option<u8> {
        Some(self.first.load(Ordering::Relaxed)).filter(|number| *number != 0)
    }

    /// Waits for the second signal.
    pub async fn second(&self) {
        self.now.cancelled().await;
    }

    async fn follow(self, mut interrupt: Signal, mut terminate: Signal, stop: Stop) {
        loop {
            let number = tokio::select! {
                _ = interrupt.recv() => 2,
                _ = terminate.recv() => 15,
            };
            if self.first.compare_exchange(0, number, Ordering::Relaxed, Ordering::Relaxed).is_err() {
                self.now.cancel();
                return;
            }
            stop.request(Cause::Interrupted);
        }
    }
}
