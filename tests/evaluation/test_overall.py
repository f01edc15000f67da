"""The verdict on a table: nothing is praised that is empty, one line long or not decided."""

from typing import Any

import pytest

from tests.mutants import mutated
from veridical.evaluation.measurement import Measurement
from veridical.evaluation.overall import overall
from veridical.verdict import Test


def measured(name: str, difference: float, p: float, half: float = 0.01, **rest: Any) -> Measurement:
    test = Test(difference, (difference - half, difference + half), p, 0.03, 0.05, "exchanges", adjusted=p)
    return Measurement(name, 0.9, "share", 2000, True, reference=0.9, reference_kind="null", test=test, **rest)


GOOD = [measured(name, 0.0, 1.0) for name in "abc"]
OPEN = measured("d", 0.0, 1.0, half=0.2)
SHORT, ODD = measured("e", -0.3, 0.001), measured("f", 0.3, 0.001)
NOTHING = Measurement("g", 0.9, "share", 2000, True)
SILENT = measured("h", 0.0, 1.0, half=0.2, bound="lower")

CASES = [
    ([], "no verdict"),
    ([NOTHING], "no verdict"),
    ([SILENT], "no verdict"),
    ([GOOD[0]], "Only one measurement has a reference, a, and it shows no fault: too little"),
    ([GOOD[0], NOTHING], "Only one measurement"),
    (GOOD, "All 3 measurements are as good as a perfect model's"),
    (GOOD[:2], "Of 2 measurements none shows a difference from a perfect model. A difference beyond the tolerance is"),
    ([*GOOD, OPEN], "No difference is shown, and none excluded, at n = 2,000 for d; about 88,000 examples"),
    ([SHORT], "Of 1 measurements 1 differs from a perfect model's; short of a perfect model: e."),
    ([*GOOD, SHORT, ODD], "Of 5 measurements 2 differ from a perfect model's; short of a perfect model: e; better"),
]


@pytest.mark.parametrize(("found", "text"), CASES, ids=lambda value: value[:20] if isinstance(value, str) else "")
def test_what_is_said_of_a_table(found: list[Measurement], text: str) -> None:
    assert text in overall(found)


MUTANTS = {
    "one line is enough": ("if len(judged) == 1 and not short + odd:", "if False:"),
    "two are enough": (">= FEW", ">= 0"),
    "bounds count": ("and not _silent(x)", ""),
    "faults are good": ("if faults else", "if False else"),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutants_are_found(mutant: str) -> None:
    before, after = MUTANTS[mutant]
    mutant_of = mutated(overall, before, after)
    assert not all(text in mutant_of(found) for found, text in CASES)


def test_long_lists_are_cut() -> None:
    many = [measured(f"m{i}", -0.3, 0.001) for i in range(9)]
    assert "m0, m1, m2, m3 and 5 others" in overall(many)
