//! Why an ssh_config cannot be read: file, line, cause and way out.

use super::{MAX_BYTES, MAX_DEPTH, MAX_FILES};

/// Why the aliases cannot be told. `place` is a file, with its line where it is known.
#[derive(Debug, thiserror::Error)]
pub enum SshConfigError {
    /// The operating system refused.
    #[error("{place}: cannot be read")]
    Read {
        /// The file, and its line where it is known.
        place: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The name is not that of a file.
    #[error("{place}: {file} is not a regular file; name an ssh_config")]
    NoFile {
        /// The file, and its line where it is known.
        place: String,
        /// The file named there.
        file: String,
    },
    /// An `Include` leads back to a file that is being read.
    #[error("{place}: this Include leads in a circle: {chain}; remove one of them")]
    Loop {
        /// The file, and its line where it is known.
        place: String,
        /// The files of the circle.
        chain: String,
    },
    /// Includes nest deeper than ssh allows.
    #[error(
        "{place}: includes nest deeper than the {MAX_DEPTH} that ssh allows; include this file from a higher one"
    )]
    Depth {
        /// The file, and its line.
        place: String,
    },
    /// More than is read here.
    #[error("{place}: the ssh_config and its includes come to more than {MAX_FILES} files or {} MiB; use -F with a smaller one", MAX_BYTES >> 20)]
    TooLarge {
        /// The file, and its line where it is known.
        place: String,
    },
    /// A line that ssh would refuse.
    #[error("{place}: a quote is never closed; close it on its line")]
    OpenQuote {
        /// The file, and its line where it is known.
        place: String,
    },
    /// The pattern stands for none of them.
    #[error("{pattern}: no Host alias of the ssh_config in use is like this; {hint}")]
    NoMatch {
        /// The pattern, cut where it is long.
        pattern: String,
        /// What it may have meant.
        hint: String,
    },
}
