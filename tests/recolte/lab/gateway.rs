//! The gateway: the environment on this machine that recolte runs in, with or without the network of a lab.
//!
//! Home, temporary folder and socket folder belong to one test alone.

use std::cell::Cell;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::job::Job;
use super::run::{Run, Running};

/// The file name of the supplied script in these tests.
pub const SCRIPT: &str = "Fichier_fourni.sh";

/// Private folders and a clean environment to run recolte in.
pub struct Gateway {
    root: TempDir,
    /// A process in the network of the lab, if there is a lab.
    network: Option<String>,
    count: Cell<usize>,
}

impl Gateway {
    /// Makes a gateway without hosts.
    pub fn new() -> Self {
        let root = tempfile::Builder::new().prefix("rt").tempdir_in("/tmp").unwrap();
        for folder in ["home", "tmp", "run"] {
            fs::create_dir(root.path().join(folder)).unwrap();
        }
        Self { root, network: None, count: Cell::new(0) }
    }

    /// Moves the gateway into the network of a process.
    pub fn in_network_of(self, pid: &str) -> Self {
        Self { network: Some(pid.to_owned()), ..self }
    }

    /// Returns a path below the gateway's root folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Returns the folder of control sockets, which is `XDG_RUNTIME_DIR`.
    pub fn socket_folder(&self) -> PathBuf {
        self.path("run")
    }

    /// Writes a file below the gateway's root folder.
    pub fn write_file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// Makes a new folder, whose name begins with `what`.
    pub fn new_folder(&self, what: &str) -> PathBuf {
        self.count.set(self.count.get() + 1);
        let path = self.path(&format!("{what}{}", self.count.get()));
        fs::create_dir(&path).unwrap();
        path
    }

    /// Returns a job for these hosts, with every key that a job needs.
    pub fn job_for(&self, hosts: &[&str]) -> Job {
        Job::new(&self.new_folder("job"), hosts)
    }

    /// Returns a command that runs on the gateway, in a clean environment.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let program = program.as_ref();
        let mut command = match &self.network {
            // nsenter execs the program: the process number is the program's, and signals reach it.
            Some(pid) => {
                let mut nsenter = Command::new("nsenter");
                nsenter.arg(format!("--net=/proc/{pid}/ns/net")).arg("--").arg(program);
                nsenter
            }
            None => Command::new(program),
        };
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("LANG", "C.UTF-8");
        command.env("HOME", self.path("home")).env("TMPDIR", self.path("tmp"));
        command.env("XDG_RUNTIME_DIR", self.socket_folder());
        command.current_dir(self.root.path()).stdin(Stdio::null());
        command
    }

    /// Runs a shell line on the gateway, and returns its stdout.
    #[track_caller]
    pub fn sh(&self, line: &str) -> String {
        let output = self.command("/bin/sh").args(["-c", line]).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "on the gateway: {line}\n{}\n{out}{err}", output.status);
        out.trim_end().to_owned()
    }

    /// Starts recolte with a job.
    pub fn start(&self, job: &Job) -> Running {
        self.start_with(self.command(env!("CARGO_BIN_EXE_recolte")), job)
    }

    /// Starts recolte with a job by a command that passes its arguments on.
    pub fn start_with(&self, mut command: Command, job: &Job) -> Running {
        let streams = self.new_folder("streams");
        command.args(job.arguments()).envs(job.environment()).current_dir(job.folder());
        command.stdout(File::create(streams.join("stdout")).unwrap());
        command.stderr(File::create(streams.join("stderr")).unwrap());
        Running::new(command, job, &streams)
    }

    /// Runs recolte with a job to its end. `Lab::run_checked` also checks that nothing is left behind.
    pub fn run(&self, job: &Job) -> Run {
        self.start(job).wait()
    }

    /// Runs recolte with these arguments and no job file.
    pub fn run_args(&self, args: &[&str]) -> Run {
        self.run(&self.job_for(&[]).raw_args(args))
    }
}
