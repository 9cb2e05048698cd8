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
    /// The same, after an earlier attempt of the run.
    RunAgain,
    /// A check: the script goes again, only the launcher stays.
    Check,
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
    let installed = script.installed_path();
    let (check, again) = match purpose {
        Purpose::Run => ("", ""),
        Purpose::RunAgain => ("", "again"),
        Purpose::Check => ("check", ""),
    };
    let variables = [
        ("t", staged),
        ("s", &installed),
        ("n", &temporary),
        ("x", &script.mode),
        ("w", &launcher),
        ("l", LAUNCHER.trim_end()),
        ("c", check),
        ("a", again),
    ];
    let variables = variables.map(|(name, value)| (name, value.as_bytes()));
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

/// Returns the script and its arguments, as a POSIX shell reads them.
fn bare_line(script: &Script) -> String {
    quote_all(script.argv())
}

/// Returns the command that runs the script without the launcher.
pub fn bare_command(script: &Script) -> String {
    as_user(script, &bare_line(script))
}

/// Returns what su is told to run: the launcher, or, without supervision, the script.
pub fn su_command(script: &Script) -> String {
    if script.supervise { launcher_line(script) } else { bare_line(script) }
}

fn as_user(script: &Script, command: &str) -> String {
    match &script.run_as {
        Some(user) => format!("sudo -n su - {} -c {}", quote(user), quote(command)),
        None => command.to_owned(),
    }
}
