//! Texts about a visited host: what went wrong at which step, and the way out.

use super::messages;

messages! {
    /// A text about a visited host.
    VisitMessage as Visit {
        ScriptNotSupplied { path } => "{path} is not what was supplied",
    }
}
