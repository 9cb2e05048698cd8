//! The threshold of `max_failures`: how many hosts may fail before a run starts no more of them.
//!
//! Pure. Limits: which outcomes count as failures is decided by the caller.

use std::fmt;

use serde::{Deserialize, Deserializer, de};

use crate::message::JobMessage;

/// A count of hosts, or a share of those that the run visits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxFailures {
    /// A number of hosts.
    Count(usize),
    /// A percentage of all hosts.
    Percent(usize),
}

impl MaxFailures {
    /// Checks whether `failed` of `all` hosts are more than may fail.
    pub fn exceeded(self, failed: usize, all: usize) -> bool {
        match self {
            Self::Count(max) => failed > max,
            Self::Percent(max) => failed.saturating_mul(100) > all.saturating_mul(max),
        }
    }
}

impl<'de> Deserialize<'de> for MaxFailures {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Accepts a whole number, or a text that ends in a percent sign.
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = MaxFailures;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&JobMessage::MaxFailuresExpected.to_string())
            }
            fn visit_i64<E: de::Error>(self, count: i64) -> Result<MaxFailures, E> {
                usize::try_from(count).map(MaxFailures::Count).map_err(|_negative| invalid(count))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<MaxFailures, E> {
                let share = text.strip_suffix('%').and_then(|share| share.trim().parse().ok());
                share.filter(|share| *share <= 100).map(MaxFailures::Percent).ok_or_else(|| invalid(text))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

fn invalid<E: de::Error>(value: impl fmt::Display) -> E {
    E::custom(JobMessage::MaxFailuresInvalid { value: value.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_exceeded_only_beyond_it() {
        assert!(!MaxFailures::Count(2).exceeded(2, 10));
        assert!(MaxFailures::Count(2).exceeded(3, 10));
        assert!(!MaxFailures::Percent(20).exceeded(2, 10));
        assert!(MaxFailures::Percent(20).exceeded(3, 10));
        assert!(MaxFailures::Percent(0).exceeded(1, 1_000));
        assert!(!MaxFailures::Percent(100).exceeded(10, 10));
    }
}
