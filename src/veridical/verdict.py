r"""The rule that turns a measured value into a verdict: a test of "the model is perfect". Imports nothing heavy.

A test holds the difference between the value and the score of a perfect model, its 95 % interval and its p-value:

- short of perfect, or suspicious: the p-value is below `LEVEL`, for a difference in the bad or in the good direction.
  Where a table of measurements is judged, its p-values are adjusted first, so that a perfect model is accused of
  anything in at most 5 % of all tables (`evaluation.multiple`).
- as good as perfect: the whole interval lies within $\pm$ a stated tolerance, so a larger fault is excluded.
- undecided: no difference is shown, and none is excluded either. More examples would tell (`examples_needed`).
"""

import math
from dataclasses import dataclass, field, replace
from statistics import NormalDist
from typing import Any, Literal, get_args

Interval = tuple[float, float]
Verdict = Literal["as good as perfect", "short of perfect", "suspicious", "undecided", "no reference"]
Bound = Literal["lower", "upper"]

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

NO_FAULT: tuple[Verdict, ...] = ("as good as perfect", "undecided")
"""Verdicts on a value whose difference from a perfect model's is not shown."""

LEVEL = 0.05
"""A perfect model is called anything else in at most this share of all tables."""

POWER = 0.8
"""Probability with which a difference of size `detectable` is shown."""

FAR = 0.5
"""A share or count that is certainly below this fraction of a perfect model's score means mode collapse."""

WIDEST = 0.5
"""A share, or a difference of shares, with a wider interval says nothing."""

TOLERANCES: dict[str, float] = {"share": 0.05, "nats": 0.1, "bits": 0.05}
"""Differences that count as none, by unit, where a measurement states no tolerance of its own."""

RELATIVE_TOLERANCE = 0.05
"""The same of other units, as a fraction of a perfect model's score."""

_Z = NormalDist().inv_cdf(0.975)
_FEWER = (NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf((1 + POWER) / 2)) / _Z
"""Half-widths that must fit into the tolerance for a model without fault to be called good with power .8."""


