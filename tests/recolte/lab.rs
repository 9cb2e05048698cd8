//! A lab of one test: real hosts that live as long as the value does.

mod archive;
mod gateway;
mod job;
mod run;
pub mod wait;

use std::fs::{self, File};
use std::io::Read as _;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

pub use archive::unpack;
pub use gateway::{Gateway, SCRIPT};
pub use job::{IntoValue, Job, WRITES_ONE_FILE};
pub use run::{Host, Run, Running, files};

/// Runs as root on a host before its sshd starts: MaxSessions and the like are set there.
type Setup = (String, String);

/// A lab that is not up yet.
pub struct Builder {
    hosts: Vec<String>,
    options: Vec<String>,
    setup: Vec<Setup>,
}

impl Builder {
    /// A setup script of one host.
    pub fn setup(mut self, host: &str, script: &str) -> Self {
        self.setup.push((host.to_owned(), script.to_owned()));
        self
    }

    /// A setup script of every host.
    pub fn setup_all(self, script: &str) -> Self {
        self.setup("all", script)
    }

    /// An option of `lab run`.
    pub fn option(mut self, option: &str) -> Self {
        self.options.push(option.to_owned());
        self
    }

    /// Brings the hosts up. What keeps them from it fails the test.
    #[track_caller]
    pub fn up(self) -> Lab {
        let gateway = Gateway::new();
        for (host, script) in &self.setup {
            gateway.write(&format!("lab/setup/{host}.sh"), format!("set -eu\n{script}\n"));
        }
        let said = gateway.path("lab.stderr");
        let mut child = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/lab"))
            .arg("run")
            .arg(gateway.path("lab"))
            .args(&self.options)
            .args(&self.hosts)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&said).unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("scripts/lab cannot be started: {error}"));
        // The answer is one line, or the end of the lab; `lab run` bounds the wait itself.
        let mut answer = [0; 6];
        let ready = child.stdout.take().unwrap().read_exact(&mut answer).is_ok() && &answer == b"ready\n";
        if !ready {
            drop(child.stdin.take());
            let status = child.wait();
            panic!("no lab came up ({status:?}):\n{}", fs::read_to_string(&said).unwrap_or_default());
        }
        let pid = fs::read_to_string(gateway.path("lab/pid")).unwrap().trim().to_owned();
        Lab { child, hosts: self.hosts, gateway: gateway.in_network_of(&pid) }
    }
}

/// A lab that is up.
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
        // The lifeline.
        drop(self.child.stdin.take());
        if wait::within(wait::PATIENCE, || self.child.try_wait().unwrap()).is_none() {
            drop(self.child.kill());
            drop(self.child.wait());
            assert!(std::thread::panicking(), "the lab did not end");
        }
    }
}

impl Lab {
    /// A lab with these hosts.
    #[track_caller]
    pub fn with(hosts: &[&str]) -> Self {
        Self::of(hosts).up()
    }

    /// A lab with these hosts, to be made ready first.
    pub fn of(hosts: &[&str]) -> Builder {
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        Builder { hosts, options: Vec::new(), setup: Vec::new() }
    }

    /// A job for all its hosts.
    pub fn job(&self) -> Job {
        let hosts: Vec<&str> = self.hosts.iter().map(String::as_str).collect();
        self.job_for(&hosts)
    }

    /// A job for some of its hosts.
    pub fn job_for(&self, hosts: &[&str]) -> Job {
        self.gateway.job_for(hosts).set("ssh.config", self.config().as_path())
    }

    /// The ssh_config.
    pub fn config(&self) -> PathBuf {
        self.path("lab/ssh_config")
    }

    /// Adds lines to the ssh_config that count before its own.
    pub fn configure(&self, lines: &str) {
        let own = fs::read_to_string(self.config()).unwrap();
        fs::write(self.config(), format!("{lines}\n{own}")).unwrap();
    }

    /// Runs a job, and checks that it left nothing on the gateway and nothing on the hosts.
    #[track_caller]
    pub fn recolte(&self, job: &Job) -> Run {
        self.tidy_after(self.start(job))
    }

    /// The end of a run, and that it left nothing.
    #[track_caller]
    pub fn tidy_after(&self, running: Running) -> Run {
        let run = running.end();
        self.gateway_is_tidy(&run);
        self.hosts_are_tidy(&run);
        run
    }

