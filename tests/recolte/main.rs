//! recolte as its users meet it: the built program, against real hosts of `scripts/lab`.
//!
//! Every test has a lab of its own, so tests run side by side. A machine where no lab comes up fails them: none is
//! ever skipped. After each run it is checked that nothing is left behind, on the gateway and on the hosts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "these are tests: what is not as it should be ends them"
)]

mod archive;
mod breaks;
mod check;
mod cli;
mod collect;
mod disk;
mod dropin;
mod duplicates;
mod execute;
mod faults;
mod hold;
mod job;
mod keep;
mod lab;
mod lock;
mod mail;
mod masters;
mod names;
mod parts;
mod refused;
mod resume;
mod signals;
mod supervise;
mod thresholds;
mod time;
