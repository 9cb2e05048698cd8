//! What a run leaves on the gateway, as it happens: its folder, the files it collects, its journal.
//!
//! `folder` is the run's own place, `place` finds a local name for a file of a host, `log` appends what happened.

mod folder;
mod log;
mod place;

pub use folder::{MANIFEST, REPORT, RunFolder};
pub use log::Log;
pub use place::Place;
