"""Curves as plain SVG, which uses the colours and fonts of the page in light mode, dark mode and print."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from html import escape
from statistics import fmean

from veridical.report.numbers import figures, power_of_ten

WIDTH, HEIGHT = 340, 190
RIGHT, TOP, BOTTOM = 10, 10, 24
POINTS = 240
"""Points per line; longer curves are drawn as means over bins, with the range of each bin in the background."""

SMALLEST = 1e-250
"""Numbers smaller than this are drawn as 0, and numbers larger than its inverse as its inverse."""


@dataclass(frozen=True)
class Line:
    """One term of one run."""

    label: str
    steps: Sequence[int]
    values: Sequence[float]
    """Values; NaN if a value is missing or not finite."""

    series: int = 1
    """Number of the colour, 1 to 8."""


@dataclass(frozen=True)
class Level:
    """A reference value, drawn as a dashed line."""

    value: float
    label: str


@dataclass(frozen=True)
class Chart:
    """A chart, with notes on how it was drawn."""

    svg: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Axis:
    """A map from numbers to positions in the chart."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the position of a value."""
        low, high, value = (math.log(v) for v in (self.low, self.high, value)) if self.log else self._raw(value)
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def _raw(self, value: float) -> tuple[float, float, float]:
        return self.low, self.high, value


def draw(lines: Sequence[Line], *, levels: Sequence[Level] = (), marks: Sequence[tuple[int, str]] = ()) -> Chart:
    """Draw lines over steps; values that are not finite leave gaps.

    Args:
        lines: one per run.
        levels: dashed horizontal lines.
        marks: (step, text) vertical lines: findings.
    """
    lines = [replace(line, values=[drawable(v) for v in line.values]) for line in lines]
    values = [v for line in lines for v in line.values if math.isfinite(v)]
    steps = [s for line in lines for s in line.steps]
    if not values:
        return Chart("", ("no finite value",))
    log = logarithmic(values)
    low, high, cut = span(values, log)
    for level in levels:
        low, high = min(low, level.value), max(high, level.value)
    y = padded(low, high, log)
    rows = ticks(y) if high > low else [(low, figures(low))]
    x = Axis(0, max(1, *steps), 12 + 6 * max(len(text) for _, text in rows), WIDTH - RIGHT)
    body = [*_grid(x, y, rows), *_levels(levels, x, y), *_marks(marks, x)]
    body += [f'<svg x="0" y="{TOP - 3}" width="{WIDTH}" height="{HEIGHT - TOP - BOTTOM + 6}" overflow="hidden">']
    body += [f'<g transform="translate(0 {3 - TOP})">', *(part for line in lines for part in _path(line, x, y))]
    body += ["</g></svg>"]
    notes = ["logarithmic axis"] if log else []
    notes += [f"axis cut; extremes {figures(min(values))} and {figures(max(values))}"] if cut else []
    notes += ["mean and range of bins"] if any(len(line.steps) > POINTS for line in lines) else []
    head = f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(_spoken(lines))}">'
    return Chart(head + "".join(body) + "</svg>", tuple(notes))


def drawable(value: float) -> float:
    """Clip extremely large and small numbers so that an axis can be computed; NaN is kept."""
    if abs(value) < SMALLEST:
        return 0.0
    return value if abs(value) < 1 / SMALLEST or not math.isfinite(value) else math.copysign(1 / SMALLEST, value)


def logarithmic(values: Sequence[float]) -> bool:
    """Choose a logarithmic axis for positive values that range over more than a factor of 50."""
    ordered = sorted(values)
    return ordered[0] > 0 and ordered[-1] > 50 * ordered[0]


