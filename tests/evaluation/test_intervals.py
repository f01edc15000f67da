"""Intervals of means: Student's, widened by an error that all draws share; none where a draw is infinite."""

import math

import pytest
import torch

from veridical.evaluation.intervals import mean_or_none, standard_error

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
