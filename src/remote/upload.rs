//! Uploads small files to a host and removes them: by SFTP, or by commands where the host has no SFTP.
//!
//! Limits: a file is in memory as a whole.

use std::path::Path;

use openssh_sftp_client::Sftp;
use openssh_sftp_client::metadata::Permissions;

use super::diagnose::parse_stderr;
use super::sftp::request;
use super::{Remote, RemoteError};
use crate::shell_quoting;

impl Remote {
    /// Uploads a new file that only the login user may read, write and run. Fails if anything has its name already:
    /// neither a file nor a link that somebody put there is written through.
    ///
    /// # Errors
    /// The folder cannot be written, the disk is full, or the connection broke.
    pub async fn upload(&self, path: &str, bytes: &[u8]) -> Result<(), RemoteError> {
        let Some(sftp) = self.sftp().await? else { return self.upload_by_command(path, bytes).await };
        let uploaded = self.upload_by_sftp(&sftp, path, bytes).await;
        // Let go of first: where the host allows one session, it is closed for the command.
        drop(sftp);
        match uploaded {
            // A server of SFTP may be read-only, or see another root, where the user is not, or be all that this
            // login gives; and it has no word for a quota.
            Err(
                error @ (RemoteError::PermissionDenied | RemoteError::NotFound | RemoteError::HostError(..)),
            ) => {
                self.check_login().await?;
                self.upload_by_command(path, bytes).await.map_err(|by_command| match by_command {
                    RemoteError::DiskFull => by_command,
                    _ => error,
                })
            }
            uploaded => uploaded,
        }
    }

    async fn upload_by_sftp(&self, sftp: &Sftp, path: &str, bytes: &[u8]) -> Result<(), RemoteError> {
        let written = async {
            let mut file = request(sftp.options().write(true).create_new(true).open(path)).await?;
            let mut rights = file.clone();
            let write = async {
                for chunk in bytes.chunks(128 * 1024) {
                    request(file.write_all(chunk)).await?;
                }
                Ok(())
            };
            tokio::try_join!(write, request(rights.set_permissions(Permissions::from(0o700))))?;
            // Dropped, not closed, which spares a round trip: the copy that is made of it is read back anyway.
            Ok(())
        };
        match written.await {
            Err(RemoteError::HostError(..)) if self.is_full(sftp, path, bytes.len()).await => {
                Err(RemoteError::DiskFull)
            }
            other => other,
        }
    }

    /// Checks whether the file system of a path is full: SFTP version 3 has no error code for that.
    async fn is_full(&self, sftp: &Sftp, path: &str, bytes: usize) -> bool {
        let folder = Path::new(path).parent().unwrap_or(Path::new("/"));
        match request(sftp.fs().statvfs(folder)).await {
            Ok(disk) => disk.bavail.saturating_mul(disk.frsize) < bytes as u64 || disk.favail == 0,
            Err(_) => false,
        }
    }

    /// Uploads by a command. `set -C` makes `>` fail if the file exists, as SFTP's exclusive creation does.
    async fn upload_by_command(&self, path: &str, bytes: &[u8]) -> Result<(), RemoteError> {
        let path_word = shell_quoting::quote_bytes(path.as_bytes());
        let program =
            format!("LC_ALL=C; export LC_ALL; umask 077; set -C; cat > {path_word} && chmod 700 {path_word}");
        let output = self.run(&shell_quoting::in_sh(&program), bytes, 1024).await?;
        let stdout = output.into_stdout()?;
        if stdout.is_empty() { Ok(()) } else { Err(RemoteError::noisy(&stdout)) }
    }

    /// Removes a file, by SFTP where that is open. One that is not there counts as removed.
    ///
    /// # Errors
    /// It is still there, or the connection broke.
    pub async fn remove(&self, path: &str) -> Result<(), RemoteError> {
        if let Some(sftp) = self.sftp_if_open().await {
            let removed = request(sftp.fs().remove_file(path)).await;
            drop(sftp);
            match removed {
                Err(RemoteError::NotFound) => return Ok(()),
                // A server of SFTP may be read-only where the user is not.
                Err(RemoteError::PermissionDenied) => {}
                removed => return removed,
            }
        }
        let body = "LC_ALL=C rm -f -- \"$f\"";
        let output = self.run_in_shell(&[("f", path.as_bytes())], body, 0).await?;
        if output.status == Some(0) { Ok(()) } else { Err(parse_stderr(&output.stderr)) }
    }
}
