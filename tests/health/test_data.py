"""Findings about the data."""

from tests.health.rows import feed

from veridical.health.data import Outlier, RepeatedData


def test_data_are_judged_once_at_the_first_row() -> None:
    (found,) = feed(Outlier(3e4), loss=[1.0] * 30)
    assert found.step == 50 and "3e+04 times" in found.message
    assert feed(Outlier(8.0), loss=[1.0] * 30) == []
    assert len(feed(RepeatedData(0.001), loss=[1.0] * 30)) == 1
    assert feed(RepeatedData(0.9), loss=[1.0] * 30) == []
