//! The job file as it is written: its keys, their types and their defaults. Nothing is checked against the machine.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};
use toml::Spanned;

use super::limit::MaxFailures;
use crate::mail::{Mailbox, Transport};

/// The whole file.
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

/// `[targets]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetsTable {
    #[serde(default)]
    pub hosts: Vec<Spanned<String>>,
    #[serde(default)]
    pub exclude: Vec<Spanned<String>>,
    pub register: Option<RegisterTable>,
}

/// `targets.register`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterTable {
    pub file: Spanned<PathBuf>,
    pub sheet: Option<String>,
    pub host: String,
    #[serde(default, rename = "where")]
    pub wanted: BTreeMap<String, Vec<String>>,
}

/// `[ssh]`
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

/// `[script]`
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

/// `[collect]`
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

/// How collected files lie below the job's folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// A folder a host.
    #[default]
    ByHost,
    /// All in one; a name met twice is told apart.
    Flat,
}

/// `[archive]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveTable {
    pub copy_to: Option<PathBuf>,
}

/// `[mail]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailTable {
    #[serde(default = "sendmail", deserialize_with = "parsed")]
    pub transport: Transport,
    #[serde(default, deserialize_with = "some_parsed")]
    pub from: Option<Mailbox>,
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

fn sendmail() -> Transport {
    Transport::Sendmail
}

/// The old script's subject, with the `$U` that its shell swallowed.
fn subject() -> String {
    "Résultat $U du script".to_owned()
}

/// The old script's text.
fn body() -> String {
    "Vous trouverez ci-joint les fichiers comprenant les retours de chaque serveur après le lancement du script."
        .to_owned()
}

/// A value written as text that reads itself; a text it cannot read is an error at its line.
#[derive(Debug)]
pub struct Parsed<T>(pub T);

impl<'de, T> Deserialize<'de> for Parsed<T>
where
    T: FromStr,
    T::Err: Display,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Takes a string, and nothing else.
        struct Visitor<T>(PhantomData<T>);
        impl<T: FromStr<Err: Display>> de::Visitor<'_> for Visitor<T> {
            type Value = T;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text in quotes")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
                text.parse().map_err(|error| E::custom(format_args!("\"{text}\" is not valid: {error}")))
            }
        }
        deserializer.deserialize_str(Visitor(PhantomData)).map(Self)
    }
}

fn parsed<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Parsed::deserialize(deserializer).map(|Parsed(value)| value)
}

fn some_parsed<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(d: D) -> Result<Option<T>, D::Error> {
    parsed(d).map(Some)
}

/// A length of time as people write it; never none at all.
struct DurationText(Duration);

impl FromStr for DurationText {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match humantime::parse_duration(text) {
            Ok(span) if span < Duration::from_secs(1) => Err("at least \"1s\" is needed".to_owned()),
            Ok(span) => Ok(Self(span)),
            Err(error) => Err(format!("{error}; write it like \"30s\" or \"2h\"")),
        }
    }
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parsed::<DurationText, D>(deserializer).map(|span| span.0)
}

fn some_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}

/// A number of bytes as people write it.
struct SizeText(u64);

impl FromStr for SizeText {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        text.parse::<bytesize::ByteSize>()
            .map(|size| Self(size.as_u64()))
            .map_err(|error| format!("{error}; write it like \"10MiB\""))
    }
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    parsed::<SizeText, D>(deserializer).map(|size| size.0)
}
