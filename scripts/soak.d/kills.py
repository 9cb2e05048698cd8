"""The crash test: kills runs with SIGKILL at random times and finishes each with `recolte resume`.

Three sources must agree: the hosts show what the scripts did, the journal what recolte knew, and report, run folder
and archive what was collected. Limits: a kill is not a power cut, since what was written before it is on disk.
"""

import collections
import json
import os
import pathlib
import random
import statistics
import subprocess
import time

from place import below, content, keep, left_here, report_of, within

# The longest time, in seconds, that the ssh masters of a killed recolte may live; they end after a minute.
AFTER_KILL = 75.0
# The longest time, in seconds, for leftovers of a resume to end.
TIDYING = 30.0
# The longest time, in seconds, for the scripts of a killed run to end.
ENDING = 60.0
# The longest time, in seconds, that a command may take.
PATIENCE = 120.0
# How many hosts are visited at a time: few, so that a kill finds hosts in different steps.
PARALLEL = 3

# $1 is different in each run, so that their files differ. The first file appears complete, the second grows.
SCRIPT = """#!/bin/sh
echo "$1" >>/tmp/count
name=$(hostname)
{ echo "$name $1"; seq 1000; } >/tmp/writing && mv /tmp/writing /tmp/fichier_first_log.txt
sleep 0.1
{ echo "$name $1"; seq 20000; } >/tmp/fichier_second_log.txt
"""
LINES = {"/tmp/fichier_first_log.txt": 1000, "/tmp/fichier_second_log.txt": 20000}
HEAD = "     killed at  when                executing  ended  resumes  scripts that ran"
ROW = "{:3}  {:7.2f} s  {:18}  {:9}  {:5}  {:7}  {:16}"
# The entries that a run's folder may have.
OWN = {"JGE", "JGE.tar.gz", "hosts", "journal.jsonl", "report.html", "report.json", "report.txt", "script"}


class Journal:
    """The content of a journal: whether the run began, which scripts were to be run, and how hosts ended."""

    def __init__(self, folder):
        found = list((folder / "runs").glob("*-JGE/journal.jsonl"))
        text = found[0].read_text() if found else ""
        lines = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
        self.began = any(line["event"] == "started" for line in lines)
        self.asked = collections.Counter(line["host"] for line in lines if line["event"] == "executing")
        self.ended = {line["host"]: line for line in lines if line["event"] == "ended"}
        self.delivered = bool(found) and (found[0].parent / "JGE.tar.gz").exists()

    def succeeded(self):
        return {host for host, ended in self.ended.items() if ended["outcome"] == "succeeded"}

    def phase(self, hosts):
        if not self.began:
            return "before the journal"
        if not self.asked:
            return "before the scripts"
        if len(self.ended) < len(hosts):
            return "during the scripts"
        return "delivered" if self.delivered else "before the archive"


