//! The only words between the runner and those who listen: events go up, the order to stop goes down.
//!
//! The runner never prints. It says what happened; the terminal and the journal make of it what they need. Events
//! are small and owned, so that a listener may be a thread of its own.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::hostset::HostName;
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
    /// Something worth telling that changes no outcome. Fit for a terminal.
    Note(String),
    /// The archive is on disk.
    Archived {
        /// Where.
        path: PathBuf,
        /// Its length in bytes.
        bytes: u64,
    },
    /// The mail is on its way.
    Mailing,
}

/// The runner's mouth. Cheap to clone; never blocks.
#[derive(Debug, Clone)]
pub struct Events(mpsc::UnboundedSender<Event>);

impl Events {
    /// A mouth and the ear that hears all it says, in order. The ear hears the end once every clone is gone.
    pub fn channel() -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// Says it. A listener that is gone is no reason to stop the work.
    pub fn emit(&self, event: Event) {
        drop(self.0.send(event));
    }

    /// Says a note.
    pub fn note(&self, text: impl Into<String>) {
        self.emit(Event::Note(text.into()));
    }
}

/// The order to stop, with its reason. The first reason given stays.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    /// Tells everyone at once.
    token: CancellationToken,
    /// Why.
    why: Arc<OnceLock<Cause>>,
}

impl Stop {
    /// Gives the order.
    pub fn request(&self, why: Cause) {
        let _first_reason_stays = self.why.set(why);
        self.token.cancel();
    }

    /// The reason, once the order was given.
    pub fn requested(&self) -> Option<Cause> {
        self.token.is_cancelled().then(|| self.why.get().copied().unwrap_or(Cause::Interrupted))
    }

    /// Waits for the order and gives its reason.
    pub async fn wait(&self) -> Cause {
        self.token.cancelled().await;
        self.requested().unwrap_or(Cause::Interrupted)
    }
}
