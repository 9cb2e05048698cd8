//! Who is visited.

pub mod range;
