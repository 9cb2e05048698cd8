//! `recolte run --dry-run`: the exact commands of each step on each host, ready to paste. Changes nothing.
//!
//! They are made by the functions that the visit itself uses. SFTP requests are shown as commands for `sftp`.

use std::fmt::{Display, Write as _};
use std::io;

use super::control_dir::persistent_masters;
use crate::job::Job;
use crate::message::RunMessage;
use crate::outcome::Step;
use crate::remote::{ControlSockets, SshArgs, launch_line, list_program};
use crate::shell_quoting;
use crate::ssh_config::Host;
use crate::visit::{install_program, script_line, ssh_args};

/// Returns the commands of all hosts.
///
/// # Errors
/// The job wants persistent masters, and no folder fits their sockets.
pub fn dry_run(job: &Job, hosts: &[Host]) -> io::Result<String> {
    let folder = std::env::temp_dir().join("recolte-dry-run");
    let sockets = ControlSockets { folder, persistent: persistent_masters(&job.ssh)? };
    let mut text = format!("# {}\n", RunMessage::DryRun { job: job.file.display().to_string() });
    let folder = sockets.persistent.as_ref().map_or(sockets.folder.as_path(), |masters| masters.folder());
    let folder = shell_quoting::quote(&folder.to_string_lossy());
    let _ = writeln!(text, "install -d -m 700 {folder}");
    for (number, host) in hosts.iter().enumerate() {
        text.push_str(&host_commands(job, host, &sockets, number));
    }
    Ok(text)
}

/// Returns the commands of one host, step by step.
fn host_commands(job: &Job, host: &Host, sockets: &ControlSockets, number: usize) -> String {
    let plan = ssh_args(&job.ssh, host, sockets, number);
    let persistent = plan.with_persistent_master();
    let ends = persistent.is_none();
    let plan = persistent.unwrap_or(plan);
    let script = &job.script;
    let staged = script.staged_path(&shell_quoting::random_marker(), &host.alias);
    let mark = script.supervise.then(shell_quoting::random_marker);
    let local = shell_quoting::quote(&script.file.to_string_lossy());
    let folder = format!("{}/{}", job.name, host.alias);
    let remote = |line: &str| shell_quoting::quote_all(plan.run(line));
    let program = |text: &str| remote(&shell_quoting::in_sh(text));
    let put = format!("put {local} {staged}\nchmod 700 {staged}\n");
    let get: Vec<String> =
        job.collect.files.iter().map(|glob| format!("get -p {glob} {folder}/\n")).collect();
    let get = pipe_to_sftp(&get.concat(), &plan);
    let mut text = format!("\n## {}\n", host.alias);
    let mut add = |step: &dyn Display, line: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# {step}\n{line}");
    };
    add(&Step::Connect, launch_line(&plan));
    add(&Step::Upload, pipe_to_sftp(&put, &plan));
    add(&Step::Install, program(&install_program(script, &staged)));
    add(&RunMessage::DryRunRemoveStaged, pipe_to_sftp(&format!("rm {staged}\n"), &plan));
    add(&Step::Execute, with_stdin(&remote(&script_line(script, mark.as_deref())), mark.is_some()));
    add(&RunMessage::DryRunList, program(&list_program(&job.collect.files, "")));
    add(&RunMessage::DryRunCopy, format!("install -d {}\n{get}", shell_quoting::quote(&folder)));
    if ends {
        add(&RunMessage::DryRunDisconnect, shell_quoting::quote_all(plan.control("exit")));
    }
    text
}

/// Returns a line that pipes commands to `sftp`.
fn pipe_to_sftp(commands: &str, plan: &SshArgs) -> String {
    let commands: Vec<&str> = commands.lines().collect();
    let (commands, sftp) = (shell_quoting::quote_all(commands), shell_quoting::quote_all(plan.sftp()));
    format!("printf '%s\\n' {commands} | {sftp}")
}

/// Adds the stdin that the script needs. A supervised script is ended when its stdin is closed, so it gets one that
/// stays open as long as the terminal.
fn with_stdin(line: &str, supervised: bool) -> String {
    if supervised { format!("tail -f /dev/null | {line}") } else { format!("{line} </dev/null") }
}
