//! A lab of real hosts for each test, and helpers to run recolte in it and to look at the result.
//!
//! A lab lives as long as its value. Assertions that more than one file needs belong here, tests do not.

// Reads a `tar.gz` with GNU tar.
mod archive;
// The machine that recolte runs on: private folders, a clean environment, commands.
mod gateway;
// A job file and the command line that goes with it, as a builder.
mod job;
// The SMTP server of the tests, and messages as their reader sees them.
mod mail;
// `recolte resume`, and how often a script ran.
mod resume;
// A run while it lasts, its result, and what its report says of a host.
mod run;
// A host that stops responding in a given step of its visit.
pub mod stalled_host;
// Waiting for something that can be observed, with a limit.
pub mod wait;

use std::fs::{self, File};
use std::io::Read as _;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

pub use archive::unpack;
pub use gateway::{Gateway, SCRIPT};
pub use job::{IntoValue, Job, ODD_ARGUMENT, OLD_SCRIPT_HOSTS, WRITE_ARGUMENTS, WRITE_ONE_FILE};
pub use mail::{Mail, SMTP, Smtpd, mails_in, message_bytes};
pub use run::{HostReport, Run, Running, files};

/// A host, and a shell script that runs on it as root before its sshd starts.
type Setup = (String, String);

/// A lab that is not started yet.
pub struct LabBuilder {
    hosts: Vec<String>,
    options: Vec<String>,
    setup: Vec<Setup>,
    profile: String,
}

impl LabBuilder {
    /// Gives every host a profile of `scripts/lab.d/profiles`.
    pub fn profile(self, profile: &str) -> Self {
        Self { profile: profile.to_owned(), ..self }
    }

    /// Adds a setup script for one host, which runs as root before sshd starts.
    pub fn setup(mut self, host: &str, script: &str) -> Self {
        self.setup.push((host.to_owned(), script.to_owned()));
        self
    }

    /// Adds a setup script for every host.
    pub fn setup_all(self, script: &str) -> Self {
        self.setup("all", script)
    }

    /// Adds an option of `lab run`.
    pub fn option(mut self, option: &str) -> Self {
        self.options.push(option.to_owned());
        self
    }

    /// Starts the hosts.
    ///
    /// # Panics
    /// If they do not start: a test is never skipped.
    #[track_caller]
    pub fn up(self) -> Lab {
        let gateway = Gateway::new();
        for (host, script) in &self.setup {
            gateway.write_file(&format!("lab/setup/{host}.sh"), format!("set -eu\n{script}\n"));
        }
        let stderr = gateway.path("lab.stderr");
        let mut child = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/lab"))
            .arg("run")
            .arg(gateway.path("lab"))
            .args(&self.options)
            .args(["--profile", &self.profile])
            .args(&self.hosts)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&stderr).unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("scripts/lab cannot be started: {error}"));
        // The answer is one line, or the end of the lab; `lab run` limits the wait itself.
        let mut answer = [0; 6];
        let ready = child.stdout.take().unwrap().read_exact(&mut answer).is_ok() && &answer == b"ready\n";
        if !ready {
            drop(child.stdin.take());
            let status = child.wait();
            panic!("no lab came up ({status:?}):\n{}", fs::read_to_string(&stderr).unwrap_or_default());
        }
        let pid = fs::read_to_string(gateway.path("lab/pid")).unwrap().trim().to_owned();
        Lab { child, hosts: self.hosts, gateway: gateway.in_network_of(&pid) }
    }
}

/// A lab whose hosts run.
pub struct Lab {
    child: Child,
    hosts: Vec<String>,
    gateway: Gateway,
}

impl Deref for Lab {
    type Target = Gateway;
    fn deref(&self) -> &Gateway {
        &self.gateway
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // `lab run` ends when its stdin does.
        drop(self.child.stdin.take());
        if wait::within(wait::EVENT_TIMEOUT, || self.child.try_wait().unwrap()).is_none() {
            drop(self.child.kill());
            drop(self.child.wait());
            assert!(std::thread::panicking(), "the lab did not end");
        }
    }
}

impl Lab {
    /// Starts a lab with these hosts.
    #[track_caller]
    pub fn with(hosts: &[&str]) -> Self {
        Self::builder(hosts).up()
    }

    /// Returns a builder for a lab with these hosts.
    pub fn builder(hosts: &[&str]) -> LabBuilder {
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        LabBuilder { hosts, options: Vec::new(), setup: Vec::new(), profile: "plain".to_owned() }
    }

