//! Small files to a host and away again: by SFTP, or, where the host offers none, through commands.

use std::path::Path;

use openssh_sftp_client::Sftp;
use openssh_sftp_client::metadata::Permissions;

use super::sftp::asked;
use super::{Remote, RemoteError};
use crate::escape::escape_tail;
use crate::shell_quoting;

impl Remote {
    /// Writes a new file that only the login user may read, write and run. Nothing that waits under its name is
    /// opened.
    ///
    /// # Errors
    /// The folder cannot be written, the disk is full, or the connection broke.
    pub async fn upload(&self, path: &str, bytes: &[u8]) -> Result<(), RemoteError> {
        match self.sftp().await {
            Ok(sftp) => self.upload_by_sftp(&sftp, path, bytes).await,
            Err(RemoteError::NoSftp) => self.upload_by_command(path, bytes).await,
            Err(error) => Err(error),
        }
    }

    async fn upload_by_sftp(&self, sftp: &Sftp, path: &str, bytes: &[u8]) -> Result<(), RemoteError> {
        let written = async {
            let mut file = asked(sftp.options().write(true).create_new(true).open(path)).await?;
            let mut rights = file.clone();
            let write = async {
                for chunk in bytes.chunks(128 * 1024) {
                    asked(file.write_all(chunk)).await?;
                }
                Ok(())
            };
            tokio::try_join!(write, asked(rights.set_permissions(Permissions::from(0o700))))?;
            // Its closing is not waited for: what counts is the copy made of it, and that is read back.
            Ok(())
        };
        match written.await {
            Err(RemoteError::Failure(_)) if self.is_full(sftp, path, bytes.len()).await => {
                Err(RemoteError::Full)
            }
            other => other,
        }
    }

    /// Whether the file system of a path has no room: SFTP itself knows no word for it.
    async fn is_full(&self, sftp: &Sftp, path: &str, bytes: usize) -> bool {
        let folder = Path::new(path).parent().unwrap_or(Path::new("/"));
        match asked(sftp.fs().statvfs(folder)).await {
            Ok(disk) => disk.bavail.saturating_mul(disk.frsize) < bytes as u64 || disk.favail == 0,
            Err(_) => false,
        }
    }

    /// The shell's `set -C` creates as exclusively as SFTP does.
    async fn upload_by_command(&self, path: &str, bytes: &[u8]) -> Result<(), RemoteError> {
        let word = shell_quoting::word(path.as_bytes());
        let program = format!("LC_ALL=C; export LC_ALL; umask 077; set -C; cat > {word} && chmod 700 {word}");
        let done = self.run(&shell_quoting::in_sh(&program), bytes, 1024).await?;
        match done.status {
            Some(0) if done.stdout.is_empty() => Ok(()),
            Some(0) => Err(RemoteError::Noisy),
            _ => Err(complaint(&done.stderr)),
        }
    }

    /// Removes a file, over SFTP where that is open. One that is not there is as good.
    ///
    /// # Errors
    /// It is still there, or the connection broke.
    pub async fn remove(&self, path: &str) -> Result<(), RemoteError> {
        let removed = match self.open_sftp().await {
            Some(sftp) => asked(sftp.fs().remove_file(path)).await,
            None => {
                let done =
                    self.run_in_shell(&format!("rm -f {}", shell_quoting::word(path.as_bytes())), 0).await?;
                if done.status == Some(0) { Ok(()) } else { Err(complaint(&done.stderr)) }
            }
        };
        match removed {
            Err(RemoteError::Missing) => Ok(()),
            other => other,
        }
    }
}

/// What a program on the host complains of.
pub fn complaint(stderr: &[u8]) -> RemoteError {
    let text = String::from_utf8_lossy(stderr);
    if text.contains("No space left") || text.contains("Disk quota") {
        RemoteError::Full
    } else if text.contains("No such file") {
        RemoteError::Missing
    } else if text.contains("Permission denied") || text.contains("Operation not permitted") {
        RemoteError::Denied
    } else {
        RemoteError::Failure(escape_tail(stderr, 200))
    }
}
