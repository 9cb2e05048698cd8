//! Who is visited.

pub mod name;
pub mod range;
pub mod register;
