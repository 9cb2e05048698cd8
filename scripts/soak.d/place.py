"""The running lab of a test, as its gateway sees it: hosts, private folders for recolte, and what is left in both.

Limits: only processes of the lab and descendants of recolte are counted, not those of the machine.
"""

import collections
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time

LAB = pathlib.Path(__file__).resolve().parent.parent / "lab"
PERIOD = 0.02


class Lab:
    """The running lab, as its gateway sees it, and a private folder there for recolte."""

    def __init__(self, options):
        self.options = options
        self.work = pathlib.Path(options.inside)
        self.dir = self.work / "lab"
        self.hosts = names(options)
        self.init = int((self.dir / "pid").read_text())
        self.roots = {host: self.root(host) for host in self.hosts}
        # Each host has three processes, and the sleep of its init is the last one that is started.
        if not within(60.0, lambda: list(self.processes().values()).count("sleep infinity") == len(self.hosts)):
            sys.exit("soak: not every host has started completely")

    def root(self, host):
        root = pathlib.Path("/proc", (self.dir / "hosts" / host / "pid").read_text().strip(), "root")
        if not (root / ".lab").exists():
            sys.exit(f"soak: {host} has ended")
        return root

    def sh(self, host, line):
        subprocess.run([LAB, "sh", self.dir, host, line], stdin=subprocess.DEVNULL, check=True)

    def processes(self):
        return below(self.init)

    def left(self, idle):
        """Returns the processes on the hosts that were not there when the lab was idle."""
        return [f"hosts: process {line!r}" for pid, line in self.processes().items() if pid not in idle]

    def staged(self):
        copies = ((host, file.name) for host, root in self.roots.items() for file in root.glob("tmp/.recolte*"))
        return [f"{host}: the uploaded copy {name}" for host, name in copies]

    def clear(self):
        """Removes what scripts and recolte left in /tmp of the hosts."""
        for file in [file for root in self.roots.values() for file in root.glob("tmp/*")]:
            file.unlink()

    def mounts(self):
        every = ["self", self.init, *(root.parent.name for root in self.roots.values())]
        return sum(len(pathlib.Path(f"/proc/{pid}/mountinfo").read_text().splitlines()) for pid in every)

    def inodes(self):
        """Returns how many files and folders the hosts' own disks hold."""
        figures = [os.statvfs(root) for root in self.roots.values()]
        return sum(one.f_files - one.f_ffree for one in figures)

    def job(self, folder, script, token, more):
        """Writes a job file in a new folder, with private folders for sockets and temporary files."""
        for name in ("tmp", "run", "home"):
            (folder / name).mkdir(parents=True)
        supplied = folder / "Fichier_fourni.sh"
        supplied.write_text(script)
        job = folder / "job.toml"
        job.write_text(
            f'name = "JGE"\noutput = "{folder}/runs"\n{more}\n'
            f'[targets]\nhosts = [{", ".join(map(json.dumps, self.hosts))}]\n'
            f'[ssh]\nconfig = "{self.dir}/ssh_config"\nconnect_timeout = "5s"\n'
            f'[script]\nfile = "{supplied}"\nargs = ["{token}"]\ninstall = "/home/User_VIP/script"\n'
            'run_as = "User_DollarU"\ntimeout = "10s"\n'
            '[collect]\nfiles = ["/tmp/fichier_*log.txt"]\nmax_file = "1MiB"\n'
        )
        return job

    def recolte(self, folder, *words, sockets="run"):
        (folder / sockets).mkdir(exist_ok=True)
        own = {"HOME": folder / "home", "TMPDIR": folder / "tmp", "XDG_RUNTIME_DIR": folder / sockets}
        env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **own}
        with open(folder / "said", "ab") as said:
            command = [self.options.recolte, *words]
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=folder, env=env)


def names(options):
    return [f"host{n}" for n in range(1, options.hosts + 1)]


def content(host, token, lines):
    return (f"{host} {token}\n" + "".join(f"{n}\n" for n in range(1, lines + 1))).encode()


def below(top):
    """Returns the living descendants of a process, with their command lines."""
    children, inside, found = collections.defaultdict(list), [top], {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        fields = of_process(pid, "stat").rpartition(")")[2].split()
        if fields and fields[0] != "Z":
            children[int(fields[1])].append(int(pid))
    while inside:
        for pid in children[inside.pop()]:
            inside.append(pid)
            found[pid] = of_process(pid, "cmdline").replace("\0", " ").strip()
    return found


def of_process(pid, file):
    """Returns the content of a file of /proc; empty for a process that has ended."""
    try:
        return pathlib.Path(f"/proc/{pid}/{file}").read_text(errors="replace")
    except OSError:
        return ""


def within(patience, look):
    """Calls `look` until it returns a true value, at most for `patience` seconds. Returns its last value."""
    deadline = time.monotonic() + patience
    while not (seen := look()) and time.monotonic() < deadline:
        time.sleep(PERIOD)
    return seen


def left_here():
    """Returns the processes that recolte left running; this process has inherited them."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        pass
    return [f"gateway: process {line!r}" for line in below(os.getpid()).values()]


def report_of(folder):
    """Reads a run's results: host -> its report, (host, remote path) -> the files, and what does not agree."""
    latest = (folder / "runs" / "latest").resolve()
    files, wrong = collections.defaultdict(list), []
    try:
        accounts = {host["host"]: host for host in json.loads((latest / "report.json").read_text())["hosts"]}
        with tarfile.open(latest / "JGE.tar.gz") as tar:
            packed = {entry.name: tar.extractfile(entry).read() for entry in tar if entry.isreg()}
    except (OSError, ValueError, tarfile.TarError) as error:
        return {}, files, [f"report and archive cannot be read: {error}"]
    for host, file in ((host, file) for host, account in accounts.items() for file in account["files"]):
        here = latest / file["path"]
        got = here.read_bytes() if here.is_file() else None
        files[host, file["remote"]].append(got)
        if got is None or packed.get(file["path"]) != got:
            wrong.append(f"{host}: {file['path']} differs between run folder and archive")
    return accounts, files, wrong


def keep(folder):
    """Copies the folder of a run that failed a check, which would be removed at the end. Returns where it is."""
    kept = tempfile.mkdtemp(prefix="soak-kept-")
    shutil.copytree(folder, f"{kept}/{folder.name}", symlinks=True, ignore=lambda *_: {"killed", "resumed", "run"})
    return f"kept: {kept}/{folder.name}"
