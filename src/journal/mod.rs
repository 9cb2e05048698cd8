//! What a run leaves on the gateway, as it happens: its folder, the files it collects, its journal, its lock.
//!
//! `folder` is the run's own place, `place` finds a local name for a file of a host, `log` writes what must be known
//! after a power cut, `resume` reads it again, `lock` keeps two runs of a job apart.

mod folder;
mod lock;
mod log;
mod place;
mod resume;

pub use folder::{MANIFEST, REPORT, RunFolder, SCRIPT};
pub use lock::{Lock, LockError};
pub use log::{Begin, Entry, Journal};
pub use place::{Place, Taken};
pub use resume::{Earlier, Left, find};
