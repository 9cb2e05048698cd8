//! Texts about the job file: what is wrong in it, and the way out.

use super::messages;

messages! {
    /// A text about the job file.
    JobMessage as Job {
        ParallelIsZero => "parallel must be at least 1",
    }
}
