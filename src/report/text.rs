//! The account of a run as plain text: on the terminal, in `report.txt`, in the mail.
//!
//! Pure functions of the report: what they say can be said again later from `report.json` alone.

mod account;
mod full;
mod summary;
mod table;

pub use account::account;
pub use full::full;
pub(in crate::report) use summary::mail;
pub use summary::{Places, summary};

#[cfg(test)]
mod tests;