    /// Returns a job for all hosts of the lab.
    pub fn job(&self) -> Job {
        let hosts: Vec<&str> = self.hosts.iter().map(String::as_str).collect();
        self.job_for(&hosts)
    }

    /// Returns a job for some hosts of the lab.
    pub fn job_for(&self, hosts: &[&str]) -> Job {
        self.gateway.job_for(hosts).set("ssh.config", self.ssh_config().as_path())
    }

    /// Returns the path of the ssh_config.
    pub fn ssh_config(&self) -> PathBuf {
        self.path("lab/ssh_config")
    }

    /// Adds lines at the top of the ssh_config, where they override the rest.
    pub fn prepend_ssh_config(&self, lines: &str) {
        let own = fs::read_to_string(self.ssh_config()).unwrap();
        fs::write(self.ssh_config(), format!("{lines}\n{own}")).unwrap();
    }

    /// Returns the address of a host.
    pub fn address(&self, host: &str) -> String {
        fs::read_to_string(self.path(&format!("lab/hosts/{host}/address"))).unwrap().trim().to_owned()
    }

    /// Rewrites known_hosts line by line, and returns its new text. A line begins with its host and a comma.
    pub fn rewrite_known_hosts(&self, each: impl Fn(&str) -> Option<String>) -> String {
        let path = self.path("lab/known_hosts");
        let lines: Vec<String> = fs::read_to_string(&path).unwrap().lines().filter_map(each).collect();
        let text = lines.join("\n") + "\n";
        fs::write(path, &text).unwrap();
        text
    }

    /// Gives a host the key of another one in known_hosts, as if its own had changed; forgets the key of a stranger.
    pub fn confuse_known_hosts(&self, changed: &str, other: &str, stranger: &str) -> String {
        let key = self.known_key(other);
        self.rewrite_known_hosts(|line| match line.split(',').next() {
            Some(host) if host == stranger => None,
            Some(host) if host == changed => Some(format!("{} {key}", line.split_once(' ').unwrap().0)),
            _ => Some(line.to_owned()),
        })
    }

    /// Returns the key of a host, as known_hosts has it.
    pub fn known_key(&self, host: &str) -> String {
        let known = fs::read_to_string(self.path("lab/known_hosts")).unwrap();
        let line = known.lines().find(|line| line.split(',').next() == Some(host)).unwrap();
        line.split_once(' ').unwrap().1.to_owned()
    }

    /// Runs a job, and checks that it leaves nothing behind on the gateway and on the hosts.
    #[track_caller]
    pub fn run_checked(&self, job: &Job) -> Run {
        self.wait_checked(self.start(job))
    }

    /// Waits for the end of a run, and checks that it leaves nothing behind.
    #[track_caller]
    pub fn wait_checked(&self, running: Running) -> Run {
        let run = running.wait();
        self.assert_gateway_clean(&run);
        self.assert_hosts_clean(&run);
        run
    }

    /// Checks that no ssh process, control socket or temporary file is left on the gateway.
    #[track_caller]
    pub fn assert_gateway_clean(&self, run: &Run) {
        let sockets = self.socket_folder();
        let left = || -> Vec<String> {
            let folders = [sockets.clone(), self.path("tmp")];
            let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
            let files = files.map(|entry| entry.unwrap().path().display().to_string());
            files.chain(commands_with(&sockets)).collect()
        };
        // A master ends after its last channel has closed, a moment after `-O exit`.
        if wait::within(wait::CLEANUP_TIMEOUT, || left().is_empty().then_some(())).is_none() {
            panic!("left on the gateway: {:?} after {run}", left());
        }
    }

    /// Checks that no staged script and no process is left on the hosts.
    #[track_caller]
    pub fn assert_hosts_clean(&self, run: &Run) {
        for host in &self.hosts {
            self.assert_nothing_staged(host, run);
            if wait::within(wait::CLEANUP_TIMEOUT, || self.host_processes(host).is_empty().then_some(()))
                .is_none()
            {
                panic!("still runs on {host}: {:?} after {run}", self.host_processes(host));
            }
        }
    }

