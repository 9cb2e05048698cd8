//! `recolte resume` of a job's latest run, and how often its script ran on a host.

use std::fs;

use super::{Job, Lab, Run, wait};

impl Lab {
    /// Counts how often the script ran on a host: it adds a line to /tmp/count.
    pub fn count_script_runs(&self, host: &str) -> usize {
        fs::read_to_string(self.host_path(host, "/tmp/count")).unwrap_or_default().lines().count()
    }

    /// Returns the command `recolte resume` for the runs of a job, with more arguments.
    pub fn resume_command(&self, job: &Job, args: &[&str]) -> Job {
        let output = job.output();
        let mut all = vec!["resume", "--output", output.to_str().unwrap()];
        all.extend(args);
        self.job_for(&[]).set("output", output.as_path()).raw_args(&all)
    }

    /// Runs `recolte resume`, and checks that it leaves nothing on the hosts.
    ///
    /// Connections of a killed run may be left: their masters end after a minute.
    #[track_caller]
    pub fn resume(&self, job: &Job, args: &[&str]) -> Run {
        let run = self.start(&self.resume_command(job, args)).wait();
        for host in self.hosts() {
            self.assert_nothing_staged(host, &run);
            self.wait_until_idle(host);
        }
        run
    }

    /// Waits until nothing but sshd runs for the login user and the `run_as` user.
    #[track_caller]
    pub fn wait_until_idle(&self, host: &str) {
        let left = || self.host_processes(host).into_iter().find(|line| !line.starts_with("sshd"));
        wait::until(&format!("no process on {host}"), || left().is_none().then_some(()));
    }
}
