//! What lies on a host: the globs, expanded there, and what each name stands for.
//!
//! No folder is listed over SFTP: one name that is no UTF-8 would kill the channel. Such names, and hosts without SFTP,
//! are asked with `stat`. Limits: that needs the `stat` of GNU or busybox there.

use std::collections::HashSet;
use std::sync::PoisonError;

use futures_util::{StreamExt as _, TryStreamExt as _};
use openssh_sftp_client::Sftp;
use openssh_sftp_client::metadata::MetaData;

use super::command::{CommandOutput, find};
use super::sftp::asked;
use super::upload::complaint;
use super::{Remote, RemoteError};
use crate::escape::escape_tail;
use crate::shell_quoting;

/// What kind of thing a name stands for. Displayed in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display)]
pub enum FileKind {
    /// A regular file.
    #[strum(to_string = "a regular file")]
    Regular,
    /// A symbolic link.
    #[strum(to_string = "a symbolic link")]
    Link,
    /// A folder.
    #[strum(to_string = "a folder")]
    Folder,
    /// A FIFO.
    #[strum(to_string = "a FIFO")]
    Fifo,
    /// A device.
    #[strum(to_string = "a device")]
    Device,
    /// A socket, or what nobody knows.
    #[strum(to_string = "no regular file")]
    Other,
}

impl FileKind {
    /// From the file type bits of a Unix mode.
    fn of(mode: u32) -> Self {
        match mode & 0o170_000 {
            0o100_000 => Self::Regular,
            0o120_000 => Self::Link,
            0o040_000 => Self::Folder,
            0o010_000 => Self::Fifo,
            0o020_000 | 0o060_000 => Self::Device,
            _ => Self::Other,
        }
    }
}

/// A name that the host's glob gave, as it is there without following links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFile {
    /// The path, as the host spells it.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: FileKind,
    /// Its length in bytes.
    pub bytes: u64,
    /// When it was changed, in seconds since 1970 by the host's clock.
    pub modified: i64,
}

/// The most bytes that the names of one host's files may take together.
const NAMES: usize = 16 * 1024 * 1024;

/// How many questions about files are under way at once.
const QUESTIONS: usize = 64;

/// How many regular files are described with their names, and brought along if they are small: that spares turns.
const ALONG: usize = 4;

/// The most bytes of a file that is brought along.
const SMALL: u64 = 32 * 1024;

impl Remote {
    /// What the globs stand for on the host, each name once, in the order of the host's shell.
    ///
    /// # Errors
    /// The connection broke, the login shell is noisy, or the names take more than 16 MiB.
    pub async fn list(&self, globs: &[String]) -> Result<Vec<RemoteFile>, RemoteError> {
        let read = |done: &CommandOutput| names(&done.stdout, &self.word);
        let mut names = self.run_in_shell_and_read(&self.list_program(globs), NAMES, read).await?;
        let contents = names.iter_mut().filter_map(|name| Some((name.name.clone(), name.content.take()?)));
        self.prefetched.lock().unwrap_or_else(PoisonError::into_inner).extend(contents);
        self.look(names).await
    }

    /// The program that [`Remote::list`] asks for.
    pub fn list_program(&self, globs: &[String]) -> String {
        list_program(globs, &self.word)
    }

