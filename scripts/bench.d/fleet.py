"""fleet: the scenario of many hosts and small files: every competitor does the whole job.

Every round runs each competitor once, one after the other, in an order that changes from round to round. A ratio is
the median of the rounds' ratios: a disturbance that lasts longer than a round affects both sides.
Limits: ansible and the old script take minutes on hundreds of hosts; leave them out there by --only.
"""

import competitors
import measure
from account import Sitting, link, median, median_ratio, spread
from setting import Bench

USUAL = {"hosts": 12, "parallel": 8, "latency": 0}
NAMES = list(competitors.COMPETITORS)
# The competitors with which all are compared, where these take part.
AGAINST = ("recolte", "tuned", "old", "bare")


def sit(options):
    """Measures, and returns the results."""
    bench = Bench(options)
    return compare(
        bench,
        competitors.choose(bench),
        name=f"{options.hosts}-hosts" + (f"-{options.latency:g}ms" if options.latency else ""),
        title=f"The whole job on {options.hosts} hosts, {options.parallel} at a time{link(options)}",
    )


def compare(bench, chosen, name, title):
    """Measures every competitor on all hosts of `bench`."""

    order = list(chosen)

    def one_round(bench):
        for name in order:
            yield name, measure.run(bench, name, chosen[name])
        # No competitor is the first in every round.
        order.append(order.pop(0))

    measured = measure.rounds(bench, one_round)
    figures = {name: measured[name] for name in chosen}
    versions = competitors.versions(chosen, bench.options.recolte)
    return Sitting(name, title, figures, versions, rows(figures, len(bench.hosts)))


def rows(figures, hosts):
    """Returns the table: the headings, then one row per competitor."""
    others = [name for name in AGAINST if name in figures]
    ours = ["own cpu ms / host", "peak MB"]
    table = [["", "wall s", "min", "max", "cpu s", "hosts' cpu s", *ours, *(f"wall / {other}" for other in others)]]
    for name, runs in figures.items():
        row = [name, *spread(runs, "wall"), f"{median(runs, 'cpu'):.2f}", f"{median(runs, 'hosts_cpu'):.2f}"]
        row += own(runs, hosts)
        table.append(row + [f"{median_ratio(figures, name, other):.2f}" for other in others])
    return table


def own(runs, hosts):
    """Returns two cells: processor time and memory of recolte itself; empty for the others."""
    if "own_cpu" not in runs[0]:
        return ["", ""]
    return [f"{1000 * median(runs, 'own_cpu') / hosts:.2f}", f"{median(runs, 'peak_bytes') / 1e6:.1f}"]
