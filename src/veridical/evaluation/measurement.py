"""One number with its interval, and the score of a perfect model at the same n.

The verdict compares two 95 % intervals. `interval` covers the variation under resampling of the measured samples;
`reference_interval` covers the scores of a perfect model measured in the same way. Only disjoint intervals count
against the model. Two independent intervals of equal width are disjoint by chance with probability 0.6 %, and intervals
of any widths with at most 5 %, split over both sides.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from veridical.verdict import Bound, Interval, Verdict, judge

JSON = None | bool | int | float | str | list["JSON"] | dict[str, "JSON"]
ReferenceKind = Literal["ceiling", "floor", "null"]


@dataclass(frozen=True)
class Measurement:
    """A measured value and the score of a perfect model."""

    name: str
    """What was measured: "fid", "recall", ..."""

    value: float
    """The number."""

    unit: str
    """Unit of value, interval and reference: "nats", "share", "modes", "1" for pure numbers, ..."""

    n: int
    """Number of samples."""

    higher_is_better: bool
    """Whether values below the reference are short of perfect; values on the other side are suspicious."""

    interval: Interval | None = None
    """95 % interval under resampling; None: not known."""

    method: str = ""
    """How the interval was computed: "Wilson", "delta method", ..."""

    reference: float | None = None
    """The score of a perfect model at this n; None: not known."""

    reference_kind: ReferenceKind | None = None
    """Whether the reference is the expected share (ceiling) or error (floor) of a perfect model, or the score of
    held-out data (null)."""

    reference_interval: Interval | None = None
    """Interval that holds the scores of 95 % of perfect models; None: exactly the reference."""

    seconds: float = 0.0
    """Time in seconds, features included only where they were computed for this metric alone."""

    bound: Bound | None = None
    """Whether the value is a bound, not an estimate: a lower bound of an error can show a fault but not its absence."""

    detail: Mapping[str, JSON] = field(default_factory=dict)
    """Everything else that is needed to compare or repeat the measurement: extractor, n_reference, k, ..."""

    def __post_init__(self) -> None:
        if (self.reference is None) != (self.reference_kind is None):
            raise ValueError(
                f"{self.name}: reference is {self.reference} and its kind {self.reference_kind}; give both or none."
            )
        if self.reference_kind is not None and self.reference_kind not in get_args(ReferenceKind):
            raise ValueError(
                f"{self.name}: reference_kind is {self.reference_kind!r}; expected one of {get_args(ReferenceKind)}."
            )
        for what, interval in (("interval", self.interval), ("reference_interval", self.reference_interval)):
            if interval is not None and not interval[0] <= interval[1]:
                raise ValueError(f"{self.name}: {what} is {interval}; expected (low, high) with low <= high.")

    @property
    def verdict(self) -> Verdict:
        """The result of comparing the two intervals: short of perfect, or suspicious, only where they are disjoint.

        Suspicious means better than a perfect model: modes narrower than those of the data distribution, samples more
        typical than held-out data, or copies of training data. Undecided are shares whose interval covers more than
        half of the range from 0 to 1, and bounds that show no fault. The rule is `veridical.verdict.judge`.
        """
        return judge(
            self.value,
            self.interval,
            self.reference,
            self.reference_interval,
            higher_is_better=self.higher_is_better,
            unit=self.unit,
            bound=self.bound,
        )

    def to_json(self) -> dict[str, JSON]:
        """Return plain values; numbers that are not finite become "inf", "-inf", "nan"."""
        plain = {key: _plain(value) for key, value in asdict(self).items()}
        return {**plain, "verdict": self.verdict}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Measurement":
        """Build the measurement that `to_json` wrote.

        Raises:
            ValueError: the stored verdict does not follow from the numbers.
        """
        fields = dict(value)
        verdict = fields.pop("verdict", None)
        for key in ("value", "reference", "seconds"):
            fields[key] = None if fields.get(key) is None else float(fields[key])
        for key in ("interval", "reference_interval"):
            fields[key] = None if fields.get(key) is None else tuple(float(side) for side in fields[key])
        measurement = cls(**fields)
        if verdict is not None and verdict != measurement.verdict:
            raise ValueError(
                f"{measurement.name}: the file has the verdict {verdict!r}, but its numbers give "
                f"{measurement.verdict!r}; "
                "the file was changed by hand. Evaluate again."
            )
        return measurement


def _plain(value: Any) -> JSON:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
