"""Runs side by side."""

import re

from veridical.report.compare import compare_runs
from veridical.report.measured import Measured, read_measured


def measured(value: object, interval: object = None, higher: bool = True, **more: object) -> Measured:
    row = {"name": "m", "value": value, "interval": interval, "higher_is_better": higher, **more}
    found = read_measured(row)
    assert found is not None
    return found


def places(svg: str) -> dict[str, float]:
    return {
        "value": float(re.findall(r'class="value" cx="([\d.]+)"', svg)[0]),
        "tick": float(re.findall(r'class="tick" x1="([\d.]+)"', svg)[0]),
    }


def test_best_and_tied() -> None:
    runs = [[measured(0.5, [0.45, 0.55])], [measured(0.58, [0.53, 0.63])], [measured(0.3, [0.25, 0.35])], []]
    (row,) = compare_runs(runs)
    assert [(cell.best, cell.tied) for cell in row.cells] == [
        (False, True),
        (True, False),
        (False, False),
        (False, False),
    ]
    lower = [[measured(float(i), higher=False)] for i in (3, 1, 2)]
    assert [cell.best for cell in compare_runs(lower)[0].cells] == [False, True, False]


def test_no_best_among_equals_and_none_that_is_suspicious() -> None:
    assert not any(cell.best for cell in compare_runs([[measured(0.5)], [measured(0.5)]])[0].cells)
    too_good = measured(0.99, reference=0.9)
    row = compare_runs([[too_good], [measured(0.8, reference=0.9)], [measured(0.7, reference=0.9)]])[0]
    assert [cell.best for cell in row.cells] == [False, True, False]


def test_a_row_of_the_comparison_has_one_scale() -> None:
    row = compare_runs([[measured(0.0, reference=1.0)], [measured(0.5, reference=1.0)]])[0]
    assert [places(cell.bar) for cell in row.cells] == [{"value": 8.0, "tick": 192.0}, {"value": 100.0, "tick": 192.0}]
