"""The rule that compares a measured value with its reference. Imports nothing heavy."""

import math
from typing import Literal, get_args

Interval = tuple[float, float]
Verdict = Literal["as good as perfect", "short of perfect", "suspicious", "undecided", "no reference"]
Bound = Literal["lower", "upper"]

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

FAR = 0.5
"""A share or count that is certainly below this fraction of a perfect model's score means mode collapse."""

WIDEST = 0.5
"""If the interval of a share is wider than this, the verdict is "undecided" instead of "as good as perfect"."""


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
    """Compare the 95 % interval of a value with that of its reference; a difference needs disjoint intervals.

    Args:
        value: the measured value.
        interval: its 95 % interval; None: the value is exact.
        reference: score of a perfect model; None: not known.
        reference_interval: the scores of 95 % of perfect models; None: the reference is exact.
        higher_is_better: True: values below the reference are short of perfect and values above are suspicious;
            False: the other way round.
        unit: unit of the value; a share with an interval wider than `WIDEST` is undecided.
        bound: "lower": the true value is at least this large, so a small value decides nothing; "upper": at most, so a
            large one decides nothing. A bound that reaches the best score there is settles that it is reached.

    Returns:
        The verdict; "no reference" if the value or the reference is missing.

    Examples:
        >>> judge(0.4, (0.3, 0.5), 0.7, (0.6, 0.8), higher_is_better=True)
        'short of perfect'
        >>> judge(0.4, (0.3, 0.5), 0.7, (0.5, 0.8), higher_is_better=True)
        'as good as perfect'
        >>> judge(0.0, (0.0, 0.0), 0.0, None, higher_is_better=False, bound="lower")
        'undecided'
        >>> judge(3.0, (2.0, 4.0), 0.0, None, higher_is_better=False, bound="upper")
        'undecided'
    """
    if reference is None or math.isnan(value):
        return "no reference"
    low, high = interval or (value, value)
    reference_low, reference_high = reference_interval or (reference, reference)
    above, below = low > reference_high, high < reference_low
    shown = {"lower": above, "upper": below, None: True}[bound]
    if not shown and (above or below or (bound == "lower") != higher_is_better):
        return "undecided"
    if above or below:
        return "short of perfect" if above != higher_is_better else "suspicious"
    widest = max((b - a for a, b in (i for i in (interval, reference_interval) if i is not None)), default=0.0)
    return "undecided" if unit == "share" and widest > WIDEST else "as good as perfect"


def far_short(value: float, interval: Interval | None, reference: float | None) -> bool:
    """Return whether the whole interval of a share or a count is below half of its reference.

    Examples:
        >>> far_short(0.4, (0.35, 0.45), 0.95), far_short(0.4, (0.3, 0.5), 0.95)
        (True, False)
    """
    return reference is not None and (value if interval is None else interval[1]) < FAR * reference
