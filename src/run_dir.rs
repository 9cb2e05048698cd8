//! What a run leaves on the gateway, as it happens: its folder, the files it collects, its journal, its lock.
//!
//! `folder` is the run's own place, `place` finds a local name for a file of a host, `log` writes what must be known
//! after a power cut, `resume` reads it again, `lock` keeps two runs of a job apart.

mod earlier;
mod folder;
mod journal;
mod local_path;
mod lock;

pub use earlier::{EarlierRun, Remaining, find};
pub use folder::{MANIFEST, REPORT, RunFolder, SCRIPT};
pub use journal::{Journal, JournalEntry, RunStart};
pub use local_path::{HostFolder, ReservedNames};
pub use lock::{Lock, LockError};
