"""The one rule of verdicts: who decides, which side is which, and that each clause is needed."""

import inspect
import math
from collections.abc import Callable
from typing import Any

import pytest

from veridical import verdict
from veridical.evaluation.measurement import Measurement
from veridical.report.measured import read_measured
from veridical.verdict import VERDICTS, far_short, judge

CASES: list[tuple[dict[str, Any], str]] = [
    (dict(value=0.4, interval=(0.3, 0.5), reference=0.7, reference_interval=(0.6, 0.8)), "short of perfect"),
    (dict(value=0.9, interval=(0.85, 0.95), reference=0.7, reference_interval=(0.6, 0.8)), "suspicious"),
    (dict(value=0.4, interval=(0.3, 0.6), reference=0.7, reference_interval=(0.6, 0.8)), "as good as perfect"),
    (dict(value=2.0, interval=(1, 3), reference=0.0, reference_interval=None, higher=False), "short of perfect"),
    (dict(value=-2.0, interval=(-3, -1), reference=0.0, reference_interval=None, higher=False), "suspicious"),
    (dict(value=0.0, interval=(-1, 1), reference=0.0, reference_interval=None, higher=False), "as good as perfect"),
    (dict(value=0.5, interval=(0.1, 0.9), reference=0.6, reference_interval=None, unit="share"), "undecided"),
    (dict(value=0.5, interval=(0.1, 0.9), reference=0.6, reference_interval=None, unit="nats"), "as good as perfect"),
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
        (dict(value=v, interval=(v - 1, v + 1), reference=0.0, reference_interval=None, higher=h, bound=b), expected)
        for v, h, b, expected in (
            (2.0, False, "upper", "undecided"),  # the true value may be 0
            (0.5, False, "upper", "as good as perfect"),  # at most that, and none is better
            (-2.0, False, "upper", "suspicious"),
            (2.0, True, "upper", "undecided"),
            (0.5, True, "upper", "undecided"),
            (-2.0, True, "upper", "short of perfect"),
            (2.0, True, "lower", "suspicious"),
            (0.5, True, "lower", "as good as perfect"),
            (-2.0, True, "lower", "undecided"),
        )
    ),
    (dict(value=math.nan, interval=None, reference=0.0, reference_interval=None), "no reference"),
    (dict(value=1.0, interval=None, reference=None, reference_interval=None), "no reference"),
]

MUTANTS = {
    "sides swapped": ("above != higher_is_better", "above == higher_is_better"),
    "touching decides": ("high < reference_low\n", "high <= reference_low\n"),
    "the width of a share does not matter": ("widest > WIDEST", "widest > 10"),
    "a bound is taken for the value": ("if not shown and", "if False and"),
    "an upper bound is a lower one": ('"upper": below', '"upper": above'),
    "a bound that reaches the best decides nothing": ("(above or below or (", "(True or ("),
    "nan is judged": ("or math.isnan(value)", ""),
}


def agrees(rule: Callable[..., str]) -> bool:
    return all(
        rule(**{k: v for k, v in case.items() if k != "higher"}, higher_is_better=case.get("higher", True)) == expected
        for case, expected in CASES
    )


def test_known_cases() -> None:
    assert agrees(judge) and {expected for _, expected in CASES} == set(VERDICTS)


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutants_are_found(mutant: str) -> None:
    before, after = MUTANTS[mutant]
    source = inspect.getsource(judge)
    assert before in source
    namespace = dict(vars(verdict))
    exec(source.replace(before, after), namespace)
    assert not agrees(namespace["judge"])


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
    assert shown is not None and (shown.verdict == measured.verdict or measured.bound is not None)


def test_far_short_is_certainly_below_half() -> None:
    assert far_short(0.44, None, 0.9) and far_short(0.2, (0.1, 0.44), 0.9)
    assert not far_short(0.46, None, 0.9) and not far_short(0.2, (0.1, 0.46), 0.9)
    assert not far_short(0.0, None, None)
