"""scale: the scenario of many hosts against few: whether a host costs the same in a large fleet as in a small one.

recolte does the whole job on all hosts of the lab and then on the first of them, in every round.
Limits: the other hosts of the lab live on, idle, while the few are visited; they cost memory, not processor time.
"""

import sys

import competitors
import measure
from account import Sitting, link, median, per_host_ratio, spread
from fleet import own
from setting import Bench

USUAL = {"hosts": 1000, "parallel": 32, "latency": 0}
NAMES = []


def sit(options):
    """Measures, and returns what to tell."""
    if not 0 < options.against < options.hosts:
        sys.exit("bench: --against wants some of the hosts, not all")
    figures = measure.rounds(Bench(options), one_round)
    both = f"{options.hosts} and on {options.against} hosts"
    return Sitting(
        name=f"scale-{options.hosts}",
        title=f"The whole job on {both}, {options.parallel} at a time{link(options)}",
        figures=figures,
        versions=competitors.versions([], options.recolte),
        rows=rows(options, figures),
    )


def one_round(bench):
    for number in (bench.options.hosts, bench.options.against):
        name = f"recolte {number}"
        yield name, measure.run(bench.first(number), name, competitors.COMPETITORS["recolte"])


def rows(options, figures):
    """The table: a heading, then a row a fleet."""
    table = [["hosts", "wall s", "min", "max", "wall ms / host", "own cpu ms / host", "peak MB", "time a host / few"]]
    few = options.against
    for number in (options.hosts, few):
        runs = figures[f"recolte {number}"]
        row = [str(number), *spread(runs, "wall"), f"{1000 * median(runs, 'wall') / number:.1f}", *own(runs, number)]
        table.append(row + [f"{per_host_ratio(figures, number, few):.3f}"])
    return table
