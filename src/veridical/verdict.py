"""The one rule by which a measured value is judged beside its reference. Imports nothing heavy."""

import math
from typing import Literal, get_args

Interval = tuple[float, float]
Verdict = Literal["as good as perfect", "short of perfect", "suspicious", "undecided", "no reference"]
Bound = Literal["lower", "upper"]

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

FAR = 0.5
"""Share of a perfect model's score, certainly below which a model is called collapsed, and is not to be trusted."""

WIDEST = 0.5
"""Width of an interval of a share above which too little is known to praise."""


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
    """Judge a value by its own 95 % interval and that of its reference: only disjoint intervals decide.

    Args:
        value: what was measured.
        interval: what resampling would give; None: exactly the value.
        reference: what a perfect model scores; None: not known.
        reference_interval: where 95 % of perfect models score; None: exactly at the reference.
        higher_is_better: which side of the reference is short of perfect; the other is suspicious.
        unit: of the value; a share of which an interval covers more than half of all there are is undecided.
        bound: the value is a lower bound of what is meant; one that shows no fault decides nothing.

    Returns:
        The verdict; "no reference" where there is none, or no value.

    Examples:
        >>> judge(0.4, (0.3, 0.5), 0.7, (0.6, 0.8), higher_is_better=True)
        'short of perfect'
        >>> judge(0.4, (0.3, 0.5), 0.7, (0.5, 0.8), higher_is_better=True)
        'as good as perfect'
        >>> judge(0.0, (0.0, 0.0), 0.0, None, higher_is_better=False, bound="lower")
        'undecided'
    """
    if reference is None or math.isnan(value):
        return "no reference"
    low, high = interval or (value, value)
    reference_low, reference_high = reference_interval or (reference, reference)
    if bound == "lower" and not higher_is_better and not low > reference_high:
        return "undecided"
    if low > reference_high or high < reference_low:
        return "short of perfect" if (low > reference_high) != higher_is_better else "suspicious"
    widest = max((b - a for a, b in (i for i in (interval, reference_interval) if i is not None)), default=0.0)
    return "undecided" if unit == "share" and widest > WIDEST else "as good as perfect"


def far_short(value: float, interval: Interval | None, reference: float | None) -> bool:
    """Tell whether a share or a count is certainly below half of its reference: the whole interval is.

    Examples:
        >>> far_short(0.4, (0.35, 0.45), 0.95), far_short(0.4, (0.3, 0.5), 0.95)
        (True, False)
    """
    return reference is not None and (value if interval is None else interval[1]) < FAR * reference
