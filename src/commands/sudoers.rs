//! `recolte sudoers`: prints the exact rule that permits this job, for `visudo`. Asks no host anything.
//!
//! The rule permits one command line, the one that the visit sends: the launcher (without supervision, the script)
//! with the arguments as they stand. Limits: sudo joins su's arguments with blanks before it compares; `su` is looked
//! for in `/usr/bin`.

use std::collections::BTreeSet;

use super::{CommandResult, QUERIES_PER_CORE, load_job, print_answer};
use crate::cli;
use crate::inventory::{self, Selected};
use crate::job::Script;
use crate::located::Located;
use crate::message::JobMessage;
use crate::outcome::ExitStatus;
use crate::run::per_core;
use crate::ssh_config;
use crate::visit::su_command;

/// Prints the rule of a job, for each login user that its hosts have.
pub async fn sudoers(args: cli::SudoersArgs) -> CommandResult {
    let job = load_job(&args.job_args, true)?;
    let fault = |message| Located::new(job.file.display().to_string(), message);
    let Some(user) = &job.script.run_as else { return Err(fault(JobMessage::NoSudoNeeded).into()) };
    let Selected { targets, .. } = inventory::select(&job.targets)?;
    let names = targets.into_iter().map(|target| target.host).collect();
    let (config, identity) = (job.ssh.config.as_deref(), job.ssh.identity.as_deref());
    let hosts = ssh_config::resolve(names, config, identity, per_core(QUERIES_PER_CORE)).await?;
    let login_users: BTreeSet<String> = hosts.into_iter().map(|host| host.user).collect();
    let text = rules(&job.script, user, &login_users).map_err(fault)?;
    print_answer(&text);
    Ok(ExitStatus::Success)
}

/// Returns the text for `visudo -f /etc/sudoers.d/recolte`.
fn rules(script: &Script, user: &str, login_users: &BTreeSet<String>) -> Result<String, JobMessage> {
    let command = su_command(script);
    let (user, command) = (escape_arguments(user)?, escape_arguments(&command)?);
    let rule = |login: &String| {
        let login = escape_name(login);
        Ok(format!(
            "Defaults:{login} !requiretty\n\
             {login} ALL=(root) NOPASSWD: EXEC: /usr/bin/su - {user} -c {command}\n"
        ))
    };
    let rules: Result<String, JobMessage> = login_users.iter().map(rule).collect();
    Ok(format!("# {}\n{}", JobMessage::SudoersTitle, rules?))
}

/// Escapes the name of a user for sudoers.
fn escape_name(name: &str) -> String {
    let mut escaped = String::new();
    for c in name.chars() {
        escaped.extend(if ",:=\\ #!()\"@%".contains(c) { Some('\\') } else { None });
        escaped.push(c);
    }
    escaped
}

/// Escapes an argument for sudoers: what sudoers itself reads, and what it would compare as a pattern.
fn escape_arguments(text: &str) -> Result<String, JobMessage> {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '\n' | '\r' => return Err(JobMessage::NotInSudoers { text: text.to_owned() }),
            '\\' => escaped.push_str(r"\\\\"),
            ',' | ':' | '=' | '#' | '*' | '?' | '[' | ']' | '!' | ' ' | '\t' => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
    }
    // At the end of a line sudoers drops blanks, escaped or not.
    if text.ends_with([' ', '\t']) {
        return Err(JobMessage::NotInSudoers { text: text.to_owned() });
    }
    Ok(escaped)
}
