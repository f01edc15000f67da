"""How numbers are written: figures, powers, durations and intervals at their boundaries."""

import math

import pytest

from veridical.report.numbers import bounds_of, duration, figures, interval, number_of, power_of_ten


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.001, "0.001"),
        (0.000999, "9.99×10⁻⁴"),
        (999.94, "999.9"),
        (1000.4, "1,000"),
        (-1e7, "−1×10⁷"),
        (9_999_999.0, "9,999,999"),
        (-3, "−3"),
        (True, "True"),
        (-math.inf, "−∞"),
    ],
)
def test_figures(value: object, text: str) -> None:
    assert figures(value) == text


def test_powers() -> None:
    assert [power_of_ten(e) for e in (-12, 0, 30)] == ["10⁻¹²", "1", "10³⁰"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (59.94, "59.9 s"),
        (60, "1 min 00 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 00 min"),
        (86400, "1 d 0 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_intervals_are_put_in_order_and_others_are_none() -> None:
    assert bounds_of([2, 1]) == (1.0, 2.0) and interval([2, 1]) == "1 to 2"
    assert [bounds_of(v) for v in ([1], [1, None], "ab", [1, math.inf])] == [None] * 4
    assert number_of(True) is None and number_of("1") is None and number_of(2) == 2.0
