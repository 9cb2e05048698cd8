//! A lab of two hosts: `stalled` stops responding in a given step of its visit, `good` does its job.

use super::{Lab, Running};

/// The step that a host stalls in, and what makes it stall.
pub struct StalledHost {
    pub step: &'static str,
    /// Runs on the host before its sshd starts.
    pub setup: &'static str,
    /// Runs after the script has written its file.
    script: &'static str,
}

/// Shell functions for setup scripts: `program PATH BODY` makes an executable script; `stall PATH` replaces a program
/// by one that lasts as long as the connection.
pub const PROGRAM: &str = "program() { printf '#!/bin/sh\\n%s\\n' \"$2\" >$1; chmod 755 $1; }\n\
    stall() { rm $1; program $1 ': >/tmp/stalled; while pgrep -u User_VIP sshd >/dev/null; do sleep 0.1; done'; }";

// Each program makes the file /tmp/stalled first, then stalls. Where it can, it ends when nobody reads its output
// any more: no process of a finished visit may be left on the host.
pub const CONNECT: StalledHost = StalledHost {
    step: "connect",
    setup: "program /etc/ssh/keys ': >/tmp/stalled; exec sleep 1000'\n\
            printf '%s\\n' 'AuthorizedKeysFile none' 'AuthorizedKeysCommand /etc/ssh/keys' \
            'AuthorizedKeysCommandUser root' >>/etc/ssh/sshd_config",
    script: "",
};
pub const UPLOAD: StalledHost = StalledHost {
    step: "upload",
    setup: "program /usr/local/bin/mute ': >/tmp/stalled; while read -r x; do :; done'\n\
            sed -i 's,^Subsystem.*,Subsystem sftp /usr/local/bin/mute,' /etc/ssh/sshd_config",
    script: "",
};
pub const INSTALL: StalledHost = StalledHost {
    step: "install",
    setup: "program /usr/local/bin/cp ': >/tmp/stalled; while printf x; do sleep 1; done'",
    script: "",
};
/// The listing of the files that are there before the script never ends.
pub const LIST_BEFORE: StalledHost = StalledHost {
    step: "execute",
    setup: "echo old >/tmp/fichier_0_log.txt; stall /usr/bin/stat",
    script: "",
};
pub const EXECUTE: StalledHost = StalledHost {
    step: "execute",
    setup: ":",
    script: "[ $(hostname) = good ] || { sleep 1000 & : >/tmp/stalled; wait; }",
};
/// The file can only be read as the user who wrote it, and the program that reads it lasts as long as the connection.
pub const COLLECT: StalledHost =
    StalledHost { step: "collect", setup: "stall /usr/bin/dd", script: "chmod 600 /tmp/fichier_log.txt" };

impl StalledHost {
    /// Starts a lab with the hosts `stalled` and `good`.
    pub fn lab(&self) -> Lab {
        Lab::builder(&["stalled", "good"]).setup("stalled", &format!("{PROGRAM}\n{}", self.setup)).up()
    }

    /// Starts a run, and waits until `stalled` is in the step and `good` has succeeded.
    pub fn start(&self, lab: &Lab) -> Running {
        for host in ["stalled", "good"] {
            lab.host_sh(host, "rm -f /tmp/stalled /tmp/fichier_log.txt");
        }
        let script = format!("#!/bin/sh\necho whole >/tmp/fichier_log.txt\n{}\n", self.script);
        let running = lab.start(&lab.job().script(script).set("ssh.retries", 0).options(&["-v"]));
        running.wait_for_stderr(&format!("stalled: {}", self.step));
        running.wait_for_stderr("good: succeeded");
        lab.wait_for_file("stalled", "/tmp/stalled");
        running
    }
}
