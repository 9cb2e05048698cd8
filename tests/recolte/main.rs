//! End-to-end tests: the built program, run as its users run it, against real hosts of `scripts/lab`.
//!
//! Each test has a lab of its own, so tests run in parallel. Where no lab can be started the tests fail: none is
//! skipped. After each run it is checked that nothing is left behind on the gateway and on the hosts, except
//! where a test expects something to be left.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "these are tests: whatever is not as expected ends them"
)]

// The helpers of all tests: labs, jobs, runs, waiting. No tests.
mod lab;

// The command line, before any host is contacted

// Options, default job and output folder, `recolte runs`, completions, manual page.
mod cli;
// `--dry-run`: the commands that it prints, also run by a shell.
mod dry_run;
// The choice of hosts: `--hosts`, `LIST_SERVEUR`, `targets`, duplicates, `recolte hosts`.
mod host_selection;
// Exit code 2: invalid job files, values and arguments, each with the line and the hint.
mod job_errors;
// The lock of an output folder, exit code 4.
mod run_lock;

// One visit, step by step

// A job without faults: files, arguments, report, journal, run folder.
mod whole_job;
// Hosts that cannot be reached: each cause of step `connect`.
mod connect_errors;
// The last words of hosts and logins, and the ways out, followed.
mod last_words;
// Jump hosts: used, told, and not asked again once they refuse.
mod jump_hosts;
// The user's ssh_config, keys and live masters.
mod user_ssh_config;
// `[ssh] keep`.
mod persistent_masters;
// Steps `upload` and `install`: folders that cannot be written, mode and content of the script.
mod upload_and_install;
// sudo, su and sudoers rules: who the script runs as.
mod run_as;
// Exit statuses, signals, output and background processes of the script.
mod execute;
// Scripts that print our protocol, close their streams, kill their group or user, or leave a daemon.
mod hostile_scripts;
// Logins that refuse, wait or redirect: whether the script began, and how often it ran after `recolte resume`.
mod script_begins;
// A run that is cut before *go* and while the script runs, followed by `recolte resume`.
mod script_cut_off;
// The launcher, through each login shell and each setting of sudo; `supervise = false`.
mod launcher;
// `recolte sudoers`: the printed rule, and what sudo permits and refuses under it.
mod sudoers;
// Step `collect`: kinds of files, permissions, limits, globs.
mod collect;
// Who reads the files: `run_as` in its own session, or the login user; links, globs, read-only SFTP, noise.
mod collect_as_run_as;
// Names of remote files that are odd or hostile.
mod file_names;
// `[collect] fresh`: files of an earlier run, whatever the clocks say.
mod fresh_files;
// What is of this run, by comparison with the listing before; on GNU, busybox and POSIX hosts; `resume`.
mod fresh_by_comparison;
// Other login shells, shells that print, no SFTP, one session.
mod unusual_hosts;
// Each profile of the lab: the whole job, `check`, and the commonest faults.
mod profiles;
// `recolte check`.
mod check;

// The whole fleet

// `parallel`, `handshakes`, open files, `canary`, `max_failures`.
mod fleet;
// `connect_timeout`, `[script] timeout`, `deadline`.
mod timeouts;
// Connections, networks and hosts that are lost during a visit.
mod connection_loss;
// INT, TERM, KILL and a second signal, in each step.
mod signals;
// `recolte resume`, after every kind of end.
mod resume;

// After the last host

// The `tar.gz` and its copy.
mod archive;
// The gateway's disk is full, at each step and while the results are delivered.
mod local_disk_full;
// Content of a mail; delivery by sendmail, SMTP and into a folder.
mod mail;
// Mails that are too large: several parts, or no attachment.
mod mail_parts;
// SMTP servers that want TLS or fail; `recolte send`.
mod smtp;
// Stdout and stderr: `--json`, `-q`, `-v`, colours.
mod terminal_output;

// `scripts/Script_$U_VIP_vers_autres_serveurs.sh`, which replaces the old gateway script, as its callers use it.
mod drop_in_script;
