//! Events that the run engine emits, and the request to stop that it obeys.
//!
//! The engine never prints: it emits events, and the progress display is their only listener (the journal and the
//! reports do not depend on them). Events are small and owned, so that the listener may be a thread of its own.

use std::path::PathBuf;

use tokio::sync::{mpsc, watch};

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
pub struct Stop(watch::Sender<Option<Cause>>);

impl Stop {
    /// Requests the stop.
    pub fn request(&self, cause: Cause) {
        self.0.send_modify(|first| *first = first.or(Some(cause)));
    }

    /// Returns the cause, once a stop was requested.
    pub fn requested(&self) -> Option<Cause> {
        *self.0.borrow()
    }

    /// Waits until a stop is requested and returns its cause.
    pub async fn wait(&self) -> Cause {
        let mut receiver = self.0.subscribe();
        let cause = receiver.wait_for(Option::is_some).await;
        // Without a cause the wait would only end if the sender were dropped, which is `self`.
        cause.ok().and_then(|cause| *cause).unwrap_or(Cause::Interrupted)
    }
}
