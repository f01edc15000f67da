"""Intervals of means: Student's, widened by an error that all draws share; none where a draw is infinite."""

import math

import pytest
import scipy.stats
import torch

from veridical.evaluation.intervals import mean_or_none, mean_test, standard_error

X = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)


def test_the_standard_error_is_s_over_root_n() -> None:
    assert standard_error(X) == pytest.approx(1 / math.sqrt(3))


def test_the_interval_is_students() -> None:
    assert mean_or_none(X) == pytest.approx((2 - 4.302653 / math.sqrt(3), 2 + 4.302653 / math.sqrt(3)), rel=1e-6)


def test_a_shared_error_adds_in_squares() -> None:
    low, high = mean_or_none(X, shared=3.0) or (0.0, 0.0)
    assert (low + high) / 2 == pytest.approx(2)
    assert ((high - low) / 2) ** 2 == pytest.approx(4.302653**2 / 3 + (1.96 * 3) ** 2, rel=1e-6)


def test_an_infinite_draw_leaves_no_interval() -> None:
    assert mean_or_none(torch.tensor([0.0, -math.inf])) is None
    assert mean_or_none(torch.tensor([0.0, math.nan])) is None


def test_paired_differences_are_tested_at_the_stated_level() -> None:
    """Two thousand tests of true nulls: a share of 5 %, within four standard errors (false alarm 6e-5)."""
    random = torch.Generator().manual_seed(0)
    p = [mean_test(torch.randn(20, generator=random), method="").p_value for _ in range(2000)]
    assert abs(sum(value < 0.05 for value in p) / 2000 - 0.05) < 4 * (0.05 * 0.95 / 2000) ** 0.5


def test_the_paired_test_is_that_of_scipy() -> None:
    x = torch.randn(30, generator=torch.Generator().manual_seed(1)).double() + 0.4
    test, known = mean_test(x, method="paired"), scipy.stats.ttest_1samp(x.numpy(), 0.0)
    assert test.p_value == pytest.approx(known[1])
    assert test.difference == pytest.approx(float(x.mean()))
    low, high = known.confidence_interval()
    assert test.interval == pytest.approx((low, high)) and test.tolerance == 0.1


def test_an_error_that_all_share_is_no_difference() -> None:
    x = 1e-6 + 1e-9 * torch.randn(1000, generator=torch.Generator().manual_seed(2)).double()
    assert mean_test(x, method="").p_value < 1e-9
    assert mean_test(x, 1e-6, method="").p_value > 0.3


def test_differences_that_are_all_zero_are_none_and_infinite_ones_are_found() -> None:
    assert mean_test(torch.zeros(5), method="").p_value == 1.0
    infinite = mean_test(torch.tensor([1.0, torch.inf]), method="")
    assert infinite.p_value == 0.0 and infinite.interval is None
