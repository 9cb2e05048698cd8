"""big: the scenario of big files: how fast they are collected, and how soon after that the archive is ready.

The supplied script writes one file of the given size on each host. In every round recolte does the job. With one
host, `sftp` then copies the same file, once in the usual way (`-p`) and once until it is on disk (`-pf`), as
recolte does. It also connects and copies nothing, since its time includes connecting, and that of recolte's step
`collect` does not. With any number of hosts, `tar -czf` packs what recolte collected. Every copy is compared with
the host's file by SHA-256. recolte's times come from its own files: `collect` is the time of the step in
report.json; `archive` is the time from the last `ended` in journal.jsonl until the archive, which is on disk by
then, gets its final name.
Limits: with several hosts only the archive is compared, since collecting overlaps with the work of other hosts.
"""

import datetime
import hashlib
import json
import os
import pathlib
import shutil
import sys
import tarfile
import tempfile

import competitors
import measure
from account import Sitting, link, median, median_ratio, spread
from setting import GLOB, Bench, quote

# Numbers, as text: it can be compressed, as logs can.
SUPPLIED = """#!/bin/sh
name=$(hostname)
{ echo "$name"; seq 1 999999999; } | head -c %d >"/tmp/fichier_${name}_log.txt"
"""
MIB = 1024 * 1024
USUAL = {"hosts": 1, "parallel": 8, "latency": 0}
NAMES = []
# The time of recolte that each competitor is compared with.
AGAINST = {"sftp get -p": "recolte collect", "sftp get -pf": "recolte collect", "tar -czf": "recolte archive"}
# The measurement that only connects, and the competitors whose times include connecting.
CONNECTING = "sftp of nothing"
CONNECTS = ("sftp get -p", "sftp get -pf")


def sit(options):
    """Measures, and returns the results."""
    figures = measure.rounds(Bench(options, SUPPLIED % (options.size * MIB)), one_round)
    many = f"-{options.hosts}-hosts" if options.hosts > 1 else ""
    late = f"-{options.latency:g}ms" if options.latency else ""
    return Sitting(
        name=f"big-{options.size}MiB{many}{late}",
        title=f"A file of {options.size} MiB from {options.hosts} host{'s' if many else ''}{link(options)}",
        figures=figures,
        versions=competitors.versions([], options.recolte),
        rows=rows(options, figures),
    )


def one_round(bench):
    out = pathlib.Path(tempfile.mkdtemp(dir=bench.work))
    measure.reset(bench)
    os.sync()
    measure.timed("recolte", competitors.recolte(bench, out), out)
    run = out / "runs" / "latest"
    wanted = {host: digest_of(next(bench.root(host).glob(GLOB[1:]))) for host in bench.hosts}
    check("recolte's archive", in_archive(run / "JGE.tar.gz"), wanted)
    if len(bench.hosts) == 1:
        yield from fetched(bench, out, run, wanted)
    yield from packed(out, run)
    measure.await_orphans("recolte")
    shutil.rmtree(out)


def fetched(bench, out, run, wanted):
    """Yields the times of collecting the file."""
    yield "recolte collect", {"wall": collecting(run)}
    yield CONNECTING, {"wall": seconds("sftp", sftp(bench, "quit"), out)}
    for flags in ("-p", "-pf"):
        folder = out / "sftp" / bench.hosts[0]
        folder.mkdir(parents=True)
        took = seconds("sftp", sftp(bench, f"get {flags} {GLOB} {folder}/"), out)
        yield f"sftp get {flags}", {"wall": took}
        check("sftp", {path.parent.name: digest_of(path) for path in folder.glob("fichier_*")}, wanted)
        shutil.rmtree(out / "sftp")
        # What one competitor left to be written must not slow the next one down.
        os.sync()


def packed(out, run):
    """Yields the times of packing the files, and the sizes of the archives."""
    yield "recolte archive", {"wall": archiving(run), "bytes": (run / "JGE.tar.gz").stat().st_size}
    took = seconds("tar", ["tar", "-czf", out / "tar.gz", "-C", run, "JGE"], out)
    yield "tar -czf", {"wall": took, "bytes": (out / "tar.gz").stat().st_size}


def seconds(name, command, out):
    return measure.timed(name, command, out)["wall"]


def sftp(bench, batch):
    return ["sh", "-c", f"echo {quote(batch)} | sftp -q -b - -F {bench.config} {bench.hosts[0]}"]


def collecting(run):
    """Returns the time of the step `collect` of the only host, from recolte's report."""
    (host,) = json.loads((run / "report.json").read_text())["hosts"]
    return next(step["ms"] for step in host["steps"] if step["step"] == "collect") / 1000


def archiving(run):
    """Returns the time from the last host's end, by the journal, until the archive was renamed (its ctime)."""
    lines = map(json.loads, (run / "journal.jsonl").read_text().splitlines())
    last = max(datetime.datetime.fromisoformat(line["ended"]) for line in lines if line["event"] == "ended")
    return (run / "JGE.tar.gz").stat().st_ctime - last.timestamp()


def in_archive(path):
    """Returns the digest of each host's file in an archive."""
    found = {}
    with tarfile.open(path) as tar:
        for entry in tar:
            parts = pathlib.PurePath(entry.name).parts
            if entry.isreg() and parts[-1].startswith("fichier_"):
                found[parts[-2]] = digest(tar.extractfile(entry))
    return found


def digest_of(path):
    with open(path, "rb") as file:
        return digest(file)


def digest(file):
    sha256 = hashlib.sha256()
    while block := file.read(MIB):
        sha256.update(block)
    return sha256.hexdigest()


def check(name, found, wanted):
    if found != wanted:
        sys.exit(f"bench: {name} differs from what is on the hosts")


def rows(options, figures):
    """Returns the table: the headings, then one row per competitor."""
    table = [["", "wall s", "min", "max", "MiB/s", "archive MiB", "recolte / other", "without connecting"]]
    for name, runs in figures.items():
        speed = "" if name == CONNECTING else f"{options.size * options.hosts / median(runs, 'wall'):.0f}"
        size = f"{runs[0]['bytes'] / MIB:.0f}" if "bytes" in runs[0] else ""
        ours = AGAINST.get(name)
        ratio = f"{median_ratio(figures, ours, name):.2f}" if ours else ""
        less = f"{median_ratio(figures, ours, name, less=CONNECTING):.2f}" if name in CONNECTS else ""
        table.append([name, *spread(runs, "wall"), speed, size, ratio, less])
    return table
