//! The two ways out: answers to stdout, messages to stderr. A reader that went away is no error.

use std::io::{self, Write as _};

/// Prints an answer as it is.
pub fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _gone = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Says a message, on a line of its own.
pub fn say(text: &str) {
    let _gone = writeln!(io::stderr().lock(), "{text}");
}
