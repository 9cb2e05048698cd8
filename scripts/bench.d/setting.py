"""setting: what every competitor is told: the hosts, the job, the folder to work in.

Limits: it knows nothing of how the job is done, nor of how time is taken.
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
# What the supplied script writes: some lines, so that the files are no empty shells.
SUPPLIED = """#!/bin/sh
name=$(hostname)
{ echo "$name $(id -un)"; seq 1000; } >"/tmp/fichier_${name}_log.txt"
echo "done on $name"
"""


class Bench:
    """One sitting: its options, and the lab that it works on."""

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
        """What each host's file must hold."""
        lines = "".join(f"{n}\n" for n in range(1, 1001))
        return {host: f"{host} {ACCOUNT}\n{lines}".encode() for host in self.hosts}

    def first(self, number):
        """The same with only so many of its hosts."""
        fewer = copy.copy(self)
        fewer.hosts = self.hosts[:number]
        return fewer

    def root(self, host):
        """The host's own file system, seen from here."""
        pid = (self.work / "lab" / "hosts" / host / "pid").read_text().strip()
        return pathlib.Path("/proc", pid, "root")

    def each(self, line):
        """`line` for every host, in a shell where it is $1, so many at a time."""
        names = " ".join(self.hosts)
        return f"printf '%s\\n' {names} | xargs -P {self.options.parallel} -I{{}} sh -c {quote(line)} sh {{}}"


def environment(out):
    """What a command finds in its environment: a place for control sockets that goes with its folder."""
    return os.environ | {"XDG_RUNTIME_DIR": str(out)}


def quote(text):
    """One word for a shell."""
    return "'" + text.replace("'", "'\\''") + "'"
