"""The one rule of verdicts: who decides, which side is which, and that each clause is needed."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.mutants import mutated
from veridical import verdict
from veridical.evaluation.measurement import Measurement
from veridical.report.measured import read_measured
from veridical.verdict import (
    VERDICTS,
    Test,
    decide,
    detectable,
    equivalent,
    examples_needed,
    far_short,
    interval_test,
    judge,
    resized,
)

CASES: list[tuple[dict[str, Any], str]] = [
    (dict(value=0.4, interval=(0.3, 0.5), reference=0.7, reference_interval=(0.6, 0.8)), "short of perfect"),
    (dict(value=0.9, interval=(0.85, 0.95), reference=0.7, reference_interval=(0.6, 0.8)), "suspicious"),
    # the intervals overlap, and the difference is still 2.1 standard errors
    (dict(value=0.55, interval=(0.45, 0.65), reference=0.7, reference_interval=(0.6, 0.8)), "short of perfect"),
    (dict(value=0.57, interval=(0.47, 0.67), reference=0.7, reference_interval=(0.6, 0.8)), "undecided"),
    (dict(value=2.0, interval=(1, 3), reference=0.0, reference_interval=None, higher=False), "short of perfect"),
    (dict(value=-2.0, interval=(-3, -1), reference=0.0, reference_interval=None, higher=False), "suspicious"),
    (dict(value=0.0, interval=(-1, 1), reference=0.0, reference_interval=None, higher=False), "undecided"),
    (
        dict(value=0.5, interval=(0.47, 0.53), reference=0.5, reference_interval=None, unit="share"),
        "as good as perfect",
    ),
    (dict(value=0.5, interval=(0.4, 0.6), reference=0.5, reference_interval=None, unit="share"), "undecided"),
    (dict(value=50.0, interval=(49, 51), reference=50.0, reference_interval=None), "as good as perfect"),  # 5 %
    (dict(value=0.0, interval=None, reference=0.0, reference_interval=None), "as good as perfect"),  # exactly
    (dict(value=0.83, interval=(0.73, 0.93), reference=0.7, reference_interval=(0.6, 0.8)), "undecided"),
    # the interval is wider on one side: only the side towards the reference counts
    (dict(value=0.5, interval=(0.1, 0.6), reference=0.65, reference_interval=None), "short of perfect"),
    (dict(value=0.0, interval=None, reference=0.0, reference_interval=None, higher=False, bound="lower"), "undecided"),
    (
        dict(value=-2.0, interval=(-3, -1), reference=0.0, reference_interval=None, higher=False, bound="lower"),
        "undecided",
    ),
    (
        dict(value=2.0, interval=(1, 3), reference=0.0, reference_interval=None, higher=False, bound="lower"),
        "short of perfect",
    ),
    *(
        (
            dict(value=v, interval=(v - 0.01, v + 0.01), reference=0.0, reference_interval=None, unit="nats")
            | dict(higher=h, bound=b),
            expected,
        )
        for v, h, b, expected in (
            (2.0, False, "upper", "undecided"),  # the true value may be 0
            (0.005, False, "upper", "as good as perfect"),  # at most that, and none is better
            (-2.0, False, "upper", "suspicious"),
            (2.0, True, "upper", "undecided"),
            (0.005, True, "upper", "undecided"),
            (-2.0, True, "upper", "short of perfect"),
            (2.0, True, "lower", "suspicious"),
            (0.005, True, "lower", "as good as perfect"),
            (-2.0, True, "lower", "undecided"),
        )
    ),
    (dict(value=math.inf, interval=None, reference=0.0, reference_interval=None, higher=False), "short of perfect"),
    (dict(value=-math.inf, interval=(-math.inf, 1.0), reference=0.0, reference_interval=None), "undecided"),
    (dict(value=math.nan, interval=None, reference=0.0, reference_interval=None), "no reference"),
    (dict(value=1.0, interval=None, reference=None, reference_interval=None), "no reference"),
]

MUTANTS = {
    "sides swapped": (decide, "above != higher_is_better", "above == higher_is_better"),
    "the reference has no interval": (
        interval_test,
        "math.hypot(value - low, reference_high - reference)",
        "value - low",
    ),
    "one-sided": (interval_test, "2 * NormalDist", "NormalDist"),
    "the wider side counts": (interval_test, "down if difference > 0 else up", "max(down, up)"),
    "an unknown difference is none": (equivalent, "<= test.tolerance", "< math.inf"),
    "half of the tolerance is demanded": (equivalent, "<= test.tolerance", "<= test.tolerance / 2"),
    "a bound is taken for the value": (decide, 'bound in (None, "lower" if above else "upper")', "True"),
    "an upper bound is a lower one": (decide, '"lower" if above else "upper"', '"upper" if above else "lower"'),
    "a bound that reaches the best decides nothing": (
        decide,
        "if bound is not None and (",
        "if bound is not None or (",
    ),
    "nan is judged": (judge, "or math.isnan(value)", ""),
    "infinite values are finite": (interval_test, "0.0 if apart else 1.0", "1.0"),
}


def agrees(rule: Callable[..., str]) -> bool:
    return all(
        rule(**{k: v for k, v in case.items() if k != "higher"}, higher_is_better=case.get("higher", True)) == expected
        for case, expected in CASES
    )


def test_known_cases() -> None:
    assert agrees(judge) and {expected for _, expected in CASES} == set(VERDICTS)


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutants_are_found(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    function, before, after = MUTANTS[mutant]
    monkeypatch.setattr(verdict, function.__name__, mutated(function, before, after))
    assert not agrees(verdict.judge)


def test_the_adjusted_p_value_decides() -> None:
    test = Test(-0.3, (-0.4, -0.2), 0.01, None, 0.05, "")
    assert decide(test, higher_is_better=True) == "short of perfect"
    assert decide(replace(test, adjusted=0.2), higher_is_better=True) == "undecided"


def test_a_significant_difference_is_one_however_small() -> None:
    tiny = Test(-0.01, (-0.015, -0.005), 0.001, None, 0.05, "")
    assert decide(tiny, higher_is_better=True) == "short of perfect"


def test_examples_needed_fall_with_the_square_of_the_tolerance() -> None:
    test = Test(0.0, (-0.1, 0.1), 1.0, None, 0.05, "")
    few, many = (examples_needed(1000, replace(test, tolerance=t)) for t in (0.1, 0.01))
    assert few is not None and many is not None and many == pytest.approx(100 * few, rel=0.1)
    assert examples_needed(1000, replace(test, tolerance=None)) is None
    assert examples_needed(1000, replace(test, interval=(-0.001, 0.001))) == 1000  # never fewer than there are


def test_the_detectable_difference_is_detected_with_power_point_eight() -> None:
    """10,000 z-tests; the share detected is within .8 +- .016 with probability 1 - 6e-5."""
    size = detectable(1.0)
    assert size is not None
    found = np.abs(np.random.default_rng(0).normal(size, 1.0, 10_000)) > 1.959964
    assert found.mean() == pytest.approx(0.8, abs=0.016)
    smaller = resized(Test(0.0, None, 1.0, size, None, ""), 0.005).detectable
    assert smaller is not None and smaller == pytest.approx(detectable(1.0, 0.005)) and smaller > size


@pytest.mark.parametrize(("changes", "message"), [({"p_value": 1.2}, "p_value"), ({"interval": (1, 0)}, "low <= high")])
def test_nonsense_is_no_test(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(Test(0.0, None, 1.0, None, None, ""), **changes)


@pytest.mark.parametrize("case", [case for case, _ in CASES if not math.isnan(case["value"])], ids=str)
def test_the_evaluation_and_the_report_judge_alike(case: dict[str, Any]) -> None:
    """A row without a verdict of its own is judged on the page as the evaluation would."""
    measured = Measurement(
        "m",
        case["value"],
        case.get("unit", "1"),
        10,
        case.get("higher", True),
        case["interval"],
        reference=case["reference"],
        reference_kind=None if case["reference"] is None else "null",
        reference_interval=case["reference_interval"],
        bound=case.get("bound"),
    )
    row = measured.to_json()
    row.pop("verdict")
    shown = read_measured(row)
    finite = math.isfinite(measured.value)  # the file holds "inf"
    assert shown is not None and (shown.verdict == measured.verdict or measured.bound is not None or not finite)


def test_far_short_is_certainly_below_half() -> None:
    assert far_short(0.44, None, 0.9) and far_short(0.2, (0.1, 0.44), 0.9)
    assert not far_short(0.46, None, 0.9) and not far_short(0.2, (0.1, 0.46), 0.9)
    assert not far_short(0.0, None, None)
