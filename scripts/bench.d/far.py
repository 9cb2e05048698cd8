"""far: the scenario of one distant host: what the job costs beyond the connection that it needs anyway.

The competitors are those of the scenario fleet, except that `bare` is `ssh HOST true` without xargs.
Limits: the network delays bytes and loses none (docs/lab.md); a real one is slower at the start of a connection.
"""

import competitors
import fleet
from account import link
from setting import Bench

USUAL = {"hosts": 1, "parallel": 8, "latency": 100}
NAMES = ["recolte", "recolte-live", "recolte-keep", "tuned", "old", "bare"]


def sit(options):
    """Measures, and returns the results."""
    # The lab may have more hosts.
    bench = Bench(options).first(1)
    chosen = competitors.choose(bench)
    if "bare" in chosen:
        chosen["bare"] = competitors.Competitor(direct, brings=False)
    return fleet.compare(bench, chosen, f"far-{options.latency:g}ms", f"The whole job on one host{link(options)}")


def direct(bench, _out):
    return ["ssh", "-F", bench.config, "-o", "BatchMode=yes", bench.hosts[0], "true"]
