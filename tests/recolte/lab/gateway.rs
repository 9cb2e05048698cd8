//! The gateway: a private place on this machine from which recolte is run, with or without a lab's network around it.
//!
//! Its home, its folder for passing files and its folder for sockets belong to one test alone.

use std::cell::Cell;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::job::Job;
use super::run::{Run, Running};

/// What every supplied script of these tests is called.
pub const SCRIPT: &str = "Fichier_fourni.sh";

/// A place to run recolte from.
pub struct Gateway {
    root: TempDir,
    /// The process whose network is the lab's, where there is a lab.
    network: Option<String>,
    count: Cell<usize>,
}

impl Gateway {
    /// A gateway without any host behind it.
    pub fn new() -> Self {
        let root = tempfile::Builder::new().prefix("rt").tempdir_in("/tmp").unwrap();
        for folder in ["home", "tmp", "run"] {
            fs::create_dir(root.path().join(folder)).unwrap();
        }
        Self { root, network: None, count: Cell::new(0) }
    }

    /// The same gateway within the network of a process.
    pub fn in_network_of(self, pid: &str) -> Self {
        Self { network: Some(pid.to_owned()), ..self }
    }

    /// A path of the gateway's own.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The folder of control sockets.
    pub fn sockets(&self) -> PathBuf {
        self.path("run")
    }

    /// Writes a file of the gateway's own.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// A new folder.
    pub fn folder(&self, what: &str) -> PathBuf {
        self.count.set(self.count.get() + 1);
        let path = self.path(&format!("{what}{}", self.count.get()));
        fs::create_dir(&path).unwrap();
        path
    }

    /// A job with what every job needs, for these hosts.
    pub fn job_for(&self, hosts: &[&str]) -> Job {
        Job::new(&self.folder("job"), hosts)
    }

    /// A program on the gateway, in a clean environment.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let program = program.as_ref();
        let mut command = match &self.network {
            // nsenter becomes the program: process number and signals are the program's own.
            Some(pid) => {
                let mut nsenter = Command::new("nsenter");
                nsenter.arg(format!("--net=/proc/{pid}/ns/net")).arg("--").arg(program);
                nsenter
            }
            None => Command::new(program),
        };
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("LANG", "C.UTF-8");
        command.env("HOME", self.path("home")).env("TMPDIR", self.path("tmp"));
        command.env("XDG_RUNTIME_DIR", self.sockets());
        command.current_dir(self.root.path()).stdin(Stdio::null());
        command
    }

    /// Runs a shell line on the gateway; returns what it printed.
    #[track_caller]
    pub fn sh(&self, line: &str) -> String {
        let output = self.command("/bin/sh").args(["-c", line]).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "on the gateway: {line}\n{}\n{out}{err}", output.status);
        out.trim_end().to_owned()
    }

    /// Starts recolte with a job.
    pub fn start(&self, job: &Job) -> Running {
        let out = self.folder("said");
        let mut command = self.command(env!("CARGO_BIN_EXE_recolte"));
        command.args(job.arguments()).envs(job.environment()).current_dir(job.folder());
        command.stdout(File::create(out.join("stdout")).unwrap());
        command.stderr(File::create(out.join("stderr")).unwrap());
        Running::new(command, job, &out)
    }

    /// Runs recolte with a job to its end. What a lab adds: that nothing is left behind.
    pub fn run(&self, job: &Job) -> Run {
        self.start(job).end()
    }

    /// Runs recolte with these words.
    pub fn words(&self, words: &[&str]) -> Run {
        self.run(&self.job_for(&[]).words(words))
    }
}
