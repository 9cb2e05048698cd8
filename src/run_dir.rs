//! Everything that a run keeps on the gateway: its folder, the collected files, the journal, the lock.
//!
//! `folder` creates the run folder, `local_path` finds a safe local name for a file of a host, `journal` records what
//! must be known after a power cut, `earlier_run` reads it again, `lock` keeps two runs of a job apart.

mod earlier_run;
mod folder;
mod journal;
mod local_path;
mod lock;

pub use earlier_run::{EarlierRun, Task, find_run, list_runs};
pub use folder::{JOURNAL, MANIFEST, REPORT_HTML, REPORT_JSON, REPORT_TEXT, RunFolder, SCRIPT};
pub use journal::{Journal, JournalEntry, RunParameters};
pub use local_path::{HostFolder, ReservedNames};
pub use lock::Lock;
