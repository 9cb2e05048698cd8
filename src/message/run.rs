//! Texts about a run on the gateway: its folder, its lock, what it notes.

use super::messages;

messages! {
    /// A text about a run on the gateway.
    RunMessage as Run {
        JournalUnwritable { host, error } => "{host}: the journal cannot be written: {error}",
    }
}
