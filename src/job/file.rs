//! The tables of a job file: its keys, their types and their defaults.
//!
//! Limits: nothing is checked against the machine, see [`super::build`].

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};
use toml::Spanned;

use super::max_failures::MaxFailures;
use crate::mail::{Mailbox, Transport};
use crate::message::JobMessage;

/// A job file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobFile {
    pub name: Option<Spanned<String>>,
    pub output: Option<PathBuf>,
    #[serde(default = "parallel")]
    pub parallel: Spanned<usize>,
    #[serde(default)]
    pub handshakes: usize,
    #[serde(default, deserialize_with = "some_duration")]
    pub deadline: Option<Duration>,
    pub max_failures: Option<MaxFailures>,
    #[serde(default)]
    pub canary: usize,
    #[serde(default)]
    pub targets: TargetsTable,
    #[serde(default)]
    pub ssh: SshTable,
    pub script: ScriptTable,
    pub collect: CollectTable,
    #[serde(default)]
    pub archive: ArchiveTable,
    pub mail: Option<Spanned<MailTable>>,
}

/// The table `[targets]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetsTable {
    #[serde(default)]
    pub hosts: Vec<Spanned<String>>,
    #[serde(default)]
    pub exclude: Vec<Spanned<String>>,
    pub register: Option<RegisterTable>,
}

/// The table `targets.register`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterTable {
    pub file: Spanned<PathBuf>,
    pub sheet: Option<String>,
    pub host: String,
    #[serde(default, rename = "where")]
    pub filters: BTreeMap<String, Vec<String>>,
}

/// The table `[ssh]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SshTable {
    pub config: Option<Spanned<PathBuf>>,
    pub identity: Option<Spanned<PathBuf>>,
    #[serde(deserialize_with = "duration")]
    pub connect_timeout: Duration,
    pub retries: usize,
    #[serde(deserialize_with = "some_duration")]
    pub keep: Option<Duration>,
}

impl Default for SshTable {
    fn default() -> Self {
        Self {
            config: None,
            identity: None,
            connect_timeout: Duration::from_secs(10),
            retries: 2,
            keep: None,
        }
    }
}

/// The table `[script]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptTable {
    pub file: Spanned<PathBuf>,
    #[serde(default)]
    pub args: Vec<Spanned<String>>,
    #[serde(default = "staging")]
    pub staging: Spanned<String>,
    pub install: Spanned<String>,
    #[serde(default = "mode")]
    pub mode: Spanned<String>,
    pub run_as: Option<Spanned<String>>,
    #[serde(default, deserialize_with = "some_duration")]
    pub timeout: Option<Duration>,
    #[serde(default = "yes")]
    pub supervise: bool,
}

/// The table `[collect]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CollectTable {
    pub files: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    pub layout: Layout,
    #[serde(default = "yes")]
    pub fresh: bool,
    #[serde(default = "yes")]
    pub required: bool,
    #[serde(default = "max_file", deserialize_with = "size")]
    pub max_file: u64,
    #[serde(default = "max_host", deserialize_with = "size")]
    pub max_host: u64,
}

/// The layout of collected files below the job's folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// A folder for each host.
    #[default]
    ByHost,
    /// One folder for all; files of the same name get different ones.
    Flat,
}

/// The table `[archive]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveTable {
    pub copy_to: Option<PathBuf>,
}

/// The table `[mail]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailTable {
    #[serde(default = "sendmail")]
    pub transport: Parsed<Transport>,
    pub from: Option<Parsed<Mailbox>>,
    pub to: Spanned<Vec<Parsed<Mailbox>>>,
    #[serde(default = "subject")]
    pub subject: String,
    #[serde(default = "body")]
    pub body: String,
    #[serde(default = "max_size", deserialize_with = "size")]
    pub max_size: u64,
    pub user: Option<String>,
    pub password_file: Option<Spanned<PathBuf>>,
}

fn parallel() -> Spanned<usize> {
    Spanned::new(0..0, 32)
}

fn staging() -> Spanned<String> {
    Spanned::new(0..0, "/tmp".to_owned())
}

fn mode() -> Spanned<String> {
    Spanned::new(0..0, "775".to_owned())
}

fn yes() -> bool {
    true
}

fn max_file() -> u64 {
    bytesize::GIB
}

fn max_host() -> u64 {
    4 * bytesize::GIB
}

fn max_size() -> u64 {
    10 * bytesize::MIB
}

fn sendmail() -> Parsed<Transport> {
    Parsed(Transport::Sendmail)
}

/// Returns the old script's subject, with the `$U` that its shell replaced by nothing.
fn subject() -> String {
    "Résultat $U du script".to_owned()
}

/// Returns the old script's text.
fn body() -> String {
    "Vous trouverez ci-joint les fichiers comprenant les retours de chaque serveur après le lancement du script."
        .to_owned()
}

/// A value that is written as text and parsed by its type.
#[derive(Debug)]
pub struct Parsed<T>(pub T);

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_text(deserializer, |text| text.parse::<T>().map_err(|error| error.to_string())).map(Self)
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

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserialize_text(deserializer, parse_duration)
}

fn some_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    deserialize_text(deserializer, parse_size)
}
