//! An error that names its place: a file with its line, sheet or row, or the word that is wrong.
//!
//! Limits: all texts are for people. Whoever makes an error escapes what comes from outside.

use std::error::Error;

use crate::message::Message;

/// An error at a place.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {kind}")]
pub struct Located {
    /// The file, with its line, sheet or row where they are known, or the word that is wrong.
    pub place: String,
    /// The fault, and the way out. Boxed, since every `Result` is as large as its error.
    pub kind: Box<Message>,
    /// The cause, if there is one.
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl Located {
    /// Makes an error without a cause.
    pub fn new(place: impl Into<String>, kind: impl Into<Message>) -> Self {
        Self { place: place.into(), kind: Box::new(kind.into()), source: None }
    }

    /// Makes an error that has a cause.
    pub fn with_source(
        place: impl Into<String>,
        kind: impl Into<Message>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { source: Some(source.into()), ..Self::new(place, kind) }
    }
}
