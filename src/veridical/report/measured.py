"""Measurements on the page: a value with its interval, compared with the score of a perfect model."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import Any, Literal, NamedTuple

from veridical.report.numbers import bounds_of, figures, interval, number_of
from veridical.report.words import metric_words
from veridical.verdict import LEVEL, far_short, judge

Interval = tuple[float, float]
Tone = Literal["good", "short", "suspicious", "open"]

TONES: dict[str, Tone] = {
    "as good as perfect": "good",
    "short of perfect": "short",
    "suspicious": "suspicious",
    "undecided": "open",
    "no reference": "open",
}
"""Style of a verdict on the page."""

MEMORY = ("memor", "nearest", "copied", "copies", "authentic", "duplicate")
"""Parts of the names of measurements that are shown with the nearest neighbours."""

WIDTH, HEIGHT, EDGE = 200, 26, 8


@dataclass(frozen=True)
class Measured:
    """One measurement of evaluation.json; missing values are None or empty."""

    name: str
    value: Any
    unit: str
    n: Any
    interval: Interval | None
    method: str
    reference: float | None
    kind: str
    reference_interval: Interval | None
    higher_is_better: bool | None
    verdict: str
    seconds: float | None
    detail: dict[str, Any]
    test: dict[str, Any] = field(default_factory=dict)
    """Numbers of its test; empty in files written before verdicts were tests."""

    @property
    def words(self) -> str:
        """The verdict in words: "undecided" says why."""
        if self.verdict != "undecided" or not self.test:
            return self.verdict
        p = self.p
        return "not decided by a bound" if p is not None and p < LEVEL else "no difference shown"

    @property
    def p(self) -> float | None:
        """The p-value that decides, adjusted for the whole table where it was."""
        adjusted = number_of(self.test.get("adjusted"))
        return number_of(self.test.get("p_value")) if adjusted is None else adjusted

    @property
    def clarity(self) -> float:
        """Size of the difference from a perfect model in units of the smallest that would be shown; 0 if not known."""
        difference, size = number_of(self.test.get("difference")), number_of(self.test.get("detectable"))
        return 0.0 if difference is None or not size else abs(difference / size)

    @property
    def compared_in_words(self) -> str:
        """The difference from a perfect model with its interval, its p-value, and what would have been shown."""
        difference, p, size = number_of(self.test.get("difference")), self.p, number_of(self.test.get("detectable"))
        if difference is None or p is None:
            return ""
        between = bounds_of(self.test.get("interval"))
        text = f"Difference from a perfect model {figures(difference)}"
        text += f" ({interval(between)})" if between else ""
        text += f", p {'< .001' if p < 0.001 else f'= {p:.3f}'.replace('0.', '.', 1)}"
        whole = " after allowing for the whole table" if self.test.get("adjusted") is not None else ""
        return f"{text}{whole}." + (f" From {figures(size)} on it would be shown with probability .8." if size else "")

    @property
    def tone(self) -> Tone:
        """Result of the comparison with the reference."""
        return TONES.get(self.verdict, "open")

    @property
    def title(self) -> str:
        """Title on the page."""
        return metric_words(self.name).title

    @property
    def means(self) -> str:
        """Explanation in one or two sentences; empty if there is none."""
        return metric_words(self.name).means

    @property
    def compared(self) -> bool:
        """Whether the value has a reference."""
        return self.verdict != "no reference"

    @property
    def bounds(self) -> Interval | None:
        """The interval, or the value alone; None if there is no finite value."""
        value = number_of(self.value)
        return self.interval or (None if value is None else (value, value))

    @property
    def far(self) -> bool:
        """Whether a share or a count is certainly less than half of a perfect model's; False for distances."""
        value = number_of(self.value)
        if value is None or self.unit not in ("share", "modes") or not self.higher_is_better:
            return False
        return far_short(value, self.interval, self.reference)

    @property
    def extent(self) -> Interval | None:
        """Range of all drawn values; None if there are none."""
        if self.bounds is None or number_of(self.value) is None:
            return None
        shown = [*self.bounds, float(self.value), *(self.reference_interval or ())]
        shown += [] if self.reference is None else [self.reference]
        return min(shown), max(shown)

    @property
    def memory(self) -> bool:
        """Whether it measures the distance of samples to the training data."""
        return any(part in self.name.lower() for part in MEMORY)

    def to_json(self) -> dict[str, Any]:
        """Return all fields as plain values."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "n": self.n,
            "interval": self.interval,
            "method": self.method,
            "reference": self.reference,
            "reference_kind": self.kind,
            "reference_interval": self.reference_interval,
            "higher_is_better": self.higher_is_better,
            "verdict": self.verdict,
            "seconds": self.seconds,
            "detail": self.detail,
            "test": self.test,
        }


class RestoredExamples(NamedTuple):
    """How training examples are restored, one by one."""

    limit: float
    """dB from which an example counts as restored."""

    enough: int
    n: int
    """Examples that were restored and reach the limit, and all of them."""

    each: list[tuple[int, float]]
    """Row and dB, from the worst; of very many the least accurate."""


def restored_examples(measured: list[Measured]) -> RestoredExamples | None:
    """Return what is stated of every restored example; None: nothing."""
    found = next((m for m in measured if m.name == "restored"), None)
    share, n = (None, None) if found is None else (number_of(found.value), number_of(found.n))
    listed = None if found is None else found.detail.get("row_and_dB_from_the_worst")
    if found is None or share is None or not n or not isinstance(listed, list):
        return None
    pairs = [pair for pair in listed if isinstance(pair, list) and len(pair) == 2]
    numbers = [(number_of(row), number_of(ratio)) for row, ratio in pairs]
    each = [(int(row), ratio) for row, ratio in numbers if row is not None and ratio is not None]
    limit = number_of(found.detail.get("limit_dB")) or 0.0
    return RestoredExamples(limit, round(share * n), int(n), each) if each else None


def read_all(evaluation: dict[str, Any]) -> list[Measured]:
    """Read the measurements of an evaluation.json; rows that are none are left out."""
    listed = evaluation.get("measurements")
    return [m for m in map(read_measured, listed if isinstance(listed, list) else []) if m is not None]


def read_measured(row: Any) -> Measured | None:
    """Read a measurement; None if the row is not a measurement."""
    if not isinstance(row, dict) or not row.get("name"):
        return None
    higher = row.get("higher_is_better")
    detail = row.get("detail")
    unit = str(row.get("unit") or "")
    measured = Measured(
        name=str(row["name"]),
        value=row.get("value"),
        unit="" if unit == "1" else unit,
        n=row.get("n"),
        interval=bounds_of(row.get("interval")),
        method=str(row.get("method") or ""),
        reference=number_of(row.get("reference")),
        kind=str(row.get("reference_kind") or ""),
        reference_interval=bounds_of(row.get("reference_interval")),
        higher_is_better=higher if isinstance(higher, bool) else None,
        verdict="",
        seconds=number_of(row.get("seconds")),
        detail=detail if isinstance(detail, dict) else {"note": detail} if detail else {},
        test=test if isinstance(test := row.get("test"), dict) else {},
    )
    recorded = str(row.get("verdict") or "")
    return Measured(**{**vars(measured), "verdict": recorded if recorded in TONES else compare(measured)})


def compare(measured: Measured) -> str:
    """Return the verdict of a row without one, by the rule of all measurements."""
    value = number_of(measured.value)
    if value is None or measured.higher_is_better is None:
        return "no reference"
    return judge(
        value,
        measured.interval,
        measured.reference,
        measured.reference_interval,
        higher_is_better=measured.higher_is_better,
        unit=measured.unit,
    )


def draw_bar(measured: Measured, scale: Interval | None = None) -> str:
    """Draw the reference (band and tick) and the value (whisker and dot) on one scale, as SVG.

    Args:
        measured: the measurement; the result is empty if it has no finite value.
        scale: range of the axis; None: the range of the drawn values.
    """
    mine, value, reference = measured.bounds, number_of(measured.value), measured.reference
    scale = scale or measured.extent
    if mine is None or value is None or scale is None:
        return ""
    low, high = scale

    def at(v: float) -> float:
        return round(EDGE + (WIDTH - 2 * EDGE) * ((v - low) / (high - low) if high > low else 0.5), 1)

    middle, parts = HEIGHT / 2, [f'<line class="track" x1="0" x2="{WIDTH}" y1="{HEIGHT / 2}" y2="{HEIGHT / 2}"/>']
    if measured.reference_interval is not None:
        a, b = (at(v) for v in measured.reference_interval)
        parts.append(
            f'<rect class="reference" x="{a}" y="4" width="{max(b - a, 1):.1f}" height="{HEIGHT - 8}" rx="2"/>'
        )
    if reference is not None:
        parts.append(f'<line class="tick" x1="{at(reference)}" x2="{at(reference)}" y1="3" y2="{HEIGHT - 3}"/>')
    parts.append(f'<line class="whisker" x1="{at(mine[0])}" x2="{at(mine[1])}" y1="{middle}" y2="{middle}"/>')
    parts.append(f'<circle class="value" cx="{at(value)}" cy="{middle}" r="4.5"/>')
    head = (
        f'<svg class="bar {measured.tone}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{_spoken(measured)}">'
    )
    return head + "".join(parts) + "</svg>"


def _spoken(measured: Measured) -> str:
    text = f"{measured.title}: {figures(measured.value)}"
    text += f" ({interval(measured.interval)})" if measured.interval else ""
    if measured.reference is not None:
        text += f"; a perfect model {figures(measured.reference)}"
        text += f" ({interval(measured.reference_interval)})" if measured.reference_interval else ""
    return escape(text, quote=True)