    /// Checks that no staged script is left on a host.
    #[track_caller]
    pub fn assert_nothing_staged(&self, host: &str, run: &Run) {
        // A host that was killed has no files to look at. Some hosts give each user a /tmp of its own.
        let folders = ["/tmp", "/tmp-inst/User_VIP"].map(|folder| fs::read_dir(self.host_path(host, folder)));
        for entry in folders.into_iter().flatten().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            assert!(!name.starts_with(".recolte"), "{name} is left on {host} after {run}");
        }
    }

    /// Returns the path on this machine of a path on a host. Absolute symbolic links are not resolved in the host.
    pub fn host_path(&self, host: &str, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.host_pid(host)))
    }

    /// Returns the number of the first process of a host.
    pub fn host_pid(&self, host: &str) -> String {
        fs::read_to_string(self.path(&format!("lab/hosts/{host}/pid"))).unwrap().trim().to_owned()
    }

    /// Waits until a file exists on a host.
    #[track_caller]
    pub fn wait_for_file(&self, host: &str, path: &str) {
        wait::until(&format!("{path} on {host}"), || self.host_path(host, path).exists().then_some(()));
    }

    /// Returns the command lines of the processes of the login user and of the `run_as` user on a host.
    pub fn host_processes(&self, host: &str) -> Vec<String> {
        let Ok(namespace) = fs::read_link(format!("/proc/{}/ns/pid", self.host_pid(host))) else {
            return Vec::new();
        };
        let ours = |process: &Path| {
            let inside = fs::read_link(process.join("ns/pid")).is_ok_and(|link| link == namespace);
            inside && ["7701", "7702"].contains(&user_of(process).as_str())
        };
        // A zombie has no command line.
        let commands = processes().filter(|process| ours(process)).map(|process| command_of(&process));
        commands.filter(|command| !command.is_empty()).collect()
    }

    /// Runs a shell line as root on a host, and returns its stdout.
    #[track_caller]
    pub fn host_sh(&self, host: &str, line: &str) -> String {
        let output = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/lab"))
            .arg("sh")
            .arg(self.path("lab"))
            .args([host, line])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "on {host}: {line}\n{}\n{out}{err}", output.status);
        out.trim_end().to_owned()
    }

    /// Returns the names of the hosts.
    pub fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// Returns the ssh processes and the control sockets of this gateway.
    pub fn open_connections(&self) -> Vec<String> {
        let folders = fs::read_dir(self.socket_folder()).unwrap().flatten();
        let inside = folders.flat_map(|folder| fs::read_dir(folder.path()).into_iter().flatten().flatten());
        let locks = |name: &std::ffi::OsStr| name == "owner" || name.as_encoded_bytes().ends_with(b".lock");
        let sockets = inside.filter(|entry| !locks(&entry.file_name()));
        let sockets = sockets.map(|entry| entry.path().display().to_string());
        sockets.chain(commands_with(&self.socket_folder())).collect()
    }

    /// Returns the log of a host's sshd.
    pub fn sshd_log(&self, host: &str) -> String {
        fs::read_to_string(self.path(&format!("lab/hosts/{host}/sshd.log"))).unwrap()
    }

    /// Counts the lines of a host's sshd log that hold a text.
    pub fn count_log_lines(&self, host: &str, text: &str) -> usize {
        self.sshd_log(host).lines().filter(|line| line.contains(text)).count()
    }

    /// Counts the successful logins on a host.
    pub fn count_logins(&self, host: &str) -> usize {
        self.count_log_lines(host, "Accepted publickey")
    }

    /// Checks that nobody connected to a host.
    #[track_caller]
    pub fn assert_not_contacted(&self, host: &str) {
        let log = self.sshd_log(host);
        assert!(!log.contains("Connection from"), "{log}");
    }
}

/// Lists the processes of this machine, as folders of /proc.
fn processes() -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let numbered =
        |path: &PathBuf| path.file_name().unwrap().to_string_lossy().bytes().all(|b| b.is_ascii_digit());
    entries.map(|entry| entry.path()).filter(numbered)
}

/// Returns the command lines of the ssh processes that name a path.
fn commands_with(path: &Path) -> Vec<String> {
    let path = path.to_str().unwrap().to_owned();
    let commands = processes().map(|process| command_of(&process));
    commands.filter(|command| command.starts_with("ssh") && command.contains(&path)).collect()
}

/// Returns the command line of a process; empty if it has ended.
fn command_of(process: &Path) -> String {
    let bytes = fs::read(process.join("cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ").trim_end().to_owned()
}

/// Returns the user id of a process.
fn user_of(process: &Path) -> String {
    let status = fs::read_to_string(process.join("status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap_or_default();
    line.split_whitespace().next().unwrap_or_default().to_owned()
}