    /// No ssh of ours, no socket, no passing file is left.
    #[track_caller]
    pub fn gateway_is_tidy(&self, run: &Run) {
        let sockets = self.sockets();
        let left = || -> Vec<String> {
            let folders = [sockets.clone(), self.path("tmp")];
            let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
            let files = files.map(|entry| entry.unwrap().path().display().to_string());
            files.chain(commands_with(&sockets)).collect()
        };
        // A master ends with its last channel, a moment after it was asked to.
        if wait::within(wait::TIDYING, || left().is_empty().then_some(())).is_none() {
            panic!("left on the gateway: {:?} after {run}", left());
        }
    }

    /// No staged copy and no process is left.
    #[track_caller]
    pub fn hosts_are_tidy(&self, run: &Run) {
        for host in &self.hosts {
            self.nothing_staged(host, run);
            if wait::within(wait::TIDYING, || self.processes(host).is_empty().then_some(())).is_none() {
                panic!("still runs on {host}: {:?} after {run}", self.processes(host));
            }
        }
    }

    /// No staged copy is left.
    #[track_caller]
    pub fn nothing_staged(&self, host: &str, run: &Run) {
        // A host that was killed has no files any more.
        for entry in fs::read_dir(self.on(host, "/tmp")).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            assert!(!name.starts_with(".recolte"), "{name} is left on {host} after {run}");
        }
    }

    /// The path by which the gateway sees a path of a host. It follows no link of the host's.
    pub fn on(&self, host: &str, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.pid(host)))
    }

    /// The first process of a host.
    pub fn pid(&self, host: &str) -> String {
        fs::read_to_string(self.path(&format!("lab/hosts/{host}/pid"))).unwrap().trim().to_owned()
    }

    /// Waits until a file is there on a host.
    #[track_caller]
    pub fn appears(&self, host: &str, path: &str) {
        wait::until(&format!("{path} on {host}"), || self.on(host, path).exists().then_some(()));
    }

    /// What the login user and the user to run as have running on a host.
    pub fn processes(&self, host: &str) -> Vec<String> {
        let Ok(namespace) = fs::read_link(format!("/proc/{}/ns/pid", self.pid(host))) else {
            return Vec::new();
        };
        let ours = |process: &Path| {
            let inside = fs::read_link(process.join("ns/pid")).is_ok_and(|link| link == namespace);
            inside && ["7701", "7702"].contains(&user_of(process).as_str())
        };
        // A dead process that nobody collected has no command line.
        let commands = processes().filter(|process| ours(process)).map(|process| command_of(&process));
        commands.filter(|command| !command.is_empty()).collect()
    }

    /// Runs a shell line as root on a host; returns what it printed.
    #[track_caller]
    pub fn on_host(&self, host: &str, line: &str) -> String {
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
}

/// The processes of the machine, as folders of /proc.
fn processes() -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let numbered =
        |path: &PathBuf| path.file_name().unwrap().to_string_lossy().bytes().all(|b| b.is_ascii_digit());
    entries.map(|entry| entry.path()).filter(numbered)
}

/// The command lines of ssh processes that name a path.
fn commands_with(path: &Path) -> Vec<String> {
    let path = path.to_str().unwrap().to_owned();
    let commands = processes().map(|process| command_of(&process));
    commands.filter(|command| command.starts_with("ssh") && command.contains(&path)).collect()
}

/// A process's command line; empty for one that is gone or dead.
fn command_of(process: &Path) -> String {
    let bytes = fs::read(process.join("cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ").trim_end().to_owned()
}

/// The number of the user whose process it is.
fn user_of(process: &Path) -> String {
    let status = fs::read_to_string(process.join("status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap_or_default();
    line.split_whitespace().next().unwrap_or_default().to_owned()
}

impl Lab {
    /// The names of its hosts.
    pub fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// The ssh processes of this gateway, and the control sockets.
    pub fn connections(&self) -> Vec<String> {
        let folders = fs::read_dir(self.sockets()).unwrap().flatten();
        let inside = folders.flat_map(|folder| fs::read_dir(folder.path()).into_iter().flatten().flatten());
        let locks = |name: &std::ffi::OsStr| name == "owner" || name.as_encoded_bytes().ends_with(b".lock");
        let sockets = inside.filter(|entry| !locks(&entry.file_name()));
        let sockets = sockets.map(|entry| entry.path().display().to_string());
        sockets.chain(commands_with(&self.sockets())).collect()
    }
}