@dataclass(frozen=True)
class Test:
    """A test of "the model is perfect" on one value."""

    __test__ = False  # not a test case of pytest

    difference: float
    """Value minus what a perfect model scores, in the unit of the value."""

    interval: Interval | None
    """95 % interval of the difference; None: not known."""

    p_value: float
    """Probability of a difference at least as extreme if the model is perfect."""

    detectable: float | None
    """Smallest difference that this n shows with power .8 at the level of the table; None: not known."""

    tolerance: float | None
    """A smaller difference counts as none; None: no tolerance is stated, so "good" is never claimed."""

    method: str
    """"999 exchanges of samples and held-out examples", "two proportions", ..."""

    adjusted: float | None = None
    """The p-value after allowing for all tests of the table; None: the test stands alone."""

    critical: float | None = None
    """How far the statistic must lie from its middle, in units of its spread, to be significant in the first step of
    the table; None: the test stands alone."""

    null: Any = field(default=None, repr=False, compare=False)
    """What a perfect model would have scored (`evaluation.exchange.Null`), until the table is adjusted; not stored."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.p_value <= 1.0:
            raise ValueError(f"p_value is {self.p_value}; expected a probability.")
        if self.interval is not None and not self.interval[0] <= self.interval[1]:
            raise ValueError(f"interval is {self.interval}; expected (low, high) with low <= high.")

    @property
    def p(self) -> float:
        """The p-value that decides."""
        return self.p_value if self.adjusted is None else self.adjusted


def decide(test: Test, *, higher_is_better: bool, bound: Bound | None = None) -> Verdict:
    """Return the verdict of a test (module docstring).

    Args:
        test: its interval and its p-value, adjusted where a table was judged.
        higher_is_better: True: values below a perfect model's are short of perfect and values above are suspicious;
            False: the other way round.
        bound: "lower": the true value is at least the measured one, so that a small one decides nothing; "upper": at
            most, so that a large one decides nothing. A bound that reaches the best score settles that it is reached.

    Examples:
        >>> decide(Test(-0.3, (-0.4, -0.2), 0.001, None, 0.05, ""), higher_is_better=True)
        'short of perfect'
        >>> decide(Test(0.0, (-0.04, 0.04), 1.0, None, 0.05, ""), higher_is_better=True)
        'as good as perfect'
        >>> decide(Test(0.0, (-0.2, 0.2), 1.0, None, 0.05, ""), higher_is_better=True)
        'undecided'
    """
    above = test.difference > 0
    if test.p < LEVEL and bound in (None, "lower" if above else "upper"):
        return "short of perfect" if above != higher_is_better else "suspicious"
    if bound is not None and (test.p < LEVEL or (bound == "lower") != higher_is_better):
        return "undecided"
    return "as good as perfect" if equivalent(test) else "undecided"


def equivalent(test: Test) -> bool:
    """Return whether the 95 % interval of the difference lies within the tolerance; an exact 0 always does."""
    low, high = test.interval or (test.difference, test.difference)
    return low == high == 0.0 or (test.tolerance is not None and max(-low, high) <= test.tolerance)


def examples_needed(n: int, test: Test) -> int | None:
    """Examples of each kind with which a model without fault would be called good with power .8; None: not known.

    The half-width of the interval is taken to fall as one over the root of n.

    Examples:
        >>> examples_needed(1000, Test(0.0, (-0.1, 0.1), 1.0, None, 0.05, ""))
        11000
    """
    if test.tolerance is None or test.interval is None or test.tolerance <= 0:
        return None
    half = _FEWER * (test.interval[1] - test.interval[0]) / 2
    if not math.isfinite(half):
        return None
    needed = max(float(n), n * (half / test.tolerance) ** 2)
    unit = 10 ** max(0, math.floor(math.log10(needed)) - 1)
    return math.ceil(needed / unit - 1e-9) * unit


def interval_test(
    value: float,
    interval: Interval | None,
    reference: float,
    reference_interval: Interval | None,
    *,
    unit: str = "",
    tolerance: float | None = None,
) -> Test:
    """Test whether two independent values agree, by their 95 % intervals (z-test).

    The half-widths towards each other combine as roots of sums of squares (Newcombe 1998), so that intervals of shares
    may be asymmetric.

    Args:
        value: the measured value.
        interval: its 95 % interval; None: the value is exact.
        reference: score of a perfect model.
        reference_interval: the scores of 95 % of perfect models; None: the reference is exact.
        unit: of the value; chooses the tolerance where none is given.
        tolerance: a smaller difference counts as none.

    Examples:
        >>> interval_test(0.5, (0.4, 0.6), 0.5, None, unit="share").p_value
        1.0
    """
    low, high = interval or (value, value)
    reference_low, reference_high = reference_interval or (reference, reference)
    difference = value - reference
    usual = TOLERANCES.get(unit, RELATIVE_TOLERANCE * abs(reference)) if tolerance is None else tolerance
    method = "z-test of two intervals"
    if not math.isfinite(difference):
        apart = low > reference_high or high < reference_low
        return Test(difference, None, 0.0 if apart else 1.0, None, usual, method)
    down = math.hypot(value - low, reference_high - reference)
    up = math.hypot(high - value, reference - reference_low)
    towards = down if difference > 0 else up
    p = 2 * NormalDist().cdf(-abs(difference) / towards * _Z) if towards > 0 else float(difference == 0)
    return Test(
        difference, (difference - down, difference + up), p, detectable(max(down, up) / _Z), usual or None, method
    )


def detectable(standard_error: float, level: float = LEVEL, sides: int = 2) -> float | None:
    """Return the difference that a test shows with power .8; None: not a finite one.

    Args:
        standard_error: of the difference.
        level: of the test.
        sides: 1: only one direction counts; 2: both.
    """
    size = (NormalDist().inv_cdf(1 - level / sides) + NormalDist().inv_cdf(POWER)) * standard_error
    return size if math.isfinite(size) else None


def resized(test: Test, level: float, sides: int = 2) -> Test:
    """Return the test with `detectable` at another level than .05: the larger table needs the larger difference.

    Args:
        test: at the level .05.
        level: of the test in its table.
        sides: 1: only one direction counts; 2: both.
    """
    size, before = detectable(1.0, max(level, 1e-9), sides), detectable(1.0, sides=sides)
    if test.detectable is None or size is None or before is None:
        return test
    return replace(test, detectable=test.detectable * size / before)


def judge(
    value: float,
    interval: Interval | None,
    reference: float | None,
    reference_interval: Interval | None,
    *,
    higher_is_better: bool,
    unit: str = "",
    bound: Bound | None = None,
) -> Verdict:
    """Return the verdict on a value that has no test of its own: the z-test of two intervals (`interval_test`).

    Args:
        value: the measured value.
        interval: its 95 % interval; None: the value is exact.
        reference: score of a perfect model; None: not known.
        reference_interval: the scores of 95 % of perfect models; None: the reference is exact.
        higher_is_better: whether values below the reference are short of perfect.
        unit: unit of the value, which chooses the tolerance.
        bound: whether the value is a bound (`decide`).

    Returns:
        The verdict; "no reference" if the value or the reference is missing.

    Examples:
        >>> judge(0.4, (0.3, 0.5), 0.7, (0.6, 0.8), higher_is_better=True)
        'short of perfect'
        >>> judge(0.0, (0.0, 0.0), 0.0, None, higher_is_better=False, bound="lower")
        'undecided'
    """
    if reference is None or math.isnan(value):
        return "no reference"
    test = interval_test(value, interval, reference, reference_interval, unit=unit)
    return decide(test, higher_is_better=higher_is_better, bound=bound)


def far_short(value: float, interval: Interval | None, reference: float | None) -> bool:
    """Return whether the whole interval of a share or a count is below half of its reference.

    Examples:
        >>> far_short(0.4, (0.35, 0.45), 0.95), far_short(0.4, (0.3, 0.5), 0.95)
        (True, False)
    """
    return reference is not None and (value if interval is None else interval[1]) < FAR * reference
