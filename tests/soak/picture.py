"""A run as a picture: lines over time in panels, as SVG, which is text enough to be written by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from math import ceil, floor, log10

from attrs import frozen

WIDTH, LEFT, RIGHT, HEIGHT, GAP, TOP = 960, 70, 210, 150, 62, 72
STYLE = """
text{font:13px system-ui,sans-serif;fill:#222}.title{font-weight:600}.head{font-size:17px;font-weight:600}
.axis{fill:#555;font-size:12px}.grid{stroke:#ddd;stroke-width:1}.frame{stroke:#888;stroke-width:1}
.line{fill:none;stroke-width:1.6;stroke-linejoin:round}
"""

Points = Sequence[tuple[float, float]]


@frozen
class Line:
    """A series; without `joined` its points are dots, `faint` is for what is there to be compared with."""

    label: str
    points: Points
    color: str
    joined: bool = True
    faint: bool = False


@frozen
class Panel:
    """Lines that share their axes, which begin at zero."""

    title: str
    lines: Sequence[Line]


def draw(title: str, panels: Sequence[Panel], seconds: float) -> str:
    """The whole picture; time runs from 0 to `seconds`, in minutes when there are some."""
    height = TOP + len(panels) * (HEIGHT + GAP) + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text class="head" x="{LEFT}" y="28">{escape(title)}</text>',
    ]
    for number, panel in enumerate(panels):
        parts += _panel(panel, TOP + number * (HEIGHT + GAP), seconds)
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: Panel, top: float, seconds: float) -> Iterator[str]:
    unit, scale = ("minutes", 60.0) if seconds >= 180 else ("seconds", 1.0)
    most = max((value for line in panel.lines for _, value in line.points), default=1.0)
    highs = ticks(most)
    high = highs[-1]
    bottom, right = top + HEIGHT, WIDTH - RIGHT

    def x(at: float) -> float:
        return LEFT + (right - LEFT) * min(1.0, at / seconds)

    def y(value: float) -> float:
        return bottom - HEIGHT * value / high

    yield f'<text class="title" x="{LEFT}" y="{top - 8}">{escape(panel.title)}</text>'
    for value in highs:
        yield f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>'
        yield f'<text class="axis" x="{LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{value:g}</text>'
    times = [at for at in ticks(seconds / scale) if at * scale <= seconds]
    for at in times:
        name = f"{at:g} {unit}" if at == times[-1] else f"{at:g}"
        yield f'<line class="frame" x1="{x(at * scale):.1f}" x2="{x(at * scale):.1f}" y1="{bottom}" y2="{bottom + 5}"/>'
        yield f'<text class="axis" x="{x(at * scale):.1f}" y="{bottom + 19}" text-anchor="middle">{name}</text>'
    yield f'<path class="frame" fill="none" d="M{LEFT} {top}V{bottom}H{right}"/>'
    for number, line in enumerate(panel.lines):
        opacity = 0.45 if line.faint else 1
        if line.joined:
            path = "L".join(f"{x(at):.1f} {y(value):.1f}" for at, value in line.points)
            if path:
                yield f'<path class="line" stroke="{line.color}" opacity="{opacity}" d="M{path}"/>'
        else:
            for at, value in line.points:
                yield f'<circle cx="{x(at):.1f}" cy="{y(value):.1f}" r="2.6" fill="{line.color}" opacity="{opacity}"/>'
        middle = top + 8 + 21 * number
        yield f'<rect x="{right + 14}" y="{middle - 6}" width="16" height="5" fill="{line.color}" opacity="{opacity}"/>'
        yield f'<text x="{right + 37}" y="{middle + 1}">{escape(line.label)}</text>'


def ticks(most: float) -> list[float]:
    """Round numbers from 0 to at least this, four to seven of them."""
    if most <= 0:
        return [0.0, 1.0]
    step = 10.0 ** floor(log10(most / 4))
    for factor in (1, 2, 5, 10):
        if most / (step * factor) <= 6:
            step *= factor
            break
    return [step * number for number in range(ceil(most / step - 1e-9) + 1)]
