"""One number and what it takes to believe it: its interval, and what a perfect model scores at the same n.

The verdict compares two 95 % intervals. `interval` holds what resampling the measured samples would change;
`reference_interval` holds what a perfect model would score, were it measured in the same way. Disjoint intervals
decide; intervals that touch decide nothing against the model. Two independent intervals of equal width are disjoint
by chance with probability 0.6 %, and with at most 5 % however unequal they are, split over both sides.
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
    """A measured value beside what a perfect model scores."""

    name: str
    """What was measured: "fid", "recall", ..."""

    value: float
    """The number."""

    unit: str
    """Of value, interval and reference: "nats", "share", "modes", "1" for pure numbers, ..."""

    n: int
    """Samples it was measured on."""

    higher_is_better: bool
    """Which side of the reference is short of perfect; the other side is suspicious."""

    interval: Interval | None = None
    """95 % interval of what resampling would give; None: not known."""

    method: str = ""
    """How the interval was made: "Wilson", "delta method", ..."""

    reference: float | None = None
    """What a perfect model scores at this n; None: not known."""

    reference_kind: ReferenceKind | None = None
    """Whether the reference is the best a perfect model can expect of a share (ceiling) or of an error (floor), or what
    held-out data score (null)."""

    reference_interval: Interval | None = None
    """Where 95 % of perfect models would score; None: exactly at the reference."""

    seconds: float = 0.0
    """Time it took, features included only where they were made for it alone."""

    bound: Bound | None = None
    """Whether the value is a bound and no estimate: a lower bound of an error can show a fault, and no merit."""

    detail: Mapping[str, JSON] = field(default_factory=dict)
    """Everything else that is needed to compare or repeat it: extractor, n_reference, k, ..."""

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
        """What the two intervals say: a model is called short of perfect, or suspicious, only where they are disjoint.

        Suspicious means better than a perfect model could be: narrower modes than the law has, samples more typical
        than held-out data, training data given back. Undecided, since too little is known, are shares of which an
        interval covers more than half of all shares there are, and bounds that show no fault. The rule is
        `veridical.verdict.judge`.
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
            ValueError: the verdict beside the numbers is not theirs.
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
                f"{measurement.name}: the file says {verdict!r} where its numbers say {measurement.verdict!r}; "
                "it was changed by hand. Evaluate again."
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
