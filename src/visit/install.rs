//! The install step: the script and the launcher in their places, read back, and the command that starts the
//! launcher.
//!
//! Limits: what happens on the host is `remote/sh/install.sh`.

use super::failure;
use crate::job::Script;
use crate::outcome::{Failure, Step};
use crate::remote::{INSTALL, LAUNCHER, LauncherCommand, Remote};
use crate::shell_quoting::{quote, quote_all, quote_for_any_shell};

/// The purpose of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The script will run: it stays.
    Run,
    /// A check: the script goes again, only the launcher stays.
    Check,
}

/// Returns the variables of the install program.
pub fn install_variables<'a>(
    script: &'a Script,
    staged: &'a str,
    paths: &'a [String; 3],
    purpose: Purpose,
) -> [(&'static str, &'a [u8]); 7] {
    let [installed, temporary, launcher] = paths;
    let check: &[u8] = if purpose == Purpose::Check { b"check" } else { b"" };
    [
        ("t", staged.as_bytes()),
        ("s", installed.as_bytes()),
        ("n", temporary.as_bytes()),
        ("x", script.mode.as_bytes()),
        ("w", launcher.as_bytes()),
        ("l", LAUNCHER.trim_end().as_bytes()),
        ("c", check),
    ]
}

/// Copies the script to the install folder, makes it executable, and compares what lies there with what was supplied;
/// puts the launcher beside it. The staged copy is removed.
pub async fn install(
    remote: &Remote,
    script: &Script,
    staged: &str,
    temporary: String,
    purpose: Purpose,
) -> Result<(), Failure> {
    let failed = |error| failure::from_error(Step::Install, &script.install, error);
    let launcher = if script.supervise { script.launcher_path() } else { String::new() };
    let paths = [script.installed_path(), temporary, launcher];
    let variables = install_variables(script, staged, &paths, purpose);
    // One byte more than was supplied would show.
    let max = script.bytes.len() + 64;
    let output = remote.run_in_shell(&variables, INSTALL, max).await.map_err(failed)?;
    match output.status {
        Some(0) if *output.stdout == *script.bytes => Ok(()),
        Some(0) => Err(failure::tampered(script)),
        _ => Err(failure::install_failed(script, &output.stderr)),
    }
}

/// Returns the command that starts the launcher for the script.
pub fn launcher_command(script: &Script) -> LauncherCommand {
    let line = as_user(script, &launcher_line(script));
    LauncherCommand { line, arguments: script.argv().len(), limit: script.start_timeout }
}

/// Returns the launcher and its arguments, as the shell of the user who runs the script reads them.
fn launcher_line(script: &Script) -> String {
    let words = std::iter::once(script.launcher_path()).chain(script.argv());
    words.map(|word| quote_for_any_shell(&word)).collect::<Vec<_>>().join(" ")
}

/// Returns the command that runs the script without the launcher.
pub fn bare_command(script: &Script) -> String {
    as_user(script, &quote_all(script.argv()))
}

/// Returns what su is told to run: the launcher, or, without supervision, the script.
pub fn su_command(script: &Script) -> String {
    if script.supervise { launcher_line(script) } else { quote_all(script.argv()) }
}

fn as_user(script: &Script, command: &str) -> String {
    match &script.run_as {
        Some(user) => format!("sudo -n su - {} -c {}", quote(user), quote(command)),
        None => command.to_owned(),
    }
}
