//! Reads an ssh_config and its includes, line by line: its aliases, its digest, and whether ssh must be asked.
//!
//! Limits: the same as those of [`super`]. A file that is included twice is read twice, as by ssh.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::include::expand_include;
use super::line::{Line, parse_line};
use super::need_to_ask::AskRule;
use super::{Alias, MAX_BYTES, MAX_FILES};
use crate::disk;
use crate::escape::escape_path;
use crate::hostset::HostName;
use crate::hostset::pattern::{is_pattern, matches};
use crate::located::Located;
use crate::message::InventoryMessage;

/// The deepest nesting of includes, as in ssh.
const MAX_DEPTH: usize = 16;

/// The files being read, and their content so far.
#[derive(Default)]
pub(super) struct Reader {
    pub(super) aliases: Vec<Alias>,
    /// Of all bytes read.
    pub(super) digest: Sha256,
    pub(super) ask_rule: AskRule,
    home: PathBuf,
    /// The files that are open, each included by the one before it.
    open: Vec<PathBuf>,
    files: usize,
    bytes: u64,
    /// The names of the aliases.
    seen: HashSet<HostName>,
    /// The names of the `Host` block that is being read; empty outside any block.
    block: Vec<String>,
}

/// Reads `config`, as `ssh -F` does, or else the files that ssh reads by default.
///
/// # Errors
/// A file cannot be read, or ssh would refuse it.
pub(super) fn read_config(config: Option<&Path>) -> Result<Reader, Located> {
    let mut reader = Reader::new(home());
    let user = reader.home.join(".ssh");
    match config {
        Some(config) if config.as_os_str().eq_ignore_ascii_case("none") => {}
        Some(config) => reader.read_file(config, &user, "-F")?,
        None => {
            reader.read_if_exists(&user.join("config"), &user, "~/.ssh/config")?;
            let system = Path::new("/etc/ssh/ssh_config");
            reader.read_if_exists(system, Path::new("/etc/ssh"), "/etc/ssh/ssh_config")?;
        }
    }
    Ok(reader)
}

/// Returns the user's home as ssh takes it: from the password file, whatever `$HOME` says.
fn home() -> PathBuf {
    let user = nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten();
    user.map(|user| user.dir).or_else(std::env::home_dir).unwrap_or_else(|| PathBuf::from("/"))
}

impl Reader {
    pub(super) fn new(home: PathBuf) -> Self {
        Self { home, ..Self::default() }
    }

    /// Reads a file as [`Reader::read_file`] does, if it exists: ssh ignores a missing file unless it is that of
    /// `-F`, and reads a folder as an empty file.
    fn read_if_exists(&mut self, file: &Path, folder: &Path, place: &str) -> Result<(), Located> {
        let is_missing = |error: &Located| {
            let cause = error.source.as_ref().and_then(|source| source.downcast_ref::<io::Error>());
            let kinds = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory];
            cause.is_some_and(|cause| kinds.contains(&cause.kind()))
        };
        match self.read_file(file, folder, place) {
            Err(error) if is_missing(&error) || file.is_dir() => Ok(()),
            other => other,
        }
    }

    /// Reads a file that `place` names; `folder` is where its relative includes are.
    pub(super) fn read_file(&mut self, file: &Path, folder: &Path, place: &str) -> Result<(), Located> {
        self.push_open(file, place)?;
        // A block that an included file opens ends with that file.
        let block = self.block.clone();
        let read = self.read_lines(file, folder, place);
        self.block = block;
        self.open.pop();
        read
    }

    fn read_lines(&mut self, file: &Path, folder: &Path, place: &str) -> Result<(), Located> {
        let content = self.read_content(file, place)?;
        self.digest.update((content.len() as u64).to_be_bytes());
        self.digest.update(&content);
        let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&content);
        for (number, line) in (1..).zip(content.split(|byte| *byte == b'\n')) {
            self.read_line(file, folder, number, line)?;
        }
        Ok(())
    }

    fn read_content(&mut self, file: &Path, place: &str) -> Result<Vec<u8>, Located> {
        let too_large = || {
            let (max_files, max_mib) = (MAX_FILES, MAX_BYTES >> 20);
            Located::new(escape_path(file), InventoryMessage::ConfigTooLarge { max_files, max_mib })
        };
        let content =
            disk::read_bounded(file, MAX_BYTES - self.bytes).map_err(|error| match error.kind() {
                io::ErrorKind::IsADirectory => {
                    Located::new(place, InventoryMessage::ConfigNotRegular { file: escape_path(file) })
                }
                io::ErrorKind::FileTooLarge => too_large(),
                _ => {
                    let place = format!("{place}: {}", escape_path(file));
                    Located::with_source(place, InventoryMessage::FileUnreadable, error)
                }
            })?;
        self.files += 1;
        self.bytes += content.len() as u64;
        if self.files > MAX_FILES { Err(too_large()) } else { Ok(content) }
    }

    /// Adds a file to those that are open.
    ///
    /// # Errors
    /// It is open already, or too many are.
    fn push_open(&mut self, file: &Path, place: &str) -> Result<(), Located> {
        let path = file.canonicalize().unwrap_or_else(|_| file.to_owned());
        let mut circle = self.open.iter().skip_while(|open| **open != path).peekable();
        if circle.peek().is_some() {
            let chain: Vec<String> = circle.chain([&path]).map(|path| escape_path(path)).collect();
            return Err(Located::new(
                place,
                InventoryMessage::ConfigIncludeLoop { chain: chain.join(" → ") },
            ));
        }
        if self.open.len() > MAX_DEPTH {
            return Err(Located::new(place, InventoryMessage::ConfigIncludeTooDeep { max: MAX_DEPTH }));
        }
        self.open.push(path);
        Ok(())
    }

    fn read_line(&mut self, file: &Path, folder: &Path, number: u64, line: &[u8]) -> Result<(), Located> {
        let place = || InventoryMessage::AtLine { file: escape_path(file), line: number }.to_string();
        match parse_line(line) {
            Line::Host(names) => self.add_aliases(file, number, names),
            Line::Include(patterns) => {
                self.ask_rule.add_include(&patterns);
                for pattern in patterns {
                    for included in expand_include(&pattern, folder, &self.home) {
                        self.read_if_exists(&included, folder, &place())?;
                    }
                }
            }
            Line::OpenQuote => return Err(Located::new(place(), InventoryMessage::ConfigQuoteOpen)),
            Line::HostName(values) => self.ask_rule.add_host_name(&self.block, &values),
            Line::LeftToSsh => self.ask_rule.left_to_ssh = true,
            Line::Other => {}
        }
        Ok(())
    }

    fn add_aliases(&mut self, file: &Path, line: u64, names: Vec<String>) {
        // Bytes that are not UTF-8 became U+FFFD: their name is lost. ssh takes what stands before an `@` for a user.
        let is_name = |name: &str| !is_pattern(name) && !name.contains(['@', '!', '\u{fffd}']);
        let negated: Vec<&str> = names.iter().filter_map(|name| name.strip_prefix('!')).collect();
        let is_alias = |name: &str| is_name(name) && !negated.iter().any(|pattern| matches(pattern, name));
        let valid = names.iter().filter(|name| is_alias(name)).filter_map(|name| HostName::parse(name).ok());
        for name in valid {
            if self.seen.insert(name.clone()) {
                self.aliases.push(Alias { name, file: file.to_owned(), line });
            }
        }
        self.block = names;
    }
}
