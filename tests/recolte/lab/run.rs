//! One run of recolte: while it lasts, and what it left.

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

/// The longest run of these tests: far more than any takes, far less than for ever.
const LONGEST: Duration = Duration::from_secs(180);

/// A run under way.
pub struct Running {
    child: Child,
    said: PathBuf,
    output: PathBuf,
    line: String,
    ended: bool,
}

impl Running {
    /// Starts it.
    pub fn new(mut command: Command, job: &Job, said: &Path) -> Self {
        let line = format!("{command:?}");
        if job.input().is_some() {
            command.stdin(Stdio::piped());
        }
        let mut child = command.spawn().unwrap();
        if let (Some(text), Some(mut stdin)) = (job.input(), child.stdin.take()) {
            stdin.write_all(text.as_bytes()).unwrap();
        }
        Self { child, said: said.to_owned(), output: job.output(), line, ended: false }
    }

    /// Waits until a line on stderr holds a text.
    #[track_caller]
    pub fn says(&self, text: &str) {
        wait::until(&format!("{text:?} on stderr of {}", self.line), || {
            let said = fs::read(self.said.join("stderr")).unwrap();
            String::from_utf8_lossy(&said).lines().any(|line| line.contains(text)).then_some(())
        });
    }

    /// Waits for its end.
    #[track_caller]
    pub fn end(mut self) -> Run {
        let status = wait::within(LONGEST, || self.child.try_wait().unwrap());
        let Some(status) = status else {
            panic!("no end after {} s: {}\n{}", LONGEST.as_secs(), self.line, self.read("stderr"));
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
        String::from_utf8_lossy(&fs::read(self.said.join(name)).unwrap()).into_owned()
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

/// A run that ended.
pub struct Run {
    status: ExitStatus,
    /// What it answered.
    pub stdout: String,
    /// What it told.
    pub stderr: String,
    /// The run's folder, where it made one.
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
    /// The exit code.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| 1000 + self.status.signal().unwrap())
    }

    /// Checks the exit code.
    #[track_caller]
    pub fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.code(), code, "the exit code of {self}");
        self
    }

    /// Whether it made a folder.
    pub fn has_folder(&self) -> bool {
        self.folder.is_some()
    }

    /// The run's folder, or a path in it.
    #[track_caller]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.as_ref().unwrap_or_else(|| panic!("no run folder: {self}")).join(name)
    }

    /// A file of the run's folder.
    #[track_caller]
    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}: {self}"))
    }

    /// A file of the run's folder, as text.
    #[track_caller]
    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    /// `report.json`.
    #[track_caller]
    pub fn report(&self) -> Value {
        serde_json::from_slice(&self.read("report.json")).unwrap()
    }

    /// What the report says of a host.
    #[track_caller]
    pub fn host(&self, name: &str) -> Host {
        let report = self.report();
        let host = report["hosts"].as_array().unwrap().iter().find(|host| host["host"] == name);
        Host(host.unwrap_or_else(|| panic!("no {name} in {report:#}: {self}")).clone())
    }

    /// Checks that every host succeeded and that the exit code says so.
    #[track_caller]
    pub fn succeeded(&self) -> &Self {
        let why = self.folder.as_ref().map(|_| format!("{:#}", self.report()["hosts"])).unwrap_or_default();
        assert_eq!(self.code(), 0, "the exit code of {self}\n{why}");
        for host in self.report()["hosts"].as_array().unwrap() {
            assert_eq!(host["outcome"], "succeeded", "{host:#}: {self}");
        }
        self
    }

    /// The files of the job's folder in the run folder, relative to that, sorted.
    pub fn harvest(&self) -> Vec<String> {
        files(&self.path("JGE"))
    }

    /// The collected file of a host.
    #[track_caller]
    pub fn collected(&self, host: &str, name: &str) -> Vec<u8> {
        self.read(&format!("JGE/{host}/{name}"))
    }

    /// What the script printed on a host.
    #[track_caller]
    pub fn printed(&self, host: &str) -> String {
        self.text(&format!("hosts/{host}/stdout"))
    }
}

/// All that is no folder below a folder, as relative paths, sorted.
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

/// One entry of `hosts[]`.
pub struct Host(pub Value);

impl Host {
    /// Checks how it ended: outcome, step and cause, with a message, and a hint where one is due.
    #[track_caller]
    pub fn ended(&self, outcome: &str, step: &str, cause: &str) -> &Self {
        let is = (self.word("outcome"), self.word("step"), self.word("cause"));
        assert_eq!(is, (outcome, step, cause), "{:#}", self.0);
        assert!(!self.word("message").is_empty(), "no message: {:#}", self.0);
        self
    }

    /// Checks that it succeeded.
    #[track_caller]
    pub fn succeeded(&self) -> &Self {
        assert_eq!(self.0["outcome"], "succeeded", "{:#}", self.0);
        for field in ["step", "cause", "message", "hint"] {
            assert!(self.0[field].is_null(), "{field}: {:#}", self.0);
        }
        self
    }

    /// Checks that the message holds a text.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        assert!(self.word("message").contains(text), "{text:?} is not in the message: {:#}", self.0);
        self
    }

    /// Checks that there is a way out, and that it holds a text.
    #[track_caller]
    pub fn hints(&self, text: &str) -> &Self {
        assert!(
            !self.word("hint").is_empty() && self.word("hint").contains(text),
            "hint {text:?}: {:#}",
            self.0
        );
        self
    }

    /// A field that is text; empty where it is null.
    pub fn word(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap_or_default()
    }

    /// The script's exit status.
    pub fn exit_status(&self) -> Option<i64> {
        self.0["exit_status"].as_i64()
    }

    /// The remote paths of what came home.
    pub fn files(&self) -> Vec<&str> {
        self.0["files"].as_array().unwrap().iter().map(|file| file["remote"].as_str().unwrap()).collect()
    }

    /// Where a remote file is in the run folder.
    #[track_caller]
    pub fn path_of(&self, remote: &str) -> &str {
        let mut files = self.0["files"].as_array().unwrap().iter();
        let file = files.find(|file| file["remote"] == remote);
        file.unwrap_or_else(|| panic!("no {remote} in {:#}", self.0))["path"].as_str().unwrap()
    }

    /// Why a remote file was left there.
    #[track_caller]
    pub fn why_skipped(&self, remote: &str) -> &str {
        let mut skipped = self.0["skipped"].as_array().unwrap().iter();
        let entry = skipped.find(|entry| entry["remote"] == remote);
        entry.unwrap_or_else(|| panic!("{remote} was not skipped: {:#}", self.0))["why"].as_str().unwrap()
    }
}

impl Running {
    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal by its name, like `INT`.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.pid().to_string()]).status();
        assert!(sent.unwrap().success(), "no {name} for {}", self.line);
    }
}
