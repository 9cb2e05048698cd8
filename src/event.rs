//! Events that the run engine emits, and the request to stop that it obeys.
//!
//! The engine never prints: it emits events, and the progress display is their only listener (the journal and the
//! reports do not depend on them). Events are small and owned, so that the listener may be a thread of its own.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::hostset::HostName;
use crate::message::Message;
use crate::outcome::{Cause, HostReport, Step};

/// One fact of a run.
#[derive(Debug, Clone)]
pub enum Event {
    /// The run begins; these hosts will be visited.
    Started {
        /// The run's id.
        run: String,
        /// The hosts in their order.
        hosts: Vec<HostName>,
    },
    /// A step begins on a host; the first one is also the visit's beginning.
    Step {
        /// The host.
        host: HostName,
        /// The step.
        step: Step,
    },
    /// A host ended.
    Ended(Box<HostReport>),
    /// A remark that changes no outcome.
    Note(Message),
    /// The archive is on disk.
    Archived {
        /// Its path.
        path: PathBuf,
        /// Its length in bytes.
        bytes: u64,
    },
    /// The mail is on its way.
    Mailing,
}

/// Sends events to their listener. Cheap to clone; never blocks.
#[derive(Debug, Clone)]
pub struct Events(mpsc::UnboundedSender<Event>);

impl Events {
    /// Creates a sender and its receiver. The receiver ends once every clone of the sender is dropped.
    pub fn channel() -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// Sends an event. A receiver that is gone does not stop the work.
    pub fn emit(&self, event: Event) {
        drop(self.0.send(event));
    }

    /// Sends a note.
    pub fn note(&self, message: impl Into<Message>) {
        self.emit(Event::Note(message.into()));
    }
}

/// Requests a run to stop, with a cause. The first cause stays. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    token: CancellationToken,
    cause: Arc<OnceLock<Cause>>,
}

impl Stop {
    /// Requests the stop.
    pub fn request(&self, cause: Cause) {
        // The cause is set before the token is cancelled, so that whoever wakes up finds it.
        let _first_cause_stays = self.cause.set(cause);
        self.token.cancel();
    }

    /// Returns the cause, once a stop was requested.
    pub fn requested(&self) -> Option<Cause> {
        self.token.is_cancelled().then(|| self.cause.get().copied().unwrap_or(Cause::Interrupted))
    }

    /// Waits until a stop is requested and returns its cause.
    pub async fn wait(&self) -> Cause {
        self.token.cancelled().await;
        self.requested().unwrap_or(Cause::Interrupted)
    }
}
