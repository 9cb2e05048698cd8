"""The endurance test: runs the same job again and again on hosts of which every fifth is faulty.

Each faulty host must end with the cause of its fault, and the others with complete files; nothing may be left on
gateway or hosts, and later runs may need no more memory and file descriptors than the first ones.
"""

import collections
import os
import pathlib
import statistics
import time

from place import PERIOD, below, content, keep, left_here, report_of, within

# The longest time, in seconds, for leftovers to end by themselves: less than the minute that a leaked master lives.
TIDYING = 30.0
# The longest time, in seconds, that a run may take.
PATIENCE = 600.0

# $1 is different in each run, so that the files of two runs differ.
SCRIPT = """#!/bin/sh
name=$(hostname) file=/tmp/fichier_$(hostname)_log.txt how=$(cat /etc/soak 2>/dev/null)
rm -f "$file"
[ "$how" != nothing ] || exit 0
{ echo "$name $1"; seq 1000; } >"$file"
case $how in
fails) exit 1 ;;
hangs) sleep 1000 & wait ;;
locked) chmod 000 "$file" ;;
huge) seq 1000000 >>"$file" ;;
esac
"""

HEAD = "run  exit  seconds   MiB  descriptors  processes  mounts  files on hosts  load"
ROW = "{:3}  {exit:4}  {seconds:7.1f}  {MiB:4.1f}  {descriptors:11}  {processes:9}  {mounts:6}  {files:14}  {:4.1f}"

Fault = collections.namedtuple("Fault", "name outcome step cause setup file", defaults=("", False))
GOOD = Fault("good", "succeeded", None, None, "", True)
# Faults without a setup script are made by spoil() once the lab runs.
FAULTS = [
    Fault("port closed", "unreachable", "connect", "refused", ": >/etc/ssh/sshd_not_to_be_run"),
    Fault("name unknown", "unreachable", "connect", "unresolved"),
    Fault("silent", "unreachable", "connect", "connect_timeout"),
    Fault("host key unknown", "unreachable", "connect", "host_key_unknown"),
    Fault("host key changed", "unreachable", "connect", "host_key_changed"),
    Fault("key refused", "unreachable", "connect", "auth_denied", ": >/home/User_VIP/.ssh/authorized_keys"),
    Fault("shell prints", "failed", "upload", "noisy_shell", "sed -i '1i echo Bonjour' /home/User_VIP/.bashrc"),
    Fault("/tmp read-only", "failed", "upload", "staging_denied", "mount -t tmpfs -o ro none /tmp"),
    Fault("/tmp full", "failed", "upload", "disk_full", 
          "mount -t tmpfs -o size=4k,mode=1777 none /tmp; seq 9999 >/tmp/x || :"),
    Fault("install folder locked", "failed", "install", "install_denied", "chown root /home/User_VIP/script"),
    Fault("script changed", "failed", "install", "tampered",
          "printf '#!/bin/sh\\n/bin/cp \"$@\"; for to; do :; done; echo >>\"$to\"\\n' >/usr/local/bin/cp; "
          "chmod 755 /usr/local/bin/cp"),
    Fault("sudo denied", "failed", "execute", "sudo_denied", "rm /etc/sudoers.d/vip"),
    Fault("user missing", "failed", "execute", "no_such_user", "sed -i /^User_DollarU/d /etc/passwd /etc/shadow"),
    Fault("script fails", "failed", "execute", "script_failed", "echo fails >/etc/soak", True),
    Fault("script hangs", "timed_out", "execute", "script_timeout", "echo hangs >/etc/soak", True),
    Fault("no file", "failed", "collect", "no_file", "echo nothing >/etc/soak"),
    Fault("file unreadable", "failed", "collect", "unreadable", "echo locked >/etc/soak"),
    Fault("file too large", "failed", "collect", "too_large", "echo huge >/etc/soak"),
]


