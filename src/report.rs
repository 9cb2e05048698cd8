//! Reports of a run, for people and for machines, and its progress on the terminal.
//!
//! Beside `main.rs` and `commands`, the only module that may write to the terminal. It is given the events of `event`
//! and the data of `outcome`; it decides nothing. Whatever came from a host is escaped and cut to a length once more
//! where it is shown.

pub mod check_table;
pub mod columns;
pub mod html;
pub mod json;
pub mod output;
pub mod progress;
pub mod style;
pub mod text;

mod group;
mod layout;
mod phrases;
mod units;

pub use json::RunReport;
pub use progress::{Mode, Progress};
pub use style::Style;

#[cfg(test)]
mod samples;
