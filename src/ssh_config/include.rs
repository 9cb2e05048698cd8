//! Expands the patterns of an `Include` to files, as glob(3) does for ssh.
//!
//! Limits: `~user`, `${VAR}` and `%` tokens are not expanded.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use globset::GlobBuilder;

/// Lists the files that a pattern matches, in lexical order; a path without wildcards is listed as it is.
pub(super) fn expand_include(pattern: &str, folder: &Path, home: &Path) -> Vec<PathBuf> {
    let path = match pattern.strip_prefix("~/") {
        Some(rest) => home.join(rest),
        None => folder.join(pattern),
    };
    path.components().fold(vec![PathBuf::new()], |found, component| match component {
        Component::Normal(name) if is_glob(name) => {
            found.iter().flat_map(|path| match_entries(path, name)).collect()
        }
        other => found.into_iter().map(|path| path.join(other)).collect(),
    })
}

fn is_glob(name: &OsStr) -> bool {
    name.as_encoded_bytes().iter().any(|byte| b"*?[".contains(byte))
}

/// Lists the entries of a folder that a pattern matches, sorted; none where it cannot be read, as with glob(3).
fn match_entries(folder: &Path, pattern: &OsStr) -> Vec<PathBuf> {
    // Braces mean nothing to glob(3).
    let escaped = pattern.to_string_lossy().replace('{', "[{]").replace('}', "[}]");
    let Ok(glob) = GlobBuilder::new(&escaped).literal_separator(true).build() else { return Vec::new() };
    let (glob, hidden) = (glob.compile_matcher(), escaped.starts_with('.'));
    let listed = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let is_match =
        |name: &OsStr| glob.is_match(name) && (hidden || !name.as_encoded_bytes().starts_with(b"."));
    let mut paths: Vec<PathBuf> =
        listed.filter(|name| is_match(name)).map(|name| folder.join(name)).collect();
    paths.sort();
    paths
}
