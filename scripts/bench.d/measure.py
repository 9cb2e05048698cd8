"""measure: runs one competitor once on reset hosts, checks its result, and measures wall time and processor time.

Wall time ends with the command. Processor time counts all that the command started, also what outlives it (ssh
masters), and separately that of all hosts. If the command is recolte, its own processor time, without that of the
programs that it starts, and its peak memory are measured too.
Limits: of masters that were started before the timed part, only the time spent within it is counted. Hosts and
gateway share this machine's processors. A memory peak within the last 20 ms of a command is missed.
"""

import ctypes
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

from competitors import end_masters
from setting import environment

LIBC = ctypes.CDLL(None)

# The longest time, in seconds, that processes left by a command may take to end.
PATIENCE = 10.0
# The interval between two looks at a command's memory, in seconds.
GLANCE = 0.02


def adopt_orphans():
    """Makes this process inherit the orphans of a competitor, so that their processor time is counted."""
    LIBC.prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def rounds(bench, one_round):
    """Returns all figures: name -> one dictionary per round. `one_round` yields a name and its dictionary."""
    bench.idle = len(tree(bench.init))
    figures = {}
    for number in range(bench.options.runs + 1):
        for name, result in one_round(bench):
            if number > 0:
                figures.setdefault(name, []).append(result)
        told = "warm-up" if number == 0 else f"round {number} of {bench.options.runs}"
        print(f"{told}: load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    return figures


def run(bench, name, competitor):
    """Runs a competitor once on reset hosts, checks the files that it collected, and returns its figures."""
    out = pathlib.Path(tempfile.mkdtemp(dir=bench.work))
    reset(bench)
    if competitor.before:
        competitor.before(bench, out)
    command = competitor.command(bench, out)
    here, there = cpu_here(), cpu_of_hosts(bench)
    figures = timed(name, command, out)
    end_masters(out)
    await_orphans(name)
    await_quiet(bench)
    if not competitor.ours:
        # The figures of a shell that only starts other programs would mean nothing.
        figures = {"wall": figures["wall"]}
    figures |= {"cpu": cpu_here() - here, "hosts_cpu": cpu_of_hosts(bench) - there}
    if competitor.brings and brought(out) != bench.expected():
        give_up(name, "did not collect exactly the expected files", out)
    shutil.rmtree(out)
    return figures


def timed(name, command, out):
    """Runs the command, which must succeed. Returns its times in seconds and its peak memory in bytes."""
    with open(out / "said", "wb") as said:
        began = time.monotonic()
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environment(out)
        )
        peak = Peak(child.pid)
        # WNOWAIT: the process has ended, but its PID and its counters stay valid until child.wait().
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        wall = time.monotonic() - began
    peak.join()
    figures = {"wall": wall, "own_cpu": own_cpu(child.pid), "peak_bytes": peak.bytes}
    if child.wait() != 0:
        give_up(name, f"failed with status {child.returncode}", out)
    return figures


class Peak(threading.Thread):
    """The peak memory of a process, sampled while it lives.

    After its end only wait4() gives a peak, and that is the largest of the process and all its children."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.status = pathlib.Path(f"/proc/{pid}/status")
        self.bytes = 0
        self.start()

    def run(self):
        # A process that has ended has no such line.
        while found := re.search(rb"^VmHWM:\s*(\d+) kB", self.status.read_bytes(), re.MULTILINE):
            self.bytes = int(found[1]) * 1024
            time.sleep(GLANCE)


def own_cpu(pid):
    """Returns the processor time of a process without its children, finer than /proc/PID/stat has it."""
    clock = ctypes.c_int()
    if error := LIBC.clock_getcpuclockid(pid, ctypes.byref(clock)):
        raise OSError(error, os.strerror(error))
    return time.clock_gettime(clock.value)


def give_up(name, why, out):
    end_masters(out)
    said = (out / "said").read_text(errors="replace")
    sys.exit(f"bench: {name} {why}; its output:\n{said[-4000:]}")


def brought(out):
    """Returns the files in the archive, by host."""
    files = {}
    for archive in out.rglob("JGE.tar.gz"):
        with tarfile.open(archive) as tar:
            for entry in tar:
                name = os.path.basename(entry.name)
                if entry.isreg() and name.startswith("fichier_"):
                    files[name.split("_")[1]] = tar.extractfile(entry).read()
    return files


def reset(bench):
    """Empties the folders that the job uses on the hosts."""
    for host in bench.hosts:
        root = bench.root(host)
        if not (root / ".lab").exists():
            sys.exit(f"bench: {host} has ended, and {root} may belong to another process: nothing is removed there")
        for file in [*root.glob("tmp/*"), *root.glob("home/User_VIP/script/*")]:
            if file.is_dir() and not file.is_symlink():
                shutil.rmtree(file)
            else:
                file.unlink()


def await_orphans(name):
    """Waits for the processes that the command left running; this process has inherited them."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.01)
        except ChildProcessError:
            return
    sys.exit(f"bench: {name} left processes behind that do not end")


def await_quiet(bench):
    """Waits until every host runs only its init, the sleep of its init, and its sshd."""
    deadline = time.monotonic() + PATIENCE
    while len(tree(bench.init)) > bench.idle and time.monotonic() < deadline:
        time.sleep(0.01)


def cpu_here():
    """Returns the processor time of this process's children, ended or living."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    living = sum(spent for pid, spent in tree(os.getpid()).items() if pid != os.getpid())
    return ended.ru_utime + ended.ru_stime + living


def cpu_of_hosts(bench):
    return sum(tree(bench.init).values())


def tree(top):
    """Returns the processor time of `top` and of each living descendant, with that of the children it waited for."""
    parents, spent = {}, {}
    for folder in os.listdir("/proc"):
        if folder.isdigit():
            try:
                with open(f"/proc/{folder}/stat", encoding="ascii", errors="replace") as file:
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(folder)] = int(fields[1])
            spent[int(folder)] = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    inside = {top}
    # A child may have a smaller PID than its parent: repeat until nothing new is found.
    while more := {pid for pid, parent in parents.items() if parent in inside} - inside:
        inside |= more
    return {pid: spent.get(pid, 0.0) for pid in inside}
