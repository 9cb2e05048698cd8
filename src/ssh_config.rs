//! The `Host` aliases of the ssh_config in use, the choice of some by a pattern, and what else it holds in all.
//!
//! What a line means for one host is ssh's business: `ssh -G` tells. Which aliases there are does not depend on the
//! blocks an `Include` stands in. Left out are wildcard and negated entries, and names that
//! ssh would refuse on its command line. `${VAR}` and `%` tokens in `Include`, new in OpenSSH 10, are not expanded.
//! At most [`MAX_FILES`] files and [`MAX_BYTES`] are read in all.

mod error;
mod facts;
mod files;
mod line;
mod resolve;
mod sockets;
mod ways;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

pub use self::error::SshConfigError;
pub use self::facts::Facts;
use self::files::{expand, load};
use self::line::{Line, parse};
pub use self::resolve::{Resolved, resolve, same_machine};
use self::sockets::Here;
pub use self::ways::{Host, ways};
use crate::escape::escape;
use crate::hostset::pattern::{is_pattern, matches};
use crate::hostset::{HostName, excerpt};

/// The most files that one ssh_config may come to, its includes counted as often as they are named.
pub const MAX_FILES: usize = 10_000;

/// The most bytes that they may have together.
pub const MAX_BYTES: u64 = 64 << 20;

/// How deep includes nest: what ssh allows.
const MAX_DEPTH: usize = 16;

/// How many aliases a pattern that chooses none is answered with.
const NEAREST: usize = 5;

/// A name that a `Host` line gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// The name, as ssh takes it.
    pub name: HostName,
    /// The file that first names it.
    pub file: PathBuf,
    /// The line in that file, from 1.
    pub line: u64,
}

/// The aliases of `config`, or of `~/.ssh/config` and `/etc/ssh/ssh_config` as far as they exist; in the order of the
/// files, each name once. With a `config`, it alone is read, as by `ssh -F`; `none` is ssh's word for no file.
pub fn aliases(config: Option<&Path>) -> Result<Vec<Alias>, SshConfigError> {
    read(config).map(|reader| reader.aliases)
}

/// A digest of all that the same files say.
pub fn digest(config: Option<&Path>) -> Result<[u8; 32], SshConfigError> {
    read(config).map(|reader| reader.digest.finalize().into())
}

/// What the same files hold that a host may be about.
pub fn facts(config: Option<&Path>) -> Result<Facts, SshConfigError> {
    read(config).map(|reader| reader.facts)
}

fn read(config: Option<&Path>) -> Result<Reader, SshConfigError> {
    let here = Here::find();
    let user = here.home.join(".ssh");
    let mut reader = Reader::new(here);
    match config {
        Some(config) if config.as_os_str().eq_ignore_ascii_case("none") => {}
        Some(config) => reader.read(config, &user, "-F")?,
        None => {
            reader.read_if_there(&user.join("config"), &user, "~/.ssh/config")?;
            reader.read_if_there(
                Path::new("/etc/ssh/ssh_config"),
                Path::new("/etc/ssh"),
                "/etc/ssh/ssh_config",
            )?;
        }
    }
    Ok(reader)
}

/// The aliases that `pattern` stands for, in their order; at least one.
pub fn choose<'a>(pattern: &str, aliases: &'a [Alias]) -> Result<Vec<&'a Alias>, SshConfigError> {
    let chosen: Vec<&Alias> = aliases.iter().filter(|alias| matches(pattern, &alias.name)).collect();
    if chosen.is_empty() {
        return Err(SshConfigError::NoMatch { pattern: excerpt(pattern), hint: nearest(pattern, aliases) });
    }
    Ok(chosen)
}

/// The aliases that `pattern` may have meant, in words.
fn nearest(pattern: &str, aliases: &[Alias]) -> String {
    let core = pattern.replace(['*', '?'], "");
    let length = core.chars().count();
    let distance = |alias: &Alias| {
        // A pattern tends to be the beginning of what it means.
        let start: String = alias.name.chars().take(length).collect();
        strsim::osa_distance(&core, &start).min(strsim::osa_distance(&core, &alias.name))
    };
    let mut near: Vec<(usize, &str)> = aliases.iter().map(|alias| (distance(alias), &*alias.name)).collect();
    near.retain(|(distance, _)| *distance <= 1 + length / 4);
    near.sort_unstable();
    let names: Vec<&str> = near.into_iter().take(NEAREST).map(|(_, name)| name).collect();
    match (aliases.len(), names.is_empty()) {
        (0, _) => "it names no host; name the hosts, or use -F".to_owned(),
        (count, true) => format!("none of its {count} is near; check the pattern"),
        (_, false) => format!("the nearest: {}", names.join(", ")),
    }
}

