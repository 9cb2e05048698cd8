//! A host that can be held in each step of its visit, beside one that is well.

use crate::lab::{Lab, Running};

/// What keeps the host `held` in a step.
pub struct Hold {
    /// The step.
    pub step: &'static str,
    /// What is set up on the host.
    pub setup: &'static str,
    /// What the script does after it wrote its file.
    script: &'static str,
}

/// Puts a program in the place of another.
pub const PROGRAM: &str = "program() { printf '#!/bin/sh\\n%s\\n' \"$2\" >$1; chmod 755 $1; }";

/// The programs that hold write a mark first, and end when nobody is at the other end of their pipe.
pub const CONNECT: Hold = Hold {
    step: "connect",
    setup: "program /etc/ssh/keys ': >/tmp/held; exec sleep 1000'\n\
            printf '%s\\n' 'AuthorizedKeysFile none' 'AuthorizedKeysCommand /etc/ssh/keys' \
            'AuthorizedKeysCommandUser root' >>/etc/ssh/sshd_config",
    script: "",
};
pub const UPLOAD: Hold = Hold {
    step: "upload",
    setup: "program /usr/local/bin/mute ': >/tmp/held; while read -r x; do :; done'\n\
            sed -i 's,^Subsystem.*,Subsystem sftp /usr/local/bin/mute,' /etc/ssh/sshd_config",
    script: "",
};
pub const INSTALL: Hold = Hold {
    step: "install",
    setup: "program /usr/local/bin/cp ': >/tmp/held; while printf x; do sleep 1; done'",
    script: "",
};
pub const EXECUTE: Hold = Hold {
    step: "execute",
    setup: ":",
    script: "[ $(hostname) = well ] || { sleep 1000 & : >/tmp/held; wait; }",
};
/// The file is read as the one who wrote it, and its reader never comes to an end.
pub const COLLECT: Hold = Hold {
    step: "collect",
    setup: "program /usr/local/bin/head ': >/tmp/held; while printf x; do sleep 1; done'",
    script: "chmod 600 /tmp/fichier_log.txt",
};

impl Hold {
    /// Hosts of which one holds.
    pub fn lab(&self) -> Lab {
        Lab::of(&["held", "well"]).setup("held", &format!("{PROGRAM}\n{}", self.setup)).up()
    }

    /// Starts a run and waits until one host is held in the step and the other one is done.
    pub fn start(&self, lab: &Lab) -> Running {
        for host in ["held", "well"] {
            lab.on_host(host, "rm -f /tmp/held /tmp/fichier_log.txt");
        }
        let script = format!("#!/bin/sh\necho whole >/tmp/fichier_log.txt\n{}\n", self.script);
        let running = lab.start(&lab.job().script(script).set("ssh.retries", 0).options(&["-v"]));
        running.says(&format!("held: {}", self.step));
        running.says("well: succeeded");
        lab.appears("held", "/tmp/held");
        running
    }
}