class Moment:
    """One run that is killed and resumed."""

    def __init__(self, lab, number, idle):
        self.lab, self.idle, self.token = lab, idle, f"moment{number}"
        self.folder = lab.work / self.token
        self.job = lab.job(self.folder, SCRIPT, self.token, f"parallel = {PARALLEL}")
        self.wrong, self.late, self.lost, self.twice = [], [], 0, 0
        lab.clear()

    def start(self):
        return self.lab.recolte(self.folder, "run", self.job, "--no-mail", "--quiet", sockets="killed")

    def kill(self, delay):
        """Kills a run after `delay` seconds. Returns False if it had ended before."""
        run = self.start()
        try:
            run.wait(timeout=delay)
            return False
        except subprocess.TimeoutExpired:
            run.kill()
            return run.wait() < 0

    def resume(self):
        resume = self.lab.recolte(self.folder, "resume", "--output", self.folder / "runs", "--quiet", sockets="resumed")
        try:
            return resume.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            resume.kill()
            resume.wait()
            return f"none after {PATIENCE:g} s"

    def expect(self, holds, what):
        if not holds:
            self.wrong.append(f"{self.token}: {what}")

    def check(self):
        """Resumes the run and checks the result. Returns the journal before it, and the number of resumes."""
        before = Journal(self.folder)
        kept = self.brought_before(before)
        status, resumes = self.resume(), 1
        if not before.began:
            self.expect(status == 2, f"nothing to resume: exit {status}, not 2")
            self.expect(not any(map(self.count, self.lab.hosts)), "a script ran, and no journal says so")
            return before, resumes
        self.expect(within(ENDING, lambda: not self.scripts()), f"still running: {self.scripts()}")
        # A script may write a file after resume has listed them: the next resume collects it.
        while (late := self.missing(report_of(self.folder)[1])) and resumes < 3:
            self.late = late
            status, resumes = self.resume(), resumes + 1
        self.compare(before, status, kept)
        self.tidy()
        return before, resumes

    def brought_before(self, journal):
        """Returns the files of the hosts that had succeeded: path -> bytes. They must be complete."""
        files = {}
        for host in journal.succeeded():
            got = {f["remote"]: self.run() / f["path"] for f in journal.ended[host]["files"]}
            for there, lines in LINES.items():
                whole = there in got and bytes_of(got[there]) == content(host, self.token, lines)
                self.lost += not whole
                self.expect(whole, f"{host}: succeeded, and {there} is not complete on the gateway")
            files |= {path: bytes_of(path) for path in got.values()}
        return files

    def run(self):
        return next((self.folder / "runs").glob("*-JGE"))

    def count(self, host):
        file = self.lab.roots[host] / "tmp/count"
        return file.read_text().splitlines().count(self.token) if file.exists() else 0

    def there(self, host):
        """Returns the files that the script wrote on a host: path -> bytes."""
        return {path: file.read_bytes() for path in LINES if (file := self.lab.roots[host] / path[1:]).exists()}

    def scripts(self):
        """Returns the processes on the hosts, except the sshd of connections that outlive a kill."""
        running = self.lab.processes().items()
        return [line for pid, line in running if pid not in self.idle and not line.startswith("sshd")]

    def missing(self, home):
        """Returns the files on the hosts of which no identical copy was collected."""
        return [
            f"{host}:{path}"
            for host in self.lab.hosts
            for path, written in self.there(host).items()
            if written not in home.get((host, path), [])
        ]

    def compare(self, before, status, kept):
        after, (reports, home, wrong) = Journal(self.folder), report_of(self.folder)
        self.wrong += [f"{self.token}: {what}" for what in wrong]
        missing = self.missing(home)
        self.lost += len(missing) + len(wrong)
        self.expect(not missing, f"on the hosts and not on the gateway: {missing}")
        for path, before_resume in kept.items():
            same = bytes_of(path) == before_resume
            self.lost += not same
            self.expect(same, f"{path}: changed since its host had succeeded")
        for host in self.lab.hosts:
            self.compare_host(host, before, after, reports.get(host, {}))
        good = all(report["outcome"] == "succeeded" for report in reports.values())
        self.expect(status == (0 if good else 1), f"exit {status} of resume")
        known = {path for report in reports.values() for path in (f["path"] for f in report["files"])}
        found = {str(file.relative_to(self.run())) for file in (self.run() / "JGE").rglob("*") if file.is_file()}
        self.expect(found == known, f"only in the run folder or only in the report: {found ^ known}")

    def compare_host(self, host, before, after, report):
        count, asked = self.count(host), after.asked[host]
        self.twice += count > 1
        self.expect(asked <= 1 and count <= asked, f"{host}: ran {count} times, {asked} by the journal")
        ends = [report.get(key) for key in ("outcome", "step", "cause")]
        if before.asked[host] and host not in before.succeeded():
            wanted = ["cancelled", "execute", "interrupted"]
            self.expect("--execute-again" in (report.get("hint") or ""), f"{host}: no hint at --execute-again")
        else:
            wanted = ["succeeded", None, None]
            whole = {path: content(host, self.token, lines) for path, lines in LINES.items()}
            once = count == 1 and self.there(host) == whole
            self.expect(once, f"{host}: succeeded, and its script ran {count} times")
        self.expect(ends == wanted, f"{host}: ended {ends}, not {wanted}: {report.get('message')}")

    def tidy(self):
        """Checks that a resume leaves nothing on the hosts, in the run folder, and of its own on the gateway."""
        sockets = self.folder / "resumed"

        def left():
            own = [line for line in below(os.getpid()).values() if str(sockets) in line]
            return own + os.listdir(sockets)

        self.expect(within(TIDYING, lambda: not left()), f"left by resume: {left()}")
        for what in self.lab.staged():
            self.expect(False, what)
        passing = set(os.listdir(self.run())) - OWN
        self.expect(not passing, f"left in the run folder: {passing}")


