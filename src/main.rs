//! recolte: argv to exit code. The only place that exits.

fn main() {}
