//! What is in a `tar.gz`, read by a program that is not ours: GNU tar unpacks it, as its receivers do.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use super::run::files;

/// One file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// What it holds.
    pub bytes: Vec<u8>,
    /// When it was changed, in seconds since 1970.
    pub modified: i64,
}

/// The files of an archive by their paths.
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
