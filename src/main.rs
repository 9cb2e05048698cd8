//! recolte: argv to exit code. The only place that exits.
#![allow(dead_code)]

mod event;
mod outcome;
mod printable;
mod shell;

fn main() {}
