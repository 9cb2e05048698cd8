//! Chooses the files to collect among those that the host listed, and says why the others are left.
//!
//! Pure. Limits: what changed in a file is told as finely as the host tells it (`remote/list`).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use jiff::Timestamp;

use super::CollectResult;
use crate::escape::escape;
use crate::job::Collect;
use crate::message::VisitMessage;
use crate::outcome::{Cause, Change, Failure, FileStates, Step};
use crate::remote::RemoteFile;
use crate::shell_quoting::translate_glob;

/// Returns what tells whether a name fits one of the globs: the names are the host's own words.
fn matcher(globs: &[String]) -> GlobSet {
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        let pattern = translate_glob(glob, globset::escape);
        if let Ok(glob) = GlobBuilder::new(&pattern).literal_separator(true).backslash_escape(false).build() {
            set.add(glob);
        }
    }
    set.build().unwrap_or_default()
}

/// Returns the files to copy; records in `result` why the others are not.
pub(super) fn choose(
    listed: Vec<RemoteFile>,
    collect: &Collect,
    before: &FileStates,
    result: &mut CollectResult,
) -> Vec<RemoteFile> {
    let globs = matcher(&collect.files);
    let mut remaining = collect.max_host;
    let mut chosen = Vec::new();
    for file in listed {
        if !globs.is_match(OsStr::from_bytes(&file.name)) {
            result.skip(&file, VisitMessage::FitsNoGlob);
            continue;
        }
        if let Some(kind) = &file.not_regular {
            result.skip(&file, kind);
            continue;
        }
        match before.compare(&file.name, &file.state) {
            Change::Nothing if collect.fresh => {
                let time = file.modified.map_or_else(|| VisitMessage::TimeUnknown.to_string(), format_time);
                result.skip(&file, VisitMessage::StaleFile { time });
            }
            Change::Rest if collect.fresh => result.skip(&file, VisitMessage::OnlyRightsChanged),
            _ if file.bytes > collect.max_file => {
                result.fail(&file, too_large(&file, "max_file", collect.max_file));
            }
            _ if file.bytes > remaining => result.fail(&file, too_large(&file, "max_host", collect.max_host)),
            _ => {
                remaining -= file.bytes;
                chosen.push(file);
            }
        }
    }
    chosen
}

/// Makes the failure of a file beyond a limit.
fn too_large(file: &RemoteFile, key: &str, limit: u64) -> Failure {
    let (name, key, bytes) = (escape(&file.name), key.to_owned(), file.bytes);
    let message = VisitMessage::FileTooLarge { file: name, bytes, key, limit };
    Failure::new(Step::Collect, Cause::TooLarge, message, Some(VisitMessage::RaiseLimit))
}

/// Formats a time, in seconds since 1970, for people.
fn format_time(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| format!("at {seconds} s"), |time| time.to_string())
}
