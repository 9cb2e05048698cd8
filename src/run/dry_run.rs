//! `recolte run --dry-run`: the exact commands of each step on each host, ready to paste. Changes nothing.
//!
//! The lines for ssh and sudo are made by the functions that the visit itself uses; SFTP requests are shown as
//! commands for `sftp`, and what is said to a shell on the host as a line on its input. Limits: nothing here stops a
//! script.

use std::fmt::{Display, Write as _};
use std::io;

use super::control_dir::persistent_masters;
use crate::job::{Job, ReadAs, Script};
use crate::message::RunMessage;
use crate::outcome::Step;
use crate::remote::{ControlSockets, LAUNCHER, SshArgs, SshVersion, launch_line};
use crate::shell_quoting;
use crate::ssh_config::Host;
use crate::visit::{bare_command, launcher_command, ssh_args};

/// Returns the commands of all hosts.
///
/// # Errors
/// The job wants persistent masters, and no folder fits their sockets.
pub async fn dry_run(job: &Job, hosts: &[Host]) -> io::Result<String> {
    let version = SshVersion::get().await;
    let folder = std::env::temp_dir().join("recolte-dry-run");
    let sockets = ControlSockets { folder, persistent: persistent_masters(&job.ssh)? };
    let mut text = format!("# {}\n", RunMessage::DryRun { job: job.file.display().to_string() });
    let folder = sockets.persistent.as_ref().map_or(sockets.folder.as_path(), |masters| masters.folder());
    let folder = shell_quoting::quote(&folder.to_string_lossy());
    let _ = writeln!(text, "install -d -m 700 {folder}");
    for (number, host) in hosts.iter().enumerate() {
        text.push_str(&host_commands(job, host, &sockets, number, version));
    }
    Ok(text)
}

/// Returns the commands of one host, step by step.
fn host_commands(
    job: &Job,
    host: &Host,
    sockets: &ControlSockets,
    number: usize,
    version: SshVersion,
) -> String {
    let plan = ssh_args(&job.ssh, host, sockets, number);
    let persistent = plan.with_persistent_master();
    let ends = persistent.is_none();
    let plan = persistent.unwrap_or(plan);
    let script = &job.script;
    let staged = script.staged_path(&shell_quoting::random_marker(), &host.alias);
    let local = shell_quoting::quote(&script.file.to_string_lossy());
    let folder = format!("{}/{}", job.name, host.alias);
    let remote = |line: &str| shell_quoting::quote_all(plan.run(line));
    let put = format!("put {local} {staged}\nchmod 700 {staged}\n");
    let mut text = format!("\n## {}\n", host.alias);
    let mut add = |step: &dyn Display, line: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# {step}\n{line}");
    };
    add(&Step::Connect, launch_line(&plan, version));
    add(&Step::Upload, pipe_to_sftp(&put, &plan));
    add(&Step::Install, remote(&shell_quoting::in_sh(&install_program(script, &staged))));
    let globs =
        job.collect.files.iter().map(|glob| shell_quoting::quote_glob(glob)).collect::<Vec<_>>().join(" ");
    let folder = shell_quoting::quote(&folder);
    add(&Step::Execute, execute_line(script, &remote));
    match (job.read_as(), script.supervise) {
        (ReadAs::RunAs, true) => {
            // The launcher's first line comes before the answer.
            let say = |line: String| say_to_launcher(script, &line, &remote) + " 2>/dev/null | tail -n +2";
            add(&RunMessage::DryRunList, say(format!("ls -dilns -- {globs}")));
            let unpack = format!("tar -xf - --transform='s,.*/,,' -C {folder}");
            let copy = format!("{} | {unpack}", say(format!("tar -chf - -- {globs}")));
            add(&RunMessage::DryRunCopy, format!("install -d {folder}\n{copy}"));
        }
        _ => {
            add(&RunMessage::DryRunList, remote(&shell_quoting::in_sh(&format!("ls -dilns -- {globs}"))));
            let get: Vec<String> =
                job.collect.files.iter().map(|glob| format!("get -p {glob} {folder}/\n")).collect();
            let get = pipe_to_sftp(&get.concat(), &plan);
            add(&RunMessage::DryRunCopy, format!("install -d {folder}\n{get}"));
        }
    }
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

/// Returns the program that installs the script and the launcher, and removes the staged copy.
fn install_program(script: &Script, staged: &str) -> String {
    let quote = |path: &str| shell_quoting::quote_bytes(path.as_bytes());
    let (staged, to, launcher) =
        (quote(staged), quote(&script.installed_path()), quote(&script.launcher_path()));
    let mut program = format!("cp -P -- {staged} {to} && chmod {} {to} && rm -f -- {staged}", script.mode);
    if script.supervise {
        let text = quote(LAUNCHER.trim_end());
        program.push_str(&format!(" && echo {text} > {launcher} && chmod 755 {launcher}"));
    }
    program
}

/// Returns the line that runs the script with an empty input.
fn execute_line(script: &Script, remote: &impl Fn(&str) -> String) -> String {
    if script.supervise {
        say_to_launcher(script, "\"$@\" </dev/null", remote)
    } else {
        format!("{} </dev/null", remote(&bare_command(script)))
    }
}

/// Returns the line that starts the launcher and says one line to it.
fn say_to_launcher(script: &Script, line: &str, remote: &impl Fn(&str) -> String) -> String {
    format!("echo {} | {}", shell_quoting::quote(line), remote(&launcher_command(script).line))
}
