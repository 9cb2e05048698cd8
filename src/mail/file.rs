//! Writes a message into a folder as one `.eml` file: for trials, and for gateways whose mail somebody else fetches.
//!
//! The folder is made if it is missing (0700). A file bears its name only once it is whole and on disk.

use std::{
    fs::{DirBuilder, File},
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::Duration,
};

use thiserror::Error;

use super::{CauseText, Delivery};
use crate::escape::escape;

/// How long a folder may take, on a file system that hangs.
const WRITE: Duration = Duration::from_secs(120);

/// Why a message is not in the folder.
#[derive(Debug, Error)]
pub enum FileError {
    /// The system refused.
    #[error("mail folder {}: the message cannot be written", escape(.folder.as_os_str().as_encoded_bytes()))]
    Write {
        /// The folder of the transport.
        folder: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The system did not answer.
    #[error("mail folder {}: writing did not end within {} s", escape(.folder.as_os_str().as_encoded_bytes()), WRITE.as_secs())]
    TimedOut {
        /// The folder of the transport.
        folder: PathBuf,
    },
    /// The writing thread did not come back.
    #[error("mail folder {}: writing was broken off", escape(.folder.as_os_str().as_encoded_bytes()))]
    Broken {
        /// The folder of the transport.
        folder: PathBuf,
        /// What became of the thread.
        #[source]
        source: CauseText,
    },
}

/// Writes `message` to a name of its own in `folder`, and notes that name.
///
/// # Errors
/// See [`FileError`]; no half file bears the name of a whole one.
pub async fn send(folder: &Path, message: Vec<u8>) -> Result<Delivery, FileError> {
    let (folder, inside) = (folder.to_owned(), folder.to_owned());
    let written = tokio::task::spawn_blocking(move || write(&inside, &message));
    match tokio::time::timeout(WRITE, written).await {
        Ok(Ok(Ok(path))) => Ok(Delivery {
            notes: vec![format!("written to {}", escape(path.as_os_str().as_encoded_bytes()))],
            ..Delivery::default()
        }),
        Ok(Ok(Err(source))) => Err(FileError::Write { folder, source }),
        Ok(Err(error)) => Err(FileError::Broken { folder, source: CauseText::new(error) }),
        Err(_elapsed) => Err(FileError::TimedOut { folder }),
    }
}

/// The same, waiting.
fn write(folder: &Path, message: &[u8]) -> io::Result<PathBuf> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut file = tempfile::Builder::new().prefix(".recolte-").suffix(".part").tempfile_in(folder)?;
    file.write_all(message)?;
    file.as_file().sync_all()?;
    let path = folder.join(name());
    file.persist_noclobber(&path)?;
    File::open(folder)?.sync_all()?;
    Ok(path)
}

/// A name that sorts by time and that no other message has.
fn name() -> String {
    let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S%.3fZ");
    format!("{now}-{:016x}.eml", rand::random::<u64>())
}
