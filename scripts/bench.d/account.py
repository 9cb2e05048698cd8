"""account: the results of a measurement, for people (a table, a page, a chart) and for programs (JSON).

Limits: it measures no time and sets no thresholds; the machine's load is reported, not corrected for.
"""

import datetime
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
from typing import NamedTuple

import chart


class Sitting(NamedTuple):
    """All results of one scenario."""

    name: str
    title: str
    # name -> one dictionary per round: seconds, and bytes
    figures: dict
    versions: dict
    # The table: the headings, then one row per competitor.
    rows: list


def spread(runs, key):
    """Returns median, smallest and largest value, as text."""
    values = [one[key] for one in runs]
    return [f"{x:.2f}" for x in (statistics.median(values), min(values), max(values))]


def median(runs, key):
    return statistics.median(one[key] for one in runs)


def median_ratio(figures, name, other, less=None):
    """Returns the median of the rounds' ratios; the time of `less` is subtracted from that of `other`."""
    took_off = figures[less] if less else [{"wall": 0}] * len(figures[other])
    rounds = zip(figures[name], figures[other], took_off)
    return statistics.median(a["wall"] / (b["wall"] - c["wall"]) for a, b, c in rounds)


def per_host_ratio(figures, many, few):
    """Returns the ratio of recolte's time per host in two fleets of `many` and of `few` hosts."""
    return median_ratio(figures, f"recolte {many}", f"recolte {few}") * few / many


def link(options):
    """Returns the part of a title that names the delay of the network, if there is one."""
    return f", round trips of {options.latency:g} ms" if options.latency else ""


def tell(sitting, options, loads):
    """Prints the table on stdout, and writes the files that the options name."""
    facts = [
        f"{sitting.title}; medians of {options.runs} rounds",
        machine(),
        ", ".join(f"{name} {version}" for name, version in sitting.versions.items()),
        f"{datetime.date.today()}; load {loads[0]:.1f} before, {loads[1]:.1f} after",
    ]
    print("\n" + "\n".join(facts) + "\n\n" + plain(sitting.rows))
    exact = json.dumps(for_machines(sitting, options, loads), indent=1) + "\n"
    if options.json:
        pathlib.Path(options.json).write_text(exact)
    if options.write:
        folder = pathlib.Path(options.write)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{sitting.name}.json").write_text(exact)
        (folder / f"{sitting.name}.svg").write_text(chart.bars(facts[0], sitting.figures))
        page = f"# {sitting.title}\n\n{markdown(sitting, facts)}\n"
        (folder / f"{sitting.name}.md").write_text(page)
        quote_in(folder / "README.md", sitting.name, markdown(sitting, facts))


def plain(rows):
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))])
        for row in rows
    )


def markdown(sitting, facts):
    notes = "  \n".join(facts)
    return f"![{sitting.title}: a chart of the table]({sitting.name}.svg)\n\n{table(sitting.rows)}\n\n{notes}"


def table(rows):
    """Returns a Markdown table of the headings and the rows."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|---|" + "---:|" * (len(rows[0]) - 1))
    return "\n".join(lines)


def quote_in(page, mark, text):
    """Replaces the block of the page between the two comments that name `mark`."""
    if not page.exists():
        return
    begin, end = f"<!-- {mark} -->\n", f"<!-- end of {mark} -->"
    marked = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    page.write_text(marked.sub(lambda _: f"{begin}{text}\n{end}", page.read_text()))


def for_machines(sitting, options, loads):
    keys = ("scenario", "hosts", "against", "parallel", "runs", "latency", "size")
    return {
        "name": sitting.name,
        "date": str(datetime.date.today()),
        "machine": machine(),
        "load": loads,
        "versions": sitting.versions,
        "options": {key: getattr(options, key) for key in keys},
        "figures": sitting.figures,
    }


def machine():
    """Returns a description of the machine, in one line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = platform.freedesktop_os_release()["PRETTY_NAME"]
    ssh = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=True).stderr.strip()
    kernel = f"{platform.system()} {platform.release()} {platform.machine()}"
    return f"{os.cpu_count()} cores of {processor()}, {memory:.0f} GiB, {system}, {kernel}, {ssh}"


def processor():
    found = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()
