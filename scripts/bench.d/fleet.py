"""fleet: the scenario of many hosts and small files: every competitor does the whole job, side by side.

Every round runs each competitor once, one after the other. A ratio is the median of the rounds' ratios: what disturbs
the machine for longer than a round disturbs both sides.
"""

import competitors
import measure
from account import Sitting, median_ratio, spread
from setting import Bench

# Whom the others are compared with, where these take part.
AGAINST = ("recolte", "tuned", "old", "bare")


def sit(options):
    """Measures, and returns what to tell."""
    chosen = competitors.choose(options)
    bench = Bench(options)

    def one_round(bench):
        for name, competitor in chosen.items():
            yield name, measure.run(bench, name, competitor)

    figures = measure.rounds(bench, one_round)
    link = f", round trips of {options.latency:g} ms" if options.latency else ""
    return Sitting(
        name=f"{options.hosts}-hosts" + (f"-{options.latency:g}ms" if options.latency else ""),
        title=f"The whole job on {options.hosts} hosts, {options.parallel} at a time{link}",
        figures=figures,
        versions=competitors.versions(chosen, options.recolte),
        rows=rows(figures),
    )


def rows(figures):
    """The table: a heading, then a row a competitor."""
    others = [name for name in AGAINST if name in figures]
    table = [["", "wall s", "min", "max", "cpu s", "hosts' cpu s", *(f"wall / {other}" for other in others)]]
    for name, runs in figures.items():
        row = [name, *spread(runs, "wall"), spread(runs, "cpu")[0], spread(runs, "hosts_cpu")[0]]
        table.append(row + [f"{median_ratio(figures, name, other):.2f}" for other in others])
    return table
