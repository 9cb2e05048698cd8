//! Reports of a run as plain text: on the terminal, in `report.txt`, in the mail.
//!
//! Pure functions of the run's report: the texts can be made again later from `report.json` alone.

mod full_report;
mod host_table;
mod mail_body;
mod summary;

pub use full_report::full_report;
pub use mail_body::mail_body;
pub(in crate::report) use summary::describe_mail;
pub use summary::{OutputPaths, run_summary};

#[cfg(test)]
mod tests;
