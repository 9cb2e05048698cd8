//! What people and machines are told of a run: while it goes, at its end, in files and in the mail.
//!
//! The only place, beside `main.rs`, that may write to the terminal. Listens to `event`, reads `outcome`, decides
//! nothing. Whatever came from a host is made printable and cut to a length once more here, where it is shown.

pub mod grid;
pub mod html;
pub mod json;
pub mod output;
pub mod progress;
pub mod style;
pub mod text;
pub mod units;

mod group;
mod layout;
mod words;

pub use json::RunReport;
pub use progress::{Mode, Progress};
pub use style::Style;

#[cfg(test)]
mod samples;
