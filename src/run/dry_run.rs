//! `recolte run --dry-run`: the exact commands of each step on each host, ready to paste, nothing touched.
//!
//! They are made by the functions that the visit itself uses. What goes over SFTP is shown as commands for `sftp`.

use std::fmt::Write as _;

use super::BoxError;
use super::control_dir::keep;
use crate::job::Job;
use crate::remote::{ControlSockets, SshArgs, launch_line, list_program};
use crate::shell_quoting;
use crate::ssh_config::Host;
use crate::visit::{install_program, script_line, ssh_args};

/// The commands of all hosts.
///
/// # Errors
/// The sockets that the job wants kept have no place.
pub fn script(job: &Job, hosts: &[Host]) -> Result<String, BoxError> {
    let sockets =
        ControlSockets { folder: std::env::temp_dir().join("recolte-dry-run"), persistent: keep(&job.ssh)? };
    let mut text = format!("# dry run of {}: nothing was touched\n", job.file.display());
    let folder = sockets.persistent.as_ref().map_or(sockets.folder.as_path(), |keep| keep.folder());
    let folder = shell_quoting::quote(&folder.to_string_lossy());
    let _ = writeln!(text, "install -d -m 700 {folder}");
    for (number, host) in hosts.iter().enumerate() {
        text.push_str(&of_host(job, host, &sockets, number));
    }
    Ok(text)
}

/// The commands of one host, step by step.
fn of_host(job: &Job, host: &Host, sockets: &ControlSockets, number: usize) -> String {
    let plan = ssh_args(&job.ssh, host, sockets, number);
    let kept = plan.with_persistent_master();
    let ends = kept.is_none();
    let plan = kept.unwrap_or(plan);
    let script = &job.script;
    let staged = script.staged(&shell_quoting::random_marker(), &host.alias);
    let mark = script.supervise.then(shell_quoting::random_marker);
    let here = shell_quoting::quote(&script.file.to_string_lossy());
    let home = format!("{}/{}", job.name, host.alias);
    let through = |line: &str| shell_quoting::quote_all(plan.run(line));
    let program = |text: &str| through(&shell_quoting::in_sh(text));
    let put = format!("put {here} {staged}\nchmod 700 {staged}\n");
    let get: Vec<String> = job.collect.files.iter().map(|g| format!("get -p {g} {home}/\n")).collect();
    let mut steps = vec![
        ("connect", launch_line(&plan)),
        ("upload", piped(&put, &plan)),
        ("install", program(&install_program(script, &staged))),
        ("install: the staged copy goes", piped(&format!("rm {staged}\n"), &plan)),
        ("execute", held(&through(&script_line(script, mark.as_deref())), mark.is_some())),
        ("collect: what is there", program(&list_program(&job.collect.files, ""))),
        (
            "collect: bring it home",
            format!("install -d {}\n{}", shell_quoting::quote(&home), piped(&get.concat(), &plan)),
        ),
    ];
    if ends {
        steps.push(("disconnect", shell_quoting::quote_all(plan.control("exit"))));
    }
    let mut text = format!("\n## {}\n", host.alias);
    for (step, line) in steps {
        let _ = writeln!(text, "# {step}\n{line}");
    }
    text
}

/// Commands for sftp, as a line that feeds them to it.
fn piped(commands: &str, plan: &SshArgs) -> String {
    let commands: Vec<&str> = commands.lines().collect();
    let (commands, sftp) = (shell_quoting::quote_all(commands), shell_quoting::quote_all(plan.sftp()));
    format!("printf '%s\\n' {commands} | {sftp}")
}

/// A supervised script lives as long as its stdin: by hand, as long as the terminal holds it open.
fn held(line: &str, supervised: bool) -> String {
    if supervised { format!("tail -f /dev/null | {line}") } else { format!("{line} </dev/null") }
}