def faults_of(hosts):
    """Returns the fault of each host: every fifth has the next one of FAULTS."""
    return {host: FAULTS[n // 5 % len(FAULTS)] if n % 5 == 4 else GOOD for n, host in enumerate(hosts)}


def prepare(setup, hosts):
    """Writes the setup scripts that make hosts faulty."""
    setup.mkdir(parents=True)
    for host, fault in faults_of(hosts).items():
        if fault.setup:
            (setup / f"{host}.sh").write_text(f"set -eu\n{fault.setup}\n")


def spoil(lab, faults):
    """Makes the faults that need a running host or concern files of the gateway."""
    by_kind = collections.defaultdict(list)
    for host, fault in faults.items():
        by_kind[fault.name].append(host)
    for host in by_kind["silent"]:
        lab.sh(host, "kill -STOP $(cat /run/sshd.pid)")
    config, known = lab.dir / "ssh_config", lab.dir / "known_hosts"
    unknown = "".join(f"Host {host}\n    HostName {host}.invalid\n" for host in by_kind["name unknown"])
    config.write_text(unknown + config.read_text())
    keys = dict(line.split(" ", 1) for line in known.read_text().splitlines())
    other = next(key for names, key in keys.items() if names.startswith("host1,"))
    for names in list(keys):
        host = names.split(",")[0]
        if host in by_kind["host key changed"]:
            keys[names] = other
        if host in by_kind["host key unknown"]:
            del keys[names]
    known.write_text("".join(f"{names} {key}\n" for names, key in keys.items()))


def watch(process):
    """Waits for the end of the process. Returns its peak memory in MiB and its highest number of open descriptors.

    Reads /proc, since the ru_maxrss of a child includes the memory that it shared with its parent before exec."""
    peak = descriptors = 0
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None:
        try:
            descriptors = max(descriptors, len(os.listdir(f"/proc/{process.pid}/fd")))
            status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
            peak = max([peak, *(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))])
        except OSError:
            pass
        if time.monotonic() > deadline:
            process.kill()
        time.sleep(PERIOD)
    return {"MiB": peak / 1024, "descriptors": descriptors}


def told(folder, faults, token):
    """Returns the differences between a run's report and what is expected, host by host."""
    reports, files, wrong = report_of(folder)
    if set(reports) != set(faults):
        wrong.append(f"the report names {len(reports)} hosts of {len(faults)}")
    for host, fault in faults.items():
        got = reports.get(host, {})
        ends = [got.get(key) for key in ("outcome", "step", "cause")]
        if ends != [fault.outcome, fault.step, fault.cause]:
            wrong.append(f"{host} ({fault.name}): ended {ends}: {got.get('message')}")
        brought = {there: all_of_it for (name, there), all_of_it in files.items() if name == host}
        wanted = {f"/tmp/fichier_{host}_log.txt": [content(host, token, 1000)]} if fault.file else {}
        if brought != wanted:
            wrong.append(f"{host} ({fault.name}): collected {list(brought)}, expected the complete {list(wanted)}")
    return wrong


def one_run(lab, number, faults, idle):
    """Makes one run. Returns its figures, and the checks that failed."""
    folder = lab.work / f"run{number}"
    job = lab.job(folder, SCRIPT, f"run{number}", "")
    began = time.monotonic()
    process = lab.recolte(folder, "run", job, "--no-mail", "--quiet")
    figures = watch(process)
    figures |= {"exit": process.returncode, "seconds": time.monotonic() - began}

    def left():
        passing = [f"gateway: {file}" for name in ("run", "tmp") for file in (folder / name).iterdir()]
        return left_here() + lab.left(idle) + passing + lab.staged()

    wrong = [] if within(TIDYING, lambda: not left()) else left()
    processes = len(lab.processes()) + len(below(os.getpid()))
    figures |= {"processes": processes, "mounts": lab.mounts(), "files": lab.inodes()}
    if process.returncode != 1:
        wrong.append(f"exit {process.returncode}, not 1")
    wrong += told(folder, faults, f"run{number}")
    return figures, wrong


def soak(lab):
    faults = faults_of(lab.hosts)
    spoil(lab, faults)
    idle, rows, wrong = lab.processes(), [], []
    counts = collections.Counter(fault.name for fault in faults.values())
    print(f"{len(faults)} hosts: " + ", ".join(f"{count} {name}" for name, count in counts.items()) + "\n")
    print(HEAD)
    for number in range(1, lab.options.runs + 1):
        row, faulty = one_run(lab, number, faults, idle)
        rows.append(row)
        print(ROW.format(number, os.getloadavg()[0], **row), flush=True)
        wrong += [f"run {number}: {what}" for what in faulty] + ([keep(lab.work / f"run{number}")] if faulty else [])
    wrong += not_flat(rows)
    return wrong, f"{len(rows)} runs on {len(faults)} hosts, {len(faults) - counts['good']} of them faulty"


def not_flat(rows):
    """Returns what later runs needed or left beyond the first ones."""
    wrong = []
    half = max(1, len(rows) // 2)
    for key in ("MiB", "descriptors"):
        first, last = (statistics.median(row[key] for row in some) for some in (rows[:half], rows[-half:]))
        if last > first * 1.1:
            wrong.append(f"{key}: {last:.1f} in the later runs, {first:.1f} in the first ones")
    wrong += [f"{key}: {rows[0][key]} after the first run, {rows[-1][key]} after the last"
              for key in ("processes", "mounts", "files") if rows[0][key] != rows[-1][key]]
    return wrong