    /// What the names are. One that went away meanwhile is left out.
    async fn look(&self, names: Vec<ListedName>) -> Result<Vec<RemoteFile>, RemoteError> {
        let sftp = if names.iter().all(|name| name.found.is_some()) {
            None
        } else {
            match self.sftp().await {
                Ok(sftp) => Some(sftp),
                Err(RemoteError::NoSftp) => None,
                Err(error) => return Err(error),
            }
        };
        let look = |name: ListedName| async {
            match name.found {
                Some(found) => Ok(Some(found)),
                None => self.look_at(sftp.as_deref(), name.name).await,
            }
        };
        let found: Vec<Option<RemoteFile>> = futures_util::stream::iter(names)
            .map(look)
            .buffered(if sftp.is_some() { QUESTIONS } else { 1 })
            .try_collect()
            .await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// What one name is; none if it went away.
    pub(super) async fn look_at(
        &self,
        sftp: Option<&Sftp>,
        name: Vec<u8>,
    ) -> Result<Option<RemoteFile>, RemoteError> {
        let found = match (sftp, std::str::from_utf8(&name)) {
            (Some(sftp), Ok(path)) => {
                asked(sftp.fs().symlink_metadata(path)).await.map(|meta| from_metadata(&name, &meta))
            }
            _ => self.stat(&name).await,
        };
        match found {
            Ok(found) => Ok(Some(found)),
            Err(RemoteError::Missing) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What a file is now.
    ///
    /// # Errors
    /// It went away, or the connection broke.
    pub async fn look_again(&self, file: &RemoteFile) -> Result<RemoteFile, RemoteError> {
        let sftp = self.sftp().await.ok();
        self.look_at(sftp.as_deref(), file.name.clone()).await?.ok_or(RemoteError::Missing)
    }

    /// What one name is, without SFTP.
    pub(super) async fn stat(&self, name: &[u8]) -> Result<RemoteFile, RemoteError> {
        let (word, name_word) = (&self.word, shell_quoting::word(name));
        let program = format!("LC_ALL=C stat -c '{word}{STAT}' -- {name_word}");
        let read = |done: &CommandOutput| match done.status {
            Some(0) => stated(name, done.stdout.strip_prefix(word.as_bytes()).ok_or(RemoteError::Noisy)?),
            _ => Err(complaint(&done.stderr)),
        };
        self.run_in_shell_and_read(&program, 1024, read).await
    }
}

/// The program that lets the host expand the globs. Each answer begins with `word`, so that those of others are noticed:
/// `word`, a kind, a name and NUL; for the first regular files then `word`, `:`, what `stat` says and NUL, and for the
/// small ones of these their bytes, `word`, `.` and NUL.
pub fn list_program(globs: &[String], word: &str) -> String {
    let globs: Vec<String> = globs.iter().map(|glob| shell_quoting::glob(glob)).collect();
    format!(
        "n=0; for f in {}; do if [ -h \"$f\" ]; then k=-; elif [ -f \"$f\" ]; then k=f; elif [ -e \"$f\" ]; then k=-; \
         else continue; fi; printf \"{word}$k%s\\\\0\" \"$f\"; [ $k = f ] && [ $n -lt {ALONG} ] || continue; n=$((n+1)); \
         s=$(LC_ALL=C stat -c '{STAT}' -- \"$f\" 2>/dev/null) || continue; printf \"{word}:$s\\\\0\"; \
         s=${{s#* }}; s=${{s% *}}; [ $s -le {SMALL} ] || continue; head -c $s -- \"$f\" 2>/dev/null; printf \"{word}.\\\\0\"; done",
        globs.join(" ")
    )
}

/// What `stat` is asked for: kind and rights in hexadecimal, bytes, time of change.
const STAT: &str = "%f %s %Y";

/// A name that the globs gave.
#[derive(Debug, PartialEq, Eq)]
struct ListedName {
    name: Vec<u8>,
    /// What it is, where that came along.
    found: Option<RemoteFile>,
    /// All its bytes, where they came along.
    content: Option<Vec<u8>>,
}

/// The names that [`list_program`] printed, each once.
fn names(stdout: &[u8], word: &str) -> Result<Vec<ListedName>, RemoteError> {
    if stdout.len() >= NAMES {
        return Err(RemoteError::Nonsense("the names under the glob take more than 16 MiB".to_owned()));
    }
    let (mut names, mut known, mut rest) = (Vec::new(), HashSet::new(), stdout);
    while !rest.is_empty() {
        let name;
        (name, rest) = one(rest, word)?;
        if known.insert(name.name.clone()) {
            names.push(name);
        }
    }
    Ok(names)
}

/// The first name that is told, with what came along, and what follows it.
fn one<'a>(told: &'a [u8], word: &str) -> Result<(ListedName, &'a [u8]), RemoteError> {
    let (name, rest) = record(told, word).ok_or(RemoteError::Noisy)?;
    let mut name =
        ListedName { name: name.get(1..).unwrap_or_default().to_vec(), found: None, content: None };
    let Some((stat, behind)) = record(rest, word).filter(|(text, _)| text.starts_with(b":")) else {
        return Ok((name, rest));
    };
    let found = stated(&name.name, stat.get(1..).unwrap_or_default())?;
    let small = found.bytes <= SMALL;
    name.found = Some(found);
    if !small {
        return Ok((name, behind));
    }
    let end = format!("{word}.\0");
    let at = find(behind, end.as_bytes()).ok_or(RemoteError::Noisy)?;
    name.content = behind.get(..at).map(<[u8]>::to_vec);
    Ok((name, behind.get(at + end.len()..).unwrap_or_default()))
}

/// What stands between `word` and NUL, and what follows.
fn record<'a>(told: &'a [u8], word: &str) -> Option<(&'a [u8], &'a [u8])> {
    let text = told.strip_prefix(word.as_bytes())?;
    let end = text.iter().position(|b| *b == 0)?;
    Some((text.get(..end)?, text.get(end + 1..)?))
}

/// What `stat` said of a name.
fn stated(name: &[u8], stdout: &[u8]) -> Result<RemoteFile, RemoteError> {
    let text = String::from_utf8_lossy(stdout);
    let mut fields = text.split_whitespace();
    let mut next = || fields.next().ok_or_else(|| RemoteError::Nonsense(escape_tail(stdout, 200)));
    let (mode, bytes, modified) = (next()?, next()?, next()?);
    let nonsense = || RemoteError::Nonsense(escape_tail(stdout, 200));
    Ok(RemoteFile {
        name: name.to_owned(),
        kind: FileKind::of(u32::from_str_radix(mode, 16).ok().ok_or_else(nonsense)?),
        bytes: bytes.parse().ok().ok_or_else(nonsense)?,
        modified: modified.parse().ok().ok_or_else(nonsense)?,
    })
}

/// What SFTP says of a name.
pub(super) fn from_metadata(name: &[u8], meta: &MetaData) -> RemoteFile {
    // The library's raw types are the file type bits of a Unix mode.
    let kind = FileKind::of(meta.file_type().map_or(0, |kind| kind.as_raw() as u32));
    let modified = meta.modified().map_or(0, |time| i64::from(time.into_raw()));
    RemoteFile { name: name.to_owned(), kind, bytes: meta.len().unwrap_or(0), modified }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn what_the_program_prints_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for (name, bytes) in [("a.txt", &b"one\0W-x\0two"[..]), ("b c.txt", b""), ("d.txt", &[7; 40_000])] {
            std::fs::write(at(name), bytes).unwrap();
        }
        std::os::unix::fs::symlink("a.txt", at("link.txt")).unwrap();
        let globs = [at("*.txt"), at("a*")].map(|path| path.to_string_lossy().into_owned());
        for shell in ["sh", "bash", "ksh"] {
            let printed =
                Command::new(shell).args(["-c", &list_program(&globs, "WORD")]).output().unwrap().stdout;
            let read = names(&printed, "WORD").unwrap();
            let told = read.iter().map(|name| {
                let bytes = name.found.as_ref().map(|found| found.bytes);
                (name.name.rsplit(|b| *b == b'/').next().unwrap(), bytes, name.content.as_deref())
            });
            let told: Vec<_> = told.collect();
            let expected = [
                (&b"a.txt"[..], Some(11), Some(&b"one\0W-x\0two"[..])),
                (b"b c.txt", Some(0), Some(b"")),
                (b"d.txt", Some(40_000), None),
                (b"link.txt", None, None),
            ];
            assert_eq!(told, expected, "{shell}");
            for talked in [[b"daemon", &printed[..]].concat(), [&printed[..], b"daemon"].concat()] {
                assert!(matches!(names(&talked, "WORD"), Err(RemoteError::Noisy)));
            }
        }
    }
}
