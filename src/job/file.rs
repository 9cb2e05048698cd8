//! The job file: its keys, their types and their defaults.
//!
//! Limits: nothing is checked against the machine, see [`super::build`].

use std::fmt::{self, Display};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use super::{Collect, MaxFailures, Script, Ssh};
use crate::inventory::Selection;
use crate::mail::{Mailbox, Transport};
use crate::message::JobMessage;

/// A job file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JobFile {
    pub(super) name: Option<String>,
    pub(super) output: Option<PathBuf>,
    pub(super) parallel: Option<usize>,
    #[serde(default)]
    pub(super) handshakes: usize,
    #[serde(default, deserialize_with = "some_duration")]
    pub(super) deadline: Option<Duration>,
    pub(super) max_failures: Option<MaxFailures>,
    #[serde(default)]
    pub(super) canary: usize,
    #[serde(default)]
    pub(super) targets: Selection,
    #[serde(default)]
    pub(super) ssh: Ssh,
    pub(super) script: Script,
    pub(super) collect: Collect,
    #[serde(default)]
    pub(super) archive: ArchiveTable,
    pub(super) mail: Option<MailTable>,
}

/// The table `[archive]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "struct Archive")]
pub(super) struct ArchiveTable {
    pub(super) copy_to: Option<PathBuf>,
}

/// The table `[mail]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "struct Mail")]
pub(super) struct MailTable {
    #[serde(default)]
    pub(super) transport: Parsed<Transport>,
    pub(super) from: Option<Parsed<Address>>,
    pub(super) to: Vec<Parsed<Address>>,
    pub(super) subject: Option<String>,
    pub(super) body: Option<String>,
    #[serde(default = "bytes::<{ 10 * bytesize::MIB }>", deserialize_with = "size")]
    pub(super) max_size: u64,
    pub(super) user: Option<String>,
    pub(super) password_file: Option<PathBuf>,
}

pub(super) fn staging() -> String {
    "/tmp".to_owned()
}

pub(super) fn mode() -> String {
    "775".to_owned()
}

pub(super) fn start_timeout() -> Duration {
    Duration::from_secs(60)
}

pub(super) fn yes() -> bool {
    true
}

pub(super) fn bytes<const SIZE: u64>() -> u64 {
    SIZE
}

/// A value that is written as text and parsed by its type.
#[derive(Debug, Default)]
pub(super) struct Parsed<T>(pub(super) T);

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_text(deserializer, |text| text.parse::<T>().map_err(|error| error.to_string())).map(Self)
    }
}

/// One address of a mail.
#[derive(Debug)]
pub(super) struct Address(pub(super) Mailbox);

impl FromStr for Address {
    type Err = JobMessage;
    fn from_str(text: &str) -> Result<Self, JobMessage> {
        let items: Vec<&str> = text.split([',', ';', ' ']).filter(|item| !item.is_empty()).collect();
        let several = items.len() > 1 && items.iter().all(|item| item.parse::<Mailbox>().is_ok());
        text.parse().map(Self).map_err(|error: lettre::address::AddressError| {
            match text.contains(['@', ' ']) {
                _ if several => JobMessage::SeveralAddresses { listed: format!("{items:?}") },
                true => JobMessage::AddressInvalid { error: error.to_string() },
                false => JobMessage::AddressLacksDomain { user: text.to_owned() },
            }
        })
    }
}

/// Deserializes a value that is written as text. The error of `parse` gets the line of the text.
fn deserialize_text<'de, T, D: Deserializer<'de>>(
    deserializer: D,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<T, D::Error> {
    /// Accepts a string, and nothing else. Deserializing a `String` would do, but for the text of the error.
    struct Visitor<F>(F);
    impl<T, F: Fn(&str) -> Result<T, String>> de::Visitor<'_> for Visitor<F> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(&JobMessage::TextExpected.to_string())
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            (self.0)(text)
                .map_err(|error| E::custom(JobMessage::TextInvalid { text: text.to_owned(), error }))
        }
    }
    deserializer.deserialize_str(Visitor(parse))
}

/// Parses a duration of at least one second.
fn parse_duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if duration < Duration::from_secs(1) => Err(JobMessage::DurationTooShort.to_string()),
        Ok(duration) => Ok(duration),
        Err(error) => Err(JobMessage::DurationInvalid { error: error.to_string() }.to_string()),
    }
}

/// Parses a number of bytes.
fn parse_size(text: &str) -> Result<u64, String> {
    let size = text.parse::<bytesize::ByteSize>().map(|size| size.as_u64());
    size.map_err(|error| JobMessage::SizeInvalid { error }.to_string())
}

pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserialize_text(deserializer, parse_duration)
}

pub(super) fn some_duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}

pub(super) fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    deserialize_text(deserializer, parse_size)
}