def bytes_of(file):
    return file.read_bytes() if file.is_file() else None


def undisturbed(lab, idle):
    """Returns the time of a run that is not killed, in seconds: the median of three."""
    times = []
    for number in range(3):
        moment = Moment(lab, -number, idle)
        began = time.monotonic()
        run = moment.start()
        status = run.wait(timeout=PATIENCE)
        times.append(time.monotonic() - began)
        if status != 0:
            return None
    return statistics.median(times)


def one_moment(lab, number, idle, delays):
    """Returns how many runs ended before their kill, the run, its delay, its journal, and the number of resumes."""
    early = 0
    while True:
        moment, delay = Moment(lab, f"{number}-{early}", idle), next(delays)
        if moment.kill(delay):
            return early, moment, delay, *moment.check()
        early += 1


def left_by_kills(work):
    """Returns the leftovers that the next run in the same folders removes."""
    places = {"folders of sockets": "killed/*", "sockets in them": "killed/*/[0-9]*", "links": "runs/.JGE.latest"}
    return ", ".join(f"{len(list(work.glob(f'moment*/{where}')))} {what}" for what, where in places.items())


def soak(lab):
    idle, seed = lab.processes(), lab.options.seed
    duration = undisturbed(lab, idle)
    if duration is None:
        return ["a run that was not killed did not succeed"], "nothing was killed"
    print(f"seed {seed}; {len(lab.hosts)} hosts, {PARALLEL} at a time; an undisturbed run takes {duration:.2f} s\n")
    print(HEAD)
    chance = random.Random(seed)
    delays = iter(lambda: chance.uniform(0, duration), None)
    phases, sums, wrong = collections.Counter(), collections.Counter(), []
    for number in range(1, lab.options.moments + 1):
        early, moment, delay, journal, resumes = one_moment(lab, number, idle, delays)
        phase = journal.phase(lab.hosts)
        tell(number, delay, phase, journal, resumes, moment)
        phases[phase] += 1
        sums.update(lost=moment.lost, twice=moment.twice, again=resumes > 1, early=early)
        wrong += moment.wrong + ([keep(moment.folder)] if moment.wrong else [])
    within(AFTER_KILL, lambda: not left_here() + lab.left(idle))
    wrong += left_here() + lab.left(idle)
    print(f"\n{sums['early']} runs ended before their kill and are not counted")
    print(f"{sums['again']} runs needed a second resume: a script still wrote during the first")
    print(f"left on the gateway by the kills: {left_by_kills(lab.work)}")
    return wrong, verdict(lab, phases, sums)


def tell(number, delay, phase, journal, resumes, moment):
    ran = sum(map(moment.count, moment.lab.hosts))
    more = "".join(f"  late: {file}" for file in moment.late) + ("  WRONG" if moment.wrong else "")
    asked = sum(journal.asked.values())
    print(ROW.format(number, delay, phase, asked, len(journal.ended), resumes, ran) + more, flush=True)


def verdict(lab, phases, sums):
    found = ", ".join(f"{count} {phase}" for phase, count in phases.items())
    return (f"{lab.options.moments} killed runs ({found}); files lost {sums['lost']}, scripts run twice {sums['twice']}; "
            f"seed {lab.options.seed}, load {os.getloadavg()[0]:.1f}")
