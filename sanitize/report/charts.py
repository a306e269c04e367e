"""Charts: numbers -> inline SVG. No script, no date, no id; colours are the page's, so that they follow light and dark.

The same numbers give the same text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise, zip_longest

LINES = 6  # line styles that page.css knows


class Svg(str):
    """SVG text that a template inserts as it is; every word in it has been escaped here."""

    __slots__ = ()

    def __html__(self) -> str:
        return str(self)


@dataclass(frozen=True)
class Frame:
    """Where a chart's plot lies in its view box, in its units (about pixels on a desktop)."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float

    @property
    def across(self) -> float:
        """Width of the plot."""
        return self.width - self.left - self.right

    @property
    def down(self) -> float:
        """Height of the plot."""
        return self.height - self.top - self.bottom


LARGE = Frame(460, 270, 52, 14, 16, 46)
SMALL = Frame(210, 116, 6, 6, 6, 24)


@dataclass(frozen=True)
class Bars:
    """One series of a histogram.

    name    what a reader calls it
    color   page.css's class: kept, dropped, poisoned
    counts  one per bin, 0 or more
    """

    name: str
    color: str
    counts: Sequence[int]


@dataclass(frozen=True)
class Curve:
    """One line: its name, and points (x, share) with x >= 0 ascending and share in 0..1."""

    name: str
    points: Sequence[tuple[float, float]]


def histogram(
    label: str,
    bins: Sequence[str],
    above: Sequence[Bars],
    below: Sequence[Bars],
    *,
    ticks: Sequence[tuple[int, str]],
    axis: str,
    frame: Frame = LARGE,
) -> Svg:
    """A histogram to both sides of one line, with one scale for both: bars grow with log(1 + rows).

    label    what the whole chart says, for those who cannot see it
    bins     what each bin is called; at least one
    above    series that are stacked upwards; a bar is parted by the series' shares in its rows
    below    series that are stacked downwards
    ticks    (bin, text) under the chart
    axis     what the bins are
    frame    LARGE charts have a grid, SMALL ones have not
    """
    up, down = _heights(above, len(bins)), _heights(below, len(bins))
    most_up, most_down = max(up), max(down)
    unit = frame.down / ((most_up + most_down) or 1)
    middle = frame.top + most_up * unit
    wide = frame.across / len(bins)
    parts = []
    if frame is LARGE:
        parts += _grid(frame, middle, unit, most_up, -1) + _grid(frame, middle, unit, most_down, 1)
    for direction, heights, series in ((-1, up, above), (1, down, below)):
        for place, height in enumerate(heights):
            total, edge = sum(bar.counts[place] for bar in series), middle
            for bar in series:
                if bar.counts[place]:
                    part = height * unit * bar.counts[place] / total
                    title = f"{bins[place]}: {bar.counts[place]:,} {bar.name}"
                    top = edge - part if direction < 0 else edge
                    parts.append(_bar(frame.left + place * wide, top, wide * 0.86, part, bar.color, title))
                    edge += direction * part
    parts.append(_line(frame.left, middle, frame.width - frame.right, middle, "axis"))
    foot = frame.top + frame.down
    for place, text in ticks:
        x = frame.left + (place + 0.43) * wide
        parts.append(_text(_inside(x, text, frame), foot + 11 + (3 if frame is LARGE else 0), text))
    if frame is LARGE:
        parts.append(_text(frame.left + frame.across / 2, frame.height - 8, axis))
        parts.append(_text(0, 0, "rows", place=f'transform="translate(11 {_n(middle)}) rotate(-90)"'))
    return _svg(label, parts, frame)


