//! One run of recolte: a process while it lasts, then its exit code, its streams and its run folder.

use std::fmt;
use std::fs;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::job::Job;
use super::wait;

/// The limit for one run: several times what the longest one takes.
const RUN_TIMEOUT: Duration = Duration::from_secs(400);

/// A run that has not ended.
pub struct Running {
    child: Child,
    streams: PathBuf,
    output: PathBuf,
    line: String,
    ended: bool,
}

impl Running {
    /// Starts a run; its stdout and stderr are files in `streams`.
    pub fn new(mut command: Command, job: &Job, streams: &Path) -> Self {
        let line = format!("{command:?}");
        if job.stdin_text().is_some() {
            command.stdin(Stdio::piped());
        }
        let mut child = command.spawn().unwrap();
        if let (Some(text), Some(mut stdin)) = (job.stdin_text(), child.stdin.take()) {
            stdin.write_all(text.as_bytes()).unwrap();
        }
        Self { child, streams: streams.to_owned(), output: job.output(), line, ended: false }
    }

    /// Waits until a line on stderr holds a text.
    #[track_caller]
    pub fn wait_for_stderr(&self, text: &str) {
        wait::until(&format!("{text:?} on stderr of {}", self.line), || {
            let stderr = fs::read(self.streams.join("stderr")).unwrap();
            String::from_utf8_lossy(&stderr).lines().any(|line| line.contains(text)).then_some(())
        });
    }

    /// Waits for the end of the run.
    #[track_caller]
    pub fn wait(mut self) -> Run {
        let status = wait::within(RUN_TIMEOUT, || self.child.try_wait().unwrap());
        let Some(status) = status else {
            panic!("no end after {} s: {}\n{}", RUN_TIMEOUT.as_secs(), self.line, self.read("stderr"));
        };
        self.ended = true;
        Run {
            status,
            stdout: self.read("stdout"),
            stderr: self.read("stderr"),
            folder: fs::canonicalize(self.output.join("latest")).ok(),
            line: self.line.clone(),
        }
    }

    fn read(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.streams.join(name)).unwrap()).into_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

/// A run that has ended.
pub struct Run {
    status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
    /// The run folder, if there is one.
    folder: Option<PathBuf>,
    line: String,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, status, stdout, stderr, .. } = self;
        write!(f, "{line}\n{status}\n--- stdout\n{stdout}--- stderr\n{stderr}---")
    }
}

impl Run {
    /// Returns the exit code; 1000 and the signal's number if a signal ended the run.
    pub fn exit_code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| 1000 + self.status.signal().unwrap())
    }

    /// Checks the exit code.
    #[track_caller]
    pub fn assert_exit_code(&self, code: i32) -> &Self {
        assert_eq!(self.exit_code(), code, "the exit code of {self}");
        self
    }

    /// Checks whether there is a run folder.
    pub fn has_folder(&self) -> bool {
        self.folder.is_some()
    }

    /// Returns a path in the run folder; the folder itself for an empty name.
    #[track_caller]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.as_ref().unwrap_or_else(|| panic!("no run folder: {self}")).join(name)
    }

    /// Reads a file of the run folder.
    #[track_caller]
    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}: {self}"))
    }

    /// Reads a file of the run folder as text.
    #[track_caller]
    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    /// Reads `report.json`.
    #[track_caller]
    pub fn report(&self) -> Value {
        serde_json::from_slice(&self.read("report.json")).unwrap()
    }

    /// Returns the entry of a host in `report.json`.
    #[track_caller]
    pub fn host(&self, name: &str) -> HostReport {
        let report = self.report();
        let host = report["hosts"].as_array().unwrap().iter().find(|host| host["host"] == name);
        HostReport(host.unwrap_or_else(|| panic!("no {name} in {report:#}: {self}")).clone())
    }

    /// Checks that the exit code is 0 and that every host succeeded.
    #[track_caller]
    pub fn assert_succeeded(&self) -> &Self {
        let why = self.folder.as_ref().map(|_| format!("{:#}", self.report()["hosts"])).unwrap_or_default();
        assert_eq!(self.exit_code(), 0, "the exit code of {self}\n{why}");
        for host in self.report()["hosts"].as_array().unwrap() {
            assert_eq!(host["outcome"], "succeeded", "{host:#}: {self}");
        }
        self
    }

    /// Checks that exactly these hosts succeeded, with their files, and that the exit code is 1.
    #[track_caller]
    pub fn assert_others_unharmed(&self, hosts: &[&str]) {
        self.assert_exit_code(1);
        for host in hosts {
            self.host(host).assert_succeeded();
            let file = self.read_collected(host, "fichier_log.txt");
            assert_eq!(file, format!("{host} SOC_PRODUCTION\n").as_bytes());
        }
        assert_eq!(self.report()["totals"]["succeeded"], hosts.len());
        assert!(self.path("JGE.tar.gz").exists());
    }

    /// Lists the collected files, relative to the job's folder in the run folder, sorted.
    pub fn collected_files(&self) -> Vec<String> {
        files(&self.path("JGE"))
    }

    /// Reads a collected file of a host.
    #[track_caller]
    pub fn read_collected(&self, host: &str, name: &str) -> Vec<u8> {
        self.read(&format!("JGE/{host}/{name}"))
    }

    /// Reads what the script wrote to its stdout on a host.
    #[track_caller]
    pub fn script_stdout(&self, host: &str) -> String {
        self.text(&format!("hosts/{host}/stdout"))
    }
}

