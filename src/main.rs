//! recolte: argv to exit code. The only place that exits.
#![allow(dead_code, unused_imports)]

mod event;
mod outcome;
mod printable;
mod report;
mod targets;

fn main() {}