def curves(
    label: str,
    lines: Sequence[Curve],
    *,
    x_axis: str,
    y_axis: str,
    high: float,
    percent: bool = False,
    stairs: bool = False,
    marker: tuple[float, str] | None = None,
) -> Svg:
    """Lines of shares, 0..1, over 0..high.

    label    what the whole chart says, for those who cannot see it
    lines    their styles follow each other as those of the page's legend do
    high     the largest x that is shown, > 0
    percent  whether x is a share, too
    stairs   between two points draw the later one's share (what is certified for a size holds for smaller ones), not
             a slope
    marker   a vertical line: where, and what it says
    """
    frame = LARGE

    def at(x: float, y: float) -> tuple[float, float]:
        return frame.left + frame.across * x / high, frame.top + frame.down * (1 - y)

    def named(x: float) -> str:
        return f"{100 * x:g}%" if percent else f"{x:g}"

    parts = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = at(0, share)
        parts.append(_line(x, y, frame.width - frame.right, y, "axis" if share == 0 else "grid"))
        parts.append(_text(x - 5, y + 4, f"{100 * share:g}%", "end"))
    for value in nice_ticks(high):
        x, y = at(value, 0)
        parts.append(_text(_inside(x, named(value), frame), y + 15, named(value)))
    if marker is not None and marker[0] <= high:
        x, _ = at(marker[0], 0)
        parts.append(_line(x, frame.top, x, frame.top + frame.down, "marker"))
        right = x < frame.left + frame.across / 2
        parts.append(
            _text(x + (5 if right else -5), frame.top + frame.down - 8, marker[1], "start" if right else "end")
        )
    for number, line in enumerate(lines):
        seen = [(x, y) for x, y in line.points if x <= high]
        style = f"line{number % LINES}"
        spots = [at(x, y) for x, y in seen]
        corners = [(x, y) for (x, _), (_, y) in pairwise(spots)] if stairs else []
        way = [spot for pair in zip_longest(spots, corners) for spot in pair if spot is not None]
        parts.append(f'<polyline class="{style}" points="{" ".join(f"{_n(x)},{_n(y)}" for x, y in way)}"/>')
        for (value, share), (x, y) in zip(seen, spots, strict=True):
            title = f"{line.name}, {named(value)}: {100 * share:.1f}%"
            parts.append(f'<circle class="{style}" cx="{_n(x)}" cy="{_n(y)}" r="2.6">{_title(title)}</circle>')
    parts.append(_text(frame.left + frame.across / 2, frame.height - 8, x_axis))
    middle = frame.top + frame.down / 2
    parts.append(_text(0, 0, y_axis, place=f'transform="translate(11 {_n(middle)}) rotate(-90)"'))
    return _svg(label, parts, frame)


def share_bar(label: str, share: float, mark: float, color: str) -> Svg:
    """A bar that is full at share 1, with a stroke at `mark`; both 0..1. `color` is page.css's class."""
    frame = Frame(100, 10, 0, 0, 0, 0)
    parts = [
        '<rect class="empty" width="100" height="10"/>',
        f'<rect class="{escape(color)}" width="{_n(100 * share)}" height="10"/>',
        _line(100 * mark, 0, 100 * mark, 10, "half"),
    ]
    return _svg(label, parts, frame)


def key(number: int) -> Svg:
    """The stroke of line number `number`, for a legend."""
    style = f"line{number % LINES}"
    parts = [_line(1, 6, 29, 6, style), f'<circle class="{style}" cx="15" cy="6" r="2.6"/>']
    return Svg(f'<svg class="key" viewBox="0 0 30 12" aria-hidden="true">{"".join(parts)}</svg>')


def nice_ticks(high: float) -> list[float]:
    """About five round numbers from 0 to at most `high`, which is > 0."""
    rough = high / 5
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    return [round(number * step, 10) for number in range(int(high / step + 1e-9) + 1)]


def _heights(series: Sequence[Bars], bins: int) -> list[float]:
    return [math.log1p(sum(bar.counts[place] for bar in series)) for place in range(bins)]


def _grid(frame: Frame, middle: float, unit: float, most: float, direction: int) -> list[str]:
    """Lines at 1, 10, 100, … rows, as far as the bars of this direction go."""
    parts, rows = [], 1
    while math.log1p(rows) <= most:
        y = middle + direction * math.log1p(rows) * unit
        parts.append(_line(frame.left, y, frame.width - frame.right, y, "grid"))
        if rows > 1 or most < math.log1p(10):
            parts.append(_text(frame.left - 5, y + 4, f"{rows:,}", "end"))
        rows *= 10
    return parts


def _inside(x: float, text: str, frame: Frame) -> float:
    """Where a centred text may stand without leaving the view box."""
    half = 3.2 * len(text)
    return min(max(x, half), frame.width - half)


def _n(value: float) -> str:
    """A coordinate with one decimal: enough for the eye, and the same on every machine."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def _title(text: str) -> str:
    return f"<title>{escape(text)}</title>"


def _bar(x: float, y: float, width: float, height: float, color: str, title: str) -> str:
    place = f'x="{_n(x)}" y="{_n(y)}" width="{_n(max(width, 0.5))}" height="{_n(height)}"'
    return f'<rect class="{escape(color)}" {place}>{_title(title)}</rect>'


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    return f'<line class="{style}" x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}"/>'


def _text(x: float, y: float, text: str, anchor: str = "middle", place: str = "") -> str:
    where = place or f'x="{_n(x)}" y="{_n(y)}"'
    return f'<text {where} text-anchor="{anchor}">{escape(text)}</text>'


def _svg(label: str, parts: Sequence[str], frame: Frame) -> Svg:
    size = f'viewBox="0 0 {_n(frame.width)} {_n(frame.height)}"'
    kind = {LARGE: "large", SMALL: "small"}.get(frame, "strip")
    return Svg(f'<svg class="chart {kind}" {size} role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>')