/// Lists everything but folders below a folder, as relative paths, sorted.
pub fn files(folder: &Path) -> Vec<String> {
    let mut all = Vec::new();
    let mut left = vec![folder.to_owned()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(&next).unwrap_or_else(|error| panic!("{}: {error}", next.display())) {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                left.push(entry.path());
            } else {
                all.push(entry.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    all.sort();
    all
}

/// One entry of `hosts[]` in `report.json`.
pub struct HostReport(pub Value);

impl HostReport {
    /// Checks outcome, step and cause, and that there is a message.
    #[track_caller]
    pub fn assert_ended(&self, outcome: &str, step: &str, cause: &str) -> &Self {
        let is = (self.field("outcome"), self.field("step"), self.field("cause"));
        assert_eq!(is, (outcome, step, cause), "{:#}", self.0);
        assert!(!self.field("message").is_empty(), "no message: {:#}", self.0);
        self
    }

    /// Checks that the host succeeded.
    #[track_caller]
    pub fn assert_succeeded(&self) -> &Self {
        assert_eq!(self.0["outcome"], "succeeded", "{:#}", self.0);
        for field in ["step", "cause", "message", "hint"] {
            assert!(self.0[field].is_null(), "{field}: {:#}", self.0);
        }
        self
    }

    /// Checks that the message holds a text.
    #[track_caller]
    pub fn assert_message(&self, text: &str) -> &Self {
        assert!(self.field("message").contains(text), "{text:?} is not in the message: {:#}", self.0);
        self
    }

    /// Checks that there is a hint, and that it holds a text.
    #[track_caller]
    pub fn assert_hint(&self, text: &str) -> &Self {
        assert!(
            !self.field("hint").is_empty() && self.field("hint").contains(text),
            "hint {text:?}: {:#}",
            self.0
        );
        self
    }

    /// Returns a field that is text; empty if it is null.
    pub fn field(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap_or_default()
    }

    /// Returns the exit status of the script.
    pub fn exit_status(&self) -> Option<i64> {
        self.0["exit_status"].as_i64()
    }

    /// Returns the remote paths of the collected files.
    pub fn remote_files(&self) -> Vec<&str> {
        self.0["files"].as_array().unwrap().iter().map(|file| file["remote"].as_str().unwrap()).collect()
    }

    /// Returns the path in the run folder of a remote file.
    #[track_caller]
    pub fn local_path(&self, remote: &str) -> &str {
        let mut files = self.0["files"].as_array().unwrap().iter();
        let file = files.find(|file| file["remote"] == remote);
        file.unwrap_or_else(|| panic!("no {remote} in {:#}", self.0))["path"].as_str().unwrap()
    }

    /// Returns the reason why a remote file was not collected.
    #[track_caller]
    pub fn skip_reason(&self, remote: &str) -> &str {
        let mut skipped = self.0["skipped"].as_array().unwrap().iter();
        let entry = skipped.find(|entry| entry["remote"] == remote);
        entry.unwrap_or_else(|| panic!("{remote} was not skipped: {:#}", self.0))["why"].as_str().unwrap()
    }
}

impl Running {
    /// Returns the process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name, like `INT`.
    #[track_caller]
    pub fn send_signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.pid().to_string()]).status();
        assert!(sent.unwrap().success(), "no {name} for {}", self.line);
    }
}
