"""chart: a bar chart of medians, with whiskers from the smallest to the largest value, as one self-contained SVG.

Readable on light and dark pages: it has a background of its own, and follows the reader's colour scheme. Limits:
the axis is linear, so a very short bar beside a very long one can be read only by its label.
"""

import statistics
from html import escape

WIDTH, LEFT, RIGHT = 760, 130, 90
TOP, ROW, BAR, FOOT = 48, 30, 16, 30

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 14px }
.faint { fill: #59636e; font-size: 11px }
.ground { fill: #ffffff } .ours { fill: #1a7f4b } .theirs { fill: #9aa4af }
.grid { stroke: #d9dee3 } .whisker { stroke: #1f2328; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .faint { fill: #9198a1 }
.ground { fill: #0d1117 } .ours { fill: #3fb97a } .theirs { fill: #57606a }
.grid { stroke: #2b3138 } .whisker { stroke: #e6edf3 }
}
"""


def bars(title, figures):
    """Returns the chart of `figures` (name -> rounds); bars whose names begin with recolte are coloured."""
    times = {name: [one["wall"] for one in runs] for name, runs in figures.items()}
    step = tick(max(map(max, times.values())))
    scale = (WIDTH - LEFT - RIGHT) / max(map(max, times.values()))
    height = TOP + ROW * len(times) + FOOT
    parts = [f'<rect class="ground" width="{WIDTH}" height="{height}" rx="6"/>']
    parts.append(f'<text class="title" x="16" y="26">{escape(title)}</text>')
    parts += grid(step, scale, height)
    for number, (name, walls) in enumerate(times.items()):
        parts += bar(name, walls, scale, TOP + ROW * number)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n"
    )


def tick(longest):
    """Returns a round distance that divides the axis into two to five parts."""
    size = 0.001
    while True:
        for step in (size, 2 * size, 5 * size):
            if longest / step <= 5:
                return step
        size *= 10


def grid(step, scale, height):
    bottom = height - FOOT
    number = 0
    while (x := LEFT + number * step * scale) <= WIDTH - RIGHT:
        yield f'<line class="grid" x1="{x:.1f}" y1="{TOP - 8}" x2="{x:.1f}" y2="{bottom}"/>'
        yield f'<text class="faint" x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{number * step:g} s</text>'
        number += 1


def bar(name, walls, scale, y):
    middle = statistics.median(walls)
    least, most = LEFT + min(walls) * scale, LEFT + max(walls) * scale
    kind = "ours" if name.startswith("recolte") else "theirs"
    line, base = y + BAR / 2, y + BAR - 3
    yield f'<text x="{LEFT - 10}" y="{base}" text-anchor="end">{escape(name)}</text>'
    yield f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{middle * scale:.1f}" height="{BAR}" rx="2"/>'
    yield f'<path class="whisker" fill="none" d="M{least:.1f} {line - 4}v8m0 -4H{most:.1f}m0 -4v8"/>'
    yield f'<text x="{most + 8:.1f}" y="{base}">{middle:.2f} s</text>'