def span(values: Sequence[float], log: bool) -> tuple[float, float, bool]:
    """Return the range of the axis, and whether a few extreme values are outside it."""
    ordered = sorted(values)
    low, high = ordered[0], ordered[-1]
    inner = ordered[len(ordered) // 50], ordered[-1 - len(ordered) // 50]
    if not log and len(ordered) >= 50 and high - low > 8 * (inner[1] - inner[0]) > 0:
        return *inner, True
    return low, high, False


def padded(low: float, high: float, log: bool) -> Axis:
    """Return the vertical axis with a margin above and below."""
    bottom, top = HEIGHT - BOTTOM, TOP
    if log:
        room = (high / low) ** 0.06
        return Axis(low / room, high * room, bottom, top, log=True)
    room = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    return Axis(low - room, high + room, bottom, top)


def ticks(axis: Axis, count: int = 4) -> list[tuple[float, str]]:
    """Return round values inside an axis with their labels.

    Examples:
        >>> [text for _, text in ticks(Axis(0, 5000, 0, 1))]
        ['0', '2,000', '4,000']
        >>> [text for _, text in ticks(Axis(0.002, 30, 0, 1, log=True))]
        ['10⁻²', '10⁻¹', '1', '10¹']
    """
    if axis.log:
        first, last = math.ceil(math.log10(axis.low)), math.floor(math.log10(axis.high))
        every = max(1, math.ceil((last - first + 1) / (count + 1)))
        return [(10.0**e, power_of_ten(e)) for e in range(first, last + 1, every)]
    rough = (axis.high - axis.low) / count
    scale = 10.0 ** math.floor(math.log10(rough))
    step = next(m * scale for m in (1, 2, 5, 10) if m * scale >= rough)
    digits = max(0, -math.floor(math.log10(step)))
    first, last = math.ceil(axis.low / step - 1e-9), math.floor(axis.high / step + 1e-9)
    return [(i * step, tick_label(i * step, digits)) for i in range(first, last + 1)]


def tick_label(value: float, digits: int) -> str:
    """Format a tick with enough decimals to distinguish it from its neighbours."""
    if value and (abs(value) >= 1e6 or digits > 4):
        return figures(value)
    return f"{value:,.{digits}f}".replace("-", "−")


def _grid(x: Axis, y: Axis, rows: Sequence[tuple[float, str]]) -> Iterable[str]:
    for value, text in rows:
        at = round(y(value), 1)
        yield f'<line class="grid" x1="{x.start}" x2="{x.end}" y1="{at}" y2="{at}"/>'
        yield f'<text x="{x.start - 6}" y="{at + 3.5:.1f}" text-anchor="end">{text}</text>'
    for value, text in ticks(x):
        at = round(x(value), 1)
        anchor = "end" if at > x.end - 14 else "middle"
        yield f'<text x="{at}" y="{HEIGHT - 8}" text-anchor="{anchor}">{text}</text>'
    yield f'<line class="axis" x1="{x.start}" x2="{x.end}" y1="{HEIGHT - BOTTOM}" y2="{HEIGHT - BOTTOM}"/>'


def _levels(levels: Sequence[Level], x: Axis, y: Axis) -> Iterable[str]:
    for level in levels:
        at = round(y(level.value), 1)
        yield f'<line class="level" x1="{x.start}" x2="{x.end}" y1="{at}" y2="{at}"/>'
        below = at + 11 if at < TOP + 12 else at - 4
        yield f'<text class="level" x="{x.end}" y="{below:.1f}" text-anchor="end">{escape(level.label)}</text>'


def _marks(marks: Sequence[tuple[int, str]], x: Axis) -> Iterable[str]:
    for step, text in marks:
        if x.low <= step <= x.high:
            at = round(x(step), 1)
            yield f'<line class="mark" x1="{at}" x2="{at}" y1="{TOP}" y2="{HEIGHT - BOTTOM}">'
            yield f"<title>{escape(text)}</title></line>"


def _path(line: Line, x: Axis, y: Axis) -> Iterable[str]:
    """Draw one line with gaps at missing values; long lines are drawn as bins."""
    size = math.ceil(len(line.steps) / POINTS)
    bins = [(line.steps[i : i + size], line.values[i : i + size]) for i in range(0, len(line.steps), size)]
    pieces: list[list[tuple[float, float, float, float]]] = [[]]
    for steps, values in bins:
        finite = [v for v in values if math.isfinite(v)]
        if (len(finite) < len(values) and len(values) == 1) or not finite:
            pieces.append([])
            continue
        place = x(fmean(steps))
        pieces[-1].append((place, y(fmean(finite)), y(min(finite)), y(max(finite))))
    for piece in filter(None, pieces):
        if size > 1:
            around = [(px, hi) for px, _, _, hi in piece] + [(px, lo) for px, _, lo, _ in reversed(piece)]
            yield f'<path class="band s{line.series}" d="{_d(around)}Z"/>'
        middle = [(px, py) for px, py, _, _ in piece]
        if len(middle) == 1:
            yield f'<circle class="dot s{line.series}" cx="{middle[0][0]:.1f}" cy="{middle[0][1]:.1f}" r="2"/>'
        else:
            yield f'<path class="line s{line.series}" d="{_d(middle)}"/>'


def _d(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{px:.1f} {py:.1f}" for px, py in points)


def _spoken(lines: Sequence[Line]) -> str:
    """Describe the lines in words, for screen readers."""
    parts = []
    for line in lines:
        finite = [(s, v) for s, v in zip(line.steps, line.values, strict=True) if math.isfinite(v)]
        if finite:
            (s0, v0), (s1, v1) = finite[0], finite[-1]
            parts.append(f"{line.label}: {figures(v0)} at step {s0:,}, {figures(v1)} at step {s1:,}")
    return "; ".join(parts)
