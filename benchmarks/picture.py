"""The profile as a picture: a bar for each process and kind of work, a colour for each layer."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Sequence

if TYPE_CHECKING:
    from benchmarks.profile import Share

_COLOURS = ("#5b6776", "#aab4c0", "#c2554f", "#d99a2b", "#57a56b", "#8cc29a", "#3f7fb5", "#8f6fb0", "#d8d3c8")
_LEFT, _BAR, _STEP, _WIDTH = 250, 22, 30, 620


def draw(layers: Sequence[str], shares: Sequence[Share]) -> str:
    """An SVG document."""
    height = 60 + _STEP * len(shares) + 24 * ((len(layers) + 2) // 3)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + 80} {height}"'
        ' font-family="system-ui,sans-serif" font-size="13">',
        f'<rect width="100%" height="{height}" fill="#fff"/>',
        '<text x="12" y="24" font-weight="600">µs of CPU, by layer (each bar to its own scale)</text>',
    ]
    for row, share in enumerate(shares):
        top = 40 + row * _STEP
        total = sum(share.layers.values()) or 1.0
        label = f"{share.work.key}, {share.role}: a {share.work.unit}"
        out.append(f'<text x="12" y="{top + 16}">{escape(label)}</text>')
        left = float(_LEFT)
        for name, colour in zip(layers, _COLOURS):
            width = share.layers[name] / total * _WIDTH
            text = f"{name}: {share.layers[name]:.1f} µs"
            bar = f'x="{left:.1f}" y="{top}" width="{width:.1f}" height="{_BAR}" fill="{colour}"'
            out.append(f"<rect {bar}><title>{escape(text)}</title></rect>")
            if width > 34:
                out.append(f'<text x="{left + 5:.1f}" y="{top + 16}" fill="#fff">{share.layers[name]:.1f}</text>')
            left += width
        out.append(f'<text x="{_LEFT + _WIDTH + 8}" y="{top + 16}" font-weight="600">{total:.1f}</text>')
    for number, (name, colour) in enumerate(zip(layers, _COLOURS)):
        x, y = 12 + number % 3 * 290, 56 + _STEP * len(shares) + number // 3 * 24
        out.append(f'<rect x="{x}" y="{y}" width="14" height="14" fill="{colour}"/>')
        out.append(f'<text x="{x + 20}" y="{y + 12}">{escape(name)}</text>')
    return "\n".join([*out, "</svg>", ""])
