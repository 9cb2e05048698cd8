"""summary: the table of goals and results at the top of a folder's README.md, from the JSON files in the folder.

Each row uses the latest measurement of one name. Its reference is another competitor of that measurement, which
does less, or does the same by hand: it shows how much of the time is not recolte's own.
Limits: no row is marked as reached or missed. A measurement that is missing, or lacks a competitor, leaves cells
empty.
"""

import json
from typing import Callable, NamedTuple, Optional

from account import median, median_ratio, per_host_ratio, quote_in, table


class Goal(NamedTuple):
    what: str
    # The name of the JSON file.
    sitting: str
    # Computes the result from the figures.
    measured: Callable
    # The goal as text, with its unit.
    wanted: str
    # The name of the reference, and a function that computes its number from the figures.
    limit: Optional[tuple] = None


def ratio(sitting, name, other, wanted, limit=None, what=None, less=None):
    """Returns the goal for the ratio of the times of `name` and `other`; the reference uses the same `other`."""
    measured = lambda figures: median_ratio(figures, name, other, less)
    told = (limit, lambda figures: median_ratio(figures, limit, other)) if limit else None
    return Goal(f"{what or 'whole job'}: `{name}` / `{other}`", sitting, measured, wanted, told)


def own_cpu(hosts):
    figure = lambda figures: 1000 * median(figures["recolte"], "own_cpu") / hosts
    return Goal("own processor time per host", f"{hosts}-hosts", figure, "3 ms")


GOALS = [
    ratio("12-hosts", "recolte", "tuned", "1.00", limit="tuned-sftp"),
    ratio("200-hosts", "recolte", "tuned", "1.00", limit="tuned-sftp"),
    ratio("12-hosts", "recolte-live", "tuned", "0.35", limit="tuned-live"),
    ratio("200-hosts", "recolte-live", "tuned", "0.35", limit="tuned-live"),
    ratio("12-hosts", "recolte", "pssh", "0.40", limit="tuned"),
    ratio("200-hosts", "recolte", "pssh", "0.40", limit="tuned"),
    ratio("12-hosts", "recolte", "clush", "0.35", limit="tuned"),
    ratio("200-hosts", "recolte", "clush", "0.35", limit="tuned"),
    ratio("12-hosts", "recolte", "ansible", "0.10", limit="tuned"),
    own_cpu(12),
    own_cpu(200),
    Goal("time per host: 1000 hosts / 100 hosts", "scale-1000", lambda figures: per_host_ratio(figures, 1000, 100), "1.05"),
    Goal("peak memory", "scale-1000", lambda figures: median(figures["recolte 1000"], "peak_bytes") / 1e6, "40 MB"),
    ratio("far-100ms", "recolte", "bare", "1.7", limit="tuned"),
    ratio("big-1024MiB", "recolte collect", "sftp get -pf", "1.05", what="collecting", less="sftp of nothing"),
    ratio("big-1024MiB", "recolte collect", "sftp get -p", "1.05", what="collecting", less="sftp of nothing"),
    ratio("big-1024MiB-20ms", "recolte collect", "sftp get -pf", "1.00", what="collecting", less="sftp of nothing"),
    ratio("big-1024MiB-20ms", "recolte collect", "sftp get -p", "1.00", what="collecting", less="sftp of nothing"),
    ratio("big-5MiB-200-hosts", "recolte archive", "tar -czf", "0.10", what="archiving"),
]


def fill(folder):
    """Replaces the table in the folder's README.md."""
    heading = ["ratio or figure", "scenario", "measured", "reference", "goal"]
    quote_in(folder / "README.md", "summary", table([heading, *(row(folder, goal) for goal in GOALS)]))


def row(folder, goal):
    try:
        figures = json.loads((folder / f"{goal.sitting}.json").read_text())["figures"]
    except FileNotFoundError:
        figures = {}
    unit = goal.wanted.partition(" ")[2]
    limit = ""
    if goal.limit:
        name, number = goal.limit
        limit = cell(number, figures, f"`{name}`")
    return [goal.what, goal.sitting, cell(goal.measured, figures, unit), limit, goal.wanted]


def cell(number, figures, more):
    """Returns a number with its unit or name as text; empty where it was not measured."""
    try:
        return f"{number(figures):.2f} {more}".rstrip()
    except KeyError:
        return ""
