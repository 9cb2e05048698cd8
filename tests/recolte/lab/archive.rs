//! Reads a `tar.gz` with GNU tar, as its receivers do, and not with the crate that wrote it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use super::run::files;

/// One file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    pub bytes: Vec<u8>,
    /// Time of the last change, in seconds since 1970.
    pub modified: i64,
}

/// Returns the files of an archive by their paths.
#[track_caller]
pub fn unpack(archive: &Path) -> BTreeMap<String, Packed> {
    let folder = tempfile::tempdir().unwrap();
    let tar = Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(folder.path()).output().unwrap();
    assert!(tar.status.success() && tar.stderr.is_empty(), "{}", String::from_utf8_lossy(&tar.stderr));
    let packed = |name: &String| {
        let path = folder.path().join(name);
        Packed { bytes: fs::read(&path).unwrap(), modified: fs::metadata(&path).unwrap().mtime() }
    };
    files(folder.path()).into_iter().map(|name| (name.clone(), packed(&name))).collect()
}
