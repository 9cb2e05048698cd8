//! recolte: argv to exit code. The only place that exits.
#![allow(dead_code, unused_imports)]

mod mail;
mod printable;

fn main() {}
