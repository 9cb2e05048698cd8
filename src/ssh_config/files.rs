//! The files of an ssh_config: where they are, what an `Include` stands for, and their bytes.

use std::ffi::OsStr;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use globset::GlobBuilder;

use super::{SshConfigError, shown};

/// The files that `pattern` of an `Include` stands for, in lexical order; a path without wildcards is itself.
pub(super) fn expand(pattern: &str, folder: &Path, home: &Path) -> Vec<PathBuf> {
    let path = match pattern.strip_prefix("~/") {
        Some(rest) => home.join(rest),
        None => folder.join(pattern),
    };
    path.components().fold(vec![PathBuf::new()], |found, component| match component {
        Component::Normal(name) if is_glob(name) => {
            found.iter().flat_map(|path| entries(path, name)).collect()
        }
        other => found.into_iter().map(|path| path.join(other)).collect(),
    })
}

fn is_glob(name: &OsStr) -> bool {
    name.as_encoded_bytes().iter().any(|byte| b"*?[".contains(byte))
}

/// What is in `folder` and named like `pattern`, sorted; nothing where it cannot be read, as with glob(3).
fn entries(folder: &Path, pattern: &OsStr) -> Vec<PathBuf> {
    // Braces mean nothing to glob(3).
    let escaped = pattern.to_string_lossy().replace('{', "[{]").replace('}', "[}]");
    let Ok(glob) = GlobBuilder::new(&escaped).literal_separator(true).build() else { return Vec::new() };
    let (glob, hidden) = (glob.compile_matcher(), escaped.starts_with('.'));
    let listed = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let wanted = |name: &OsStr| glob.is_match(name) && (hidden || !name.as_encoded_bytes().starts_with(b"."));
    let mut paths: Vec<PathBuf> = listed.filter(|name| wanted(name)).map(|name| folder.join(name)).collect();
    paths.sort();
    paths
}

/// The bytes of `file`, at most `limit`; `place` is what named it.
pub(super) fn load(file: &Path, place: &str, limit: u64) -> Result<Vec<u8>, SshConfigError> {
    let cannot = |source| SshConfigError::Read { place: format!("{place}: {}", shown(file)), source };
    // Asked before it is opened: opening a pipe would wait for its writer.
    if !std::fs::metadata(file).map_err(cannot)?.is_file() {
        return Err(SshConfigError::NoFile { place: place.to_owned(), file: shown(file) });
    }
    let mut content = Vec::new();
    std::fs::File::open(file).map_err(cannot)?.take(limit).read_to_end(&mut content).map_err(cannot)?;
    Ok(content)
}
