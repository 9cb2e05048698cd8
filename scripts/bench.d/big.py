"""big: the scenario of big files: how fast they come home, and how soon after that the archive is ready.

The supplied script writes one file of the wanted size on each host. In every round recolte does the job; then `sftp`
gets the same files, once as one would (`-p`) and once until they are on disk (`-pf`), as recolte leaves them; and
`tar -czf` packs what recolte collected. Every copy is compared with the host's file by SHA-256. recolte's times are its own account: `collect` from the step's time in report.json, `archive` from the last
`ended` in journal.jsonl to the archive's last change.
Limits: sftp's time has its connection in it, recolte's collect has not (some 0.1 s). With more hosts than `--parallel`,
recolte's collect also spans the work of hosts that began later.
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
from account import Sitting, median_ratio, spread
from setting import GLOB, Bench, quote

# Numbers, as text: it can be compressed, as logs can.
SUPPLIED = """#!/bin/sh
name=$(hostname)
{ echo "$name"; seq 1 999999999; } | head -c %d >"/tmp/fichier_${name}_log.txt"
"""
MIB = 1024 * 1024
# What of recolte each rival is compared with.
AGAINST = {"sftp get -p": "recolte collect", "sftp get -pf": "recolte collect", "tar -czf": "recolte archive"}


def sit(options):
    """Measures, and returns what to tell."""
    figures = measure.rounds(Bench(options, SUPPLIED % (options.size * MIB)), one_round)
    many = f"-{options.hosts}-hosts" if options.hosts > 1 else ""
    late = f"-{options.latency:g}ms" if options.latency else ""
    link = f", round trips of {options.latency:g} ms" if options.latency else ""
    return Sitting(
        name=f"big-{options.size}MiB{many}{late}",
        title=f"A file of {options.size} MiB from {options.hosts} host{'s' if many else ''}{link}",
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
    yield "recolte collect", {"wall": collecting(run)}
    for flags in ("-p", "-pf"):
        yield f"sftp get {flags}", {"wall": measure.timed("sftp", sftp(bench, out, flags), out)}
        check("sftp", {path.parent.name: digest_of(path) for path in out.glob("sftp/*/fichier_*")}, wanted)
        shutil.rmtree(out / "sftp")
        # Nobody pays for what another left to be written.
        os.sync()
    yield "recolte archive", {"wall": archiving(run), "bytes": (run / "JGE.tar.gz").stat().st_size}
    took = measure.timed("tar", ["tar", "-czf", out / "tar.gz", "-C", run, "JGE"], out)
    yield "tar -czf", {"wall": took, "bytes": (out / "tar.gz").stat().st_size}
    measure.await_orphans("recolte")
    shutil.rmtree(out)


def sftp(bench, out, flags):
    get = f"echo get {flags} {quote(GLOB)} {out}/sftp/$1/ | sftp -q -b - -F {bench.config} $1"
    return ["sh", "-c", bench.each(f"mkdir -p {out}/sftp/$1; {get}")]


def collecting(run):
    """From the first host's step `collect` to the end of the last, by recolte's report."""
    spans = []
    for host in json.loads((run / "report.json").read_text())["hosts"]:
        took = next(step["ms"] for step in host["steps"] if step["step"] == "collect") / 1000
        spans.append((when(host["ended"]) - took, when(host["ended"])))
    return max(end for _, end in spans) - min(begin for begin, _ in spans)


def archiving(run):
    """From the end of the last host, by recolte's journal, to the last change of the archive."""
    lines = map(json.loads, (run / "journal.jsonl").read_text().splitlines())
    last = max(when(line["ended"]) for line in lines if line["event"] == "ended")
    return (run / "JGE.tar.gz").stat().st_mtime - last


def when(text):
    return datetime.datetime.fromisoformat(text).timestamp()


def in_archive(path):
    """The digest of each host's file in an archive."""
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
    """The table: a heading, then a row a way."""
    table = [["", "wall s", "min", "max", "MiB/s", "packed MiB", "recolte / this"]]
    for name, runs in figures.items():
        middle, *ends = spread(runs, "wall")
        speed = f"{options.size * options.hosts / float(middle):.0f}" if float(middle) else ""
        packed = f"{runs[0]['bytes'] / MIB:.0f}" if "bytes" in runs[0] else ""
        other = AGAINST.get(name)
        table.append([name, middle, *ends, speed, packed, f"{median_ratio(figures, other, name):.2f}" if other else ""])
    return table
