//! Writes a message into a folder as one `.eml` file: for trials, and where another program fetches the mail.
//!
//! The folder is made if it is missing (0700). A file gets its name only when it is complete and on disk.

use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::timeout;

use super::{Delivery, MailError};
use crate::disk::{create_temporary_file, run_blocking};
use crate::escape::escape_path;
use crate::message::MailMessage;

/// The longest wait for the folder, which may be on a file system that hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// Writes `message` to a file of its own in `folder`, and notes its name.
///
/// # Errors
/// The folder cannot be written, or not in time; no incomplete file bears the name of a complete one.
pub async fn send(folder: &Path, message: Vec<u8>) -> Result<Delivery, MailError> {
    let (shown, folder) = (escape_path(folder), folder.to_owned());
    match timeout(LIMIT, run_blocking(move || write(&folder, &message))).await {
        Ok(Ok(path)) => {
            let note = MailMessage::WrittenTo { path: escape_path(&path) };
            Ok(Delivery { notes: vec![note.to_string()], ..Delivery::default() })
        }
        Ok(Err(error)) => {
            let kind = MailMessage::FolderUnwritable { folder: shown };
            Err(MailError::Local { kind, source: Some(error.into()) })
        }
        Err(_elapsed) => Err(MailMessage::FolderTimedOut { folder: shown, seconds: LIMIT.as_secs() }.into()),
    }
}

/// Writes a message, and returns the path of its file. Blocks.
fn write(folder: &Path, message: &[u8]) -> io::Result<PathBuf> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut file = create_temporary_file(folder)?;
    file.write_all(message)?;
    file.as_file().sync_all()?;
    // A name that sorts by time and that no other message has.
    let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S%.3fZ");
    let path = folder.join(format!("{now}-{:016x}.eml", rand::random::<u64>()));
    file.persist_noclobber(&path)?;
    // The name itself is on disk only when the folder is.
    File::open(folder)?.sync_all()?;
    Ok(path)
}
