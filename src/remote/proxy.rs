//! Keeps what a jump host says: ssh sends the error output of a `ProxyJump` or a `ProxyCommand` to /dev/null where
//! ControlPersist is set, as it is for our masters.
//!
//! ssh runs a proxy by `$SHELL -c`. Our masters get this program as their `$SHELL`: it opens its error output anew
//! and becomes the user's own shell at once. Where the proxy is an ssh, it also gets a log level at which it
//! speaks, and a time limit that ends before ours. Limits: without /proc, or once recolte is gone, the words are
//! lost as before.

use std::env;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::Duration;

/// The variable that holds the path of the error output.
const STDERR: &str = "RECOLTE_PROXY_STDERR";

/// The variable that holds the user's own shell.
const SHELL: &str = "RECOLTE_PROXY_SHELL";

/// The variable that holds the options of a proxy that is an ssh.
const OPTIONS: &str = "RECOLTE_PROXY_OPTIONS";

/// Becomes the user's shell, if ssh started this program to run a proxy. Returns only if it did not, or if the shell
/// cannot be started.
pub fn become_proxy_shell() -> Option<io::Error> {
    let stderr = env::var_os(STDERR)?;
    let mut arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let [flag, line] = arguments.as_mut_slice() else { return None };
    if flag != "-c" {
        return None;
    }
    // As ssh writes a ProxyJump, and people write a ProxyCommand.
    if let Some(rest) = line.to_str().and_then(|line| line.strip_prefix("exec ssh ")) {
        *line = format!("exec ssh {} {rest}", env::var(OPTIONS).unwrap_or_default()).into();
    }
    let mut shell = Command::new(env::var_os(SHELL).unwrap_or_else(|| "/bin/sh".into()));
    shell.args(arguments);
    if let Ok(file) = OpenOptions::new().append(true).open(stderr) {
        shell.stderr(file);
    }
    Some(shell.exec())
}

/// Lets the proxies of an ssh write their error output to `file`.
pub(super) fn keep_words(ssh: &mut tokio::process::Command, file: &File, connect_timeout: Duration) {
    let Some(this_program) = env::current_exe().ok().filter(|program| program.exists()) else { return };
    let seconds = connect_timeout.as_secs().saturating_sub(1).max(1);
    ssh.env(STDERR, format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()));
    ssh.env(OPTIONS, format!("-o LogLevel=INFO -o ConnectTimeout={seconds}"));
    if let Some(shell) = env::var_os("SHELL").filter(|shell| !shell.is_empty()) {
        ssh.env(SHELL, shell);
    }
    ssh.env("SHELL", this_program);
}
