//! Output of the program: answers on stdout, messages on stderr.
//!
//! A reader that closed its end of a pipe is no error: what it does not read is dropped.

use std::io::{self, Write as _};

/// Prints an answer to stdout as it is.
pub fn print_answer(text: &str) {
    let mut stdout = io::stdout().lock();
    let _closed = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Prints a message to stderr, on a line of its own.
pub fn print_message(text: &str) {
    let _closed = writeln!(io::stderr().lock(), "{text}");
}
