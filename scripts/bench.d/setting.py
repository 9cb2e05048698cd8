"""setting: what all competitors share: the hosts, the job, the folder to work in.

Limits: how the job is done and how times are measured is not here.
"""

import copy
import os
import pathlib

REMOTE = "/home/User_VIP/script/Fichier_fourni.sh"
INSTALL = os.path.dirname(REMOTE)
STAGED = "/tmp/Fichier_fourni.sh"
ACCOUNT = "User_DollarU"
GLOB = "/tmp/fichier_*log.txt"
RUN_IT = f"'{REMOTE} SOC_PRODUCTION'"
# The supplied script; it writes some lines, so that the files are not empty.
SUPPLIED = """#!/bin/sh
name=$(hostname)
{ echo "$name $(id -un)"; seq 1000; } >"/tmp/fichier_${name}_log.txt"
echo "done on $name"
"""


class Bench:
    """One measurement: its options, and the lab whose hosts it uses."""

    def __init__(self, options, supplied=SUPPLIED):
        self.options = options
        self.work = pathlib.Path(options.inside)
        self.config = self.work / "lab" / "ssh_config"
        self.script = self.work / "Fichier_fourni.sh"
        self.hosts = [f"host{n}" for n in range(1, options.hosts + 1)]
        self.init = int((self.work / "lab" / "pid").read_text())
        self.script.write_text(supplied)
        self.script.chmod(0o755)

    def expected(self):
        """Returns the expected content of each host's file."""
        lines = "".join(f"{n}\n" for n in range(1, 1001))
        return {host: f"{host} {ACCOUNT}\n{lines}".encode() for host in self.hosts}

    def first(self, number):
        """Returns the same measurement with only the first `number` hosts."""
        fewer = copy.copy(self)
        fewer.hosts = self.hosts[:number]
        return fewer

    def root(self, host):
        """Returns the path of the host's root file system, as this process sees it."""
        pid = (self.work / "lab" / "hosts" / host / "pid").read_text().strip()
        return pathlib.Path("/proc", pid, "root")

    def each(self, line):
        """Returns a command that runs `line` for every host ($1), `parallel` at a time."""
        names = " ".join(self.hosts)
        return f"printf '%s\\n' {names} | xargs -P {self.options.parallel} -I{{}} sh -c {quote(line)} sh {{}}"


def environment(out):
    """Returns the environment of a command, with a folder for control sockets that is removed with `out`."""
    return os.environ | {"XDG_RUNTIME_DIR": str(out)}


def quote(text):
    """Quotes a text as one word for a shell."""
    return "'" + text.replace("'", "'\\''") + "'"
