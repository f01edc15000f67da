"""One number with its interval, and the score of a perfect model at the same n.

`interval` covers the variation of the value under resampling of the measured samples; `reference_interval` covers the
scores of a perfect model measured in the same way. The verdict is that of a test (`veridical.verdict`): the metric's
own, or the z-test of the two intervals. `evaluation.multiple` adjusts the tests of one table for each other.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args

from veridical.verdict import WIDEST, Bound, Interval, Test, Verdict, decide, interval_test

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

    test: Test | None = None
    """The test of "the model is perfect"; None: the two intervals are compared."""

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
    def tested(self) -> Test | None:
        """The test that decides: the metric's own, or the z-test of two intervals; None: there is no reference."""
        if self.test is not None or self.reference is None or math.isnan(self.value):
            return self.test
        return interval_test(self.value, self.interval, self.reference, self.reference_interval, unit=self.unit)

    @property
    def verdict(self) -> Verdict:
        """The verdict of the test: short of perfect and suspicious are significant differences.

        Suspicious means better than a perfect model: modes narrower than those of the data distribution, samples more
        typical than held-out data, or copies of training data. The rule is `veridical.verdict.decide`.
        """
        if self.tested is None:
            return "no reference"
        return decide(self.tested, higher_is_better=self.higher_is_better, bound=self.bound)

    def to_json(self) -> dict[str, JSON]:
        """Return plain values; numbers that are not finite become "inf", "-inf", "nan"."""
        bare = self if self.test is None else replace(self, test=replace(self.test, null=None))
        plain = {key: _plain(value) for key, value in asdict(bare).items()}
        if isinstance(plain["test"], dict):
            del plain["test"]["null"]
        return {**plain, "verdict": self.verdict}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Measurement":
        """Build the measurement that `to_json` wrote.

        Files from before verdicts were tests have none; their verdict is checked by the rule of that time.

        Raises:
            ValueError: the stored verdict does not follow from the numbers.
        """
        fields = dict(value)
        verdict, old = fields.pop("verdict", None), "test" not in value
        for key in ("value", "reference", "seconds"):
            fields[key] = _float(fields.get(key))
        for key in ("interval", "reference_interval"):
            fields[key] = _interval(fields.get(key))
        fields["test"] = _test(fields.get("test"))
        measurement = cls(**fields)
        expected = measurement._verdict_before_tests() if old else measurement.verdict
        if verdict is not None and verdict != expected:
            raise ValueError(
                f"{measurement.name}: the file has the verdict {verdict!r}, but its numbers give {expected!r}; "
                "the file was changed by hand. Evaluate again."
            )
        return measurement

    def _verdict_before_tests(self) -> Verdict:
        """The verdict in files written before verdicts were tests: by disjoint intervals."""
        if self.reference is None or math.isnan(self.value):
            return "no reference"
        low, high = self.interval or (self.value, self.value)
        reference_low, reference_high = self.reference_interval or (self.reference, self.reference)
        above, below = low > reference_high, high < reference_low
        shown = {"lower": above, "upper": below, None: True}[self.bound]
        if not shown and (above or below or (self.bound == "lower") != self.higher_is_better):
            return "undecided"
        if above or below:
            return "short of perfect" if above != self.higher_is_better else "suspicious"
        wide = max(high - low, reference_high - reference_low) > WIDEST
        return "undecided" if self.unit == "share" and wide else "as good as perfect"


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def _interval(value: Any) -> Interval | None:
    return None if value is None else (float(value[0]), float(value[1]))


def _test(value: Mapping[str, Any] | None) -> Test | None:
    if value is None:
        return None
    numbers = {key: _float(value.get(key)) for key in ("difference", "p_value", "detectable", "tolerance", "adjusted")}
    return Test(**{**value, **numbers, "interval": _interval(value.get("interval"))})


def _plain(value: Any) -> JSON:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