/// The files being read, and what they gave.
struct Reader {
    /// The files that are open, each included by the one before it.
    open: Vec<PathBuf>,
    files: usize,
    bytes: u64,
    digest: Sha256,
    seen: HashSet<HostName>,
    aliases: Vec<Alias>,
    /// The names of the `Host` block that is being read.
    block: Vec<String>,
    facts: Facts,
}

impl Reader {
    fn new(here: Here) -> Self {
        Self {
            open: Vec::new(),
            files: 0,
            bytes: 0,
            digest: Sha256::new(),
            seen: HashSet::new(),
            aliases: Vec::new(),
            block: vec!["*".to_owned()],
            facts: Facts::of(here),
        }
    }

    /// Reads `file` where it exists, as ssh does with files that nobody named to it.
    fn read_if_there(&mut self, file: &Path, folder: &Path, place: &str) -> Result<(), SshConfigError> {
        match self.read(file, folder, place) {
            Err(SshConfigError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Ok(())
            }
            other => other,
        }
    }

    /// Reads `file`, which `place` names; relative includes are looked for in `folder`.
    fn read(&mut self, file: &Path, folder: &Path, place: &str) -> Result<(), SshConfigError> {
        self.enter(file, place)?;
        let block = self.block.clone();
        let read = self.lines(file, folder, place);
        self.block = block;
        self.open.pop();
        read
    }

    fn lines(&mut self, file: &Path, folder: &Path, place: &str) -> Result<(), SshConfigError> {
        self.files += 1;
        let content = load(file, place, MAX_BYTES - self.bytes)?;
        self.bytes += content.len() as u64;
        self.digest.update((content.len() as u64).to_be_bytes());
        self.digest.update(&content);
        if self.files > MAX_FILES || self.bytes >= MAX_BYTES {
            return Err(SshConfigError::TooLarge { place: shown(file) });
        }
        let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&content);
        for (number, line) in (1..).zip(content.split(|byte| *byte == b'\n')) {
            self.line(file, folder, number, line)?;
        }
        Ok(())
    }

    /// Notes that `file` is open, unless it is already, or too many are.
    fn enter(&mut self, file: &Path, place: &str) -> Result<(), SshConfigError> {
        let path = file.canonicalize().unwrap_or_else(|_| file.to_owned());
        let mut around = self.open.iter().skip_while(|open| **open != path).peekable();
        if around.peek().is_some() {
            let chain: Vec<String> = around.chain([&path]).map(|path| shown(path)).collect();
            return Err(SshConfigError::Loop { place: place.to_owned(), chain: chain.join(" → ") });
        }
        if self.open.len() > MAX_DEPTH {
            return Err(SshConfigError::Depth { place: place.to_owned() });
        }
        self.open.push(path);
        Ok(())
    }

    fn line(&mut self, file: &Path, folder: &Path, number: u64, line: &[u8]) -> Result<(), SshConfigError> {
        match parse(line) {
            Line::Host(names) => self.host(file, number, names),
            Line::Include(patterns) => {
                self.facts.include(&patterns);
                let place = format!("{}, line {number}", shown(file));
                for pattern in patterns {
                    for included in expand(&pattern, folder, &self.facts.here.home) {
                        self.read_if_there(&included, folder, &place)?;
                    }
                }
            }
            Line::OpenQuote => {
                return Err(SshConfigError::OpenQuote { place: format!("{}, line {number}", shown(file)) });
            }
            Line::HostName(words) => self.facts.host_name(&self.block, words),
            Line::ControlPath(words) => self.facts.control_path(words),
            Line::User(words) => self.facts.user(words),
            Line::Port(words) => self.facts.port(words),
            Line::Deciding => self.facts.deciding = true,
            Line::Other => {}
        }
        Ok(())
    }

    fn host(&mut self, file: &Path, line: u64, names: Vec<String>) {
        // What was no UTF-8 cannot be told from U+FFFD any more.
        let odd = |name: &str| is_pattern(name) || name.starts_with('!') || name.contains('\u{fffd}');
        self.block.clone_from(&names);
        for name in names {
            let Ok(name) = HostName::parse(&name) else { continue };
            if !odd(&name) && self.seen.insert(name.clone()) {
                self.aliases.push(Alias { name, file: file.to_owned(), line });
            }
        }
    }
}

/// A path, fit for a terminal.
fn shown(path: &Path) -> String {
    escape(path.as_os_str().as_encoded_bytes())
}

#[cfg(test)]
mod tests;
