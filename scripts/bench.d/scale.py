"""scale: the scenario of a large fleet compared with a small one: whether a host costs the same in both.

In every round recolte does the whole job on all hosts of the lab, and then on the first few of them.
Limits: the other hosts of the lab stay idle while the few are visited; they cost memory, not processor time.
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
    """Measures, and returns the results."""
    if not 0 < options.against < options.hosts:
        sys.exit("bench: --against must be at least 1 and less than --hosts")
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
    """Returns the table: the headings, then one row per fleet."""
    per_host = ["wall ms / host", "own cpu ms / host", "peak MB", "time per host / small fleet"]
    table = [["hosts", "wall s", "min", "max", *per_host]]
    few = options.against
    for number in (options.hosts, few):
        runs = figures[f"recolte {number}"]
        row = [str(number), *spread(runs, "wall"), f"{1000 * median(runs, 'wall') / number:.1f}", *own(runs, number)]
        table.append(row + [f"{per_host_ratio(figures, number, few):.3f}"])
    return table
