"""Small charts as SVG text: heat maps, dots with whiskers, histograms. Numbers in, text out; the same numbers, the same text.

Colours that stand for a value are written out, with ink that can be read on them; all others are classes (`PALETTE`), so that
a page can be light or dark. Nothing in a chart loads or runs anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

Colour = tuple[int, int, int]
BAD, MIDDLE, GOOD = (178, 74, 58), (232, 206, 150), (47, 125, 120)
"""The ends and the middle of what runs from bad to good."""
PALETTE = """
svg.chart { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif; }
svg.chart .ground { fill: #fff; } svg.chart text { fill: #4a5160; } svg.chart .strong { fill: #1f2430; } svg.chart .faint { fill: #6b7280; }
svg.chart .onlight { fill: #1f2430; } svg.chart .ondark { fill: #fff; }
svg.chart .line { stroke: #d9dce1; stroke-width: 1; } svg.chart .mark { fill: #2f7d78; } svg.chart .whisker { stroke: #2f7d78; stroke-width: 2; }
svg.chart .other { fill: #c07a52; } svg.chart .empty { fill: #8884; } svg.chart .half { stroke: #b24a3a; stroke-dasharray: 3 3; }
@media (prefers-color-scheme: dark) {
svg.chart .ground { fill: #14171c; } svg.chart text { fill: #b6bcc8; } svg.chart .strong { fill: #eef0f4; } svg.chart .faint { fill: #8f97a6; } svg.chart .line { stroke: #3a404c; }
svg.chart .mark { fill: #63b3ac; } svg.chart .whisker { stroke: #63b3ac; } svg.chart .other { fill: #d99b73; } svg.chart .half { stroke: #dd8a78; }
}
"""
_LETTER = 7.1
"""Pixels that a letter of 12 pixels takes, about."""


@dataclass(frozen=True)
class Cell:
    """One value of a heat map."""

    share: float
    """0 to 1: where it lies between the colours."""
    label: str
    told: str
    """What is said of it when it is pointed at."""
    faint: bool = False
    """Whether it rests on little."""


@dataclass(frozen=True)
class Dot:
    """A share with its interval."""

    name: str
    share: float
    low: float
    high: float
    note: str
    """What stands beside it: of how many."""


@dataclass(frozen=True)
class Bars:
    """One series of a histogram."""

    name: str
    counts: Sequence[int]


def heat(title: str, rows: Sequence[str], columns: Sequence[str], cells: Sequence[Sequence[Cell | None]]) -> str:
    """Rows x columns of cells; None where there is nothing."""
    left, wide, high = _room(rows), 48, 30
    top = min(190.0, 0.72 * max((len(_cut(c)) for c in columns), default=0) * _LETTER + 22)
    parts = []
    for i, name in enumerate(columns):
        x = left + wide * (i + 0.5)
        parts.append(
            f'<text x="{x:.0f}" y="{top - 8:.0f}" transform="rotate(-40 {x:.0f} {top - 8:.0f})">{_named(name)}</text>'
        )
    for j, (name, line) in enumerate(zip(rows, cells, strict=True)):
        y = top + high * j
        parts.append(f'<text x="{left - 10}" y="{y + 19:.0f}" text-anchor="end">{_named(name)}</text>')
        for i, cell in enumerate(line):
            x = left + wide * i + 1
            if cell is None:
                parts.append(f'<rect class="empty" x="{x + 18}" y="{y + 14:.0f}" width="10" height="2" rx="1"/>')
            else:
                parts.append(_square(cell, x, y, wide - 2, high - 2))
    return _svg(title, left + wide * len(columns) + 130, top + high * len(rows) + 4, parts)


def _square(cell: Cell, x: float, y: float, wide: float, high: float) -> str:
    colour = _between((BAD, MIDDLE, GOOD), cell.share)
    dark = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] < 140
    ink, weak = ("strong", ' opacity="0.4"') if cell.faint else ("ondark" if dark else "onlight", "")
    return (
        f'<rect x="{x}" y="{y:.0f}" width="{wide}" height="{high}" rx="4" fill="#{"".join(f"{c:02x}" for c in colour)}"{weak}>'
        f'<title>{_safe(cell.told)}</title></rect><text class="{ink}" x="{x + wide / 2}" y="{y + high / 2 + 4:.0f}" '
        f'text-anchor="middle">{_safe(cell.label)}<title>{_safe(cell.told)}</title></text>'
    )


def dots(title: str, rows: Sequence[Dot], *, half: bool = False) -> str:
    """Shares from 0 to 100 %, one a line, each with its interval. `half`: a line at 50 %, where nobody is preferred."""
    left, wide, high = _room([row.name for row in rows]), 360, 26
    bottom = high * len(rows) + 6
    parts = []
    for tick in (0, 25, 50, 75, 100):
        x = left + wide * tick / 100
        kind = "line half" if half and tick == 50 else "line"
        parts.append(f'<line class="{kind}" x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{bottom}"/>')
        parts.append(f'<text class="faint" x="{x:.1f}" y="{bottom + 15}" text-anchor="middle">{tick} %</text>')
    for j, row in enumerate(rows):
        y, a, b, x = high * j + 15, *(left + wide * share for share in (row.low, row.high, row.share))
        parts.append(f'<text x="{left - 10}" y="{y + 4}" text-anchor="end">{_named(row.name)}</text>')
        parts.append(f'<line class="whisker" x1="{a:.1f}" y1="{y}" x2="{b:.1f}" y2="{y}"/>')
        parts.append(f'<circle class="mark" cx="{x:.1f}" cy="{y}" r="5"/>')
        parts.append(f'<text class="strong" x="{left + wide + 14}" y="{y + 4}">{100 * row.share:.0f} %</text>')
        parts.append(f'<text class="faint" x="{left + wide + 58}" y="{y + 4}">{_safe(row.note)}</text>')
    right = 70 + max((len(row.note) for row in rows), default=0) * _LETTER
    return _svg(title, left + wide + right, bottom + 22, parts)


def histogram(title: str, edges: Sequence[str], series: Sequence[Bars], axis: str) -> str:
    """Counts in bins, of one series or two side by side. `edges`: one more than bins."""
    bins, wide, tall = len(edges) - 1, 38, 130
    most = max((n for bars in series for n in bars.counts), default=0) or 1
    parts = [f'<line class="line" x1="10" y1="{tall + 20}" x2="{10 + wide * bins}" y2="{tall + 20}"/>']
    each = (wide - 5) / max(1, len(series))
    for s, bars in enumerate(series):
        for i, n in enumerate(bars.counts):
            high = tall * n / most
            x, y = 13 + wide * i + each * s, tall + 20 - high
            told = f"{bars.name}: {n:,} from {edges[i]} to {edges[i + 1]}"
            parts.append(
                f'<rect class="{"other" if s else "mark"}" x="{x:.1f}" y="{y:.1f}" width="{each - 1:.1f}" height="{high:.1f}" rx="2">'
                f"<title>{_safe(told)}</title></rect>"
            )
            if n and len(series) == 1:
                parts.append(
                    f'<text class="faint" x="{x + each / 2:.1f}" y="{y - 5:.1f}" text-anchor="middle">{n:,}</text>'
                )
    for i, edge in enumerate(edges):
        parts.append(
            f'<text class="faint" x="{10 + wide * i}" y="{tall + 36}" text-anchor="middle">{_safe(edge)}</text>'
        )
    parts.append(f'<text class="faint" x="{10 + wide * bins / 2:.0f}" y="{tall + 56}" text-anchor="middle">{_safe(axis)}</text>')  # fmt: skip
    if len(series) > 1:
        for s, bars in enumerate(series):
            x = 13 + 110 * s
            parts.append(f'<rect class="{"other" if s else "mark"}" x="{x}" y="0" width="10" height="10" rx="2"/>')
            parts.append(f'<text x="{x + 16}" y="10">{_safe(bars.name)}</text>')
    return _svg(title, wide * bins + 34, tall + 62, parts)


def bar(title: str, kept: int, lost: int) -> str:
    """What was kept of something, and what was not, as one line of full width."""
    share = 100 * kept / (kept + lost) if kept + lost else 0
    return (
        f'<svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label="{_safe(title)}">'
        f'<rect class="lost" width="100" height="6"/><rect class="kept" width="{share:.2f}" height="6"/></svg>'
    )


def alone(svg: str) -> str:
    """A chart as a file of its own, on its own ground: whoever shows it may be dark where it is light."""
    return svg.replace(">", f'><style>{PALETTE}</style><rect class="ground" width="100%" height="100%"/>', 1) + "\n"


def _svg(title: str, wide: float, high: float, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" width="{wide:.0f}" height="{high:.0f}" viewBox="0 0 {wide:.0f} {high:.0f}" '
        f'role="img" aria-label="{_safe(title)}">{"".join(parts)}</svg>'
    )


def _safe(text: str) -> str:
    """Text that others wrote, as text: no markup, and nothing that only machines see."""
    return escape("".join(c if c.isprintable() else "\ufffd" for c in text))


def _room(names: Sequence[str]) -> int:
    """Pixels that the longest of these needs."""
    return round(max((len(_cut(name)) for name in names), default=0) * _LETTER) + 14


def _named(name: str) -> str:
    """A name that may be too long, whole when it is pointed at."""
    return _safe(_cut(name)) + (f"<title>{_safe(name)}</title>" if _cut(name) != name else "")


def _cut(name: str) -> str:
    return name if len(name) <= 34 else f"{name[:15]}…{name[-18:]}"


def _between(colours: Sequence[Colour], share: float) -> Colour:
    """The colour at this share of the way through them."""
    steps = list(pairwise(colours))
    at = min(max(share, 0.0), 1.0) * len(steps)
    n = min(int(at), len(steps) - 1)
    low, high = steps[n]
    part = at - n
    return (
        round(low[0] + (high[0] - low[0]) * part),
        round(low[1] + (high[1] - low[1]) * part),
        round(low[2] + (high[2] - low[2]) * part),
    )
