"""The variance from halves: exact for means and for degenerate statistics, right for neighbours; mutants at the end."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from veridical.evaluation.halves import Parts, normal_interval, sampling_variance, share_interval


def of_parts(statistic: Callable[[torch.Tensor, torch.Tensor], Any]) -> Parts:
    """Return a statistic of parts from one of the rows of both samples."""
    return lambda x, y, parts: [np.asarray(statistic(x == part, y == part)) for part in range(parts)]


def test_the_variance_of_a_mean_is_exact_on_average() -> None:
    """Over 200 samples of 80 the mean estimate is within 10 % (standard error 2.5 %) of 1/80."""
    x = torch.randn(200, 80, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = sampling_variance(of_parts(lambda a, b: x[:, a].mean(dim=1)), 80, 80, seed=0, splits=20)
    assert found.mean() == pytest.approx(1 / 80, rel=0.1)


def test_the_variance_of_a_degenerate_statistic_is_exact_on_average() -> None:
    """The unbiased square of the mean in 50 dimensions has variance 100/(n(n-1)): order 1/n², not 1/n."""
    n, d = 80, 50
    x = torch.randn(100, n, d, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def statistic(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        rows = x[:, a]
        k = rows.shape[1]
        return (rows.sum(dim=1).square() - rows.square().sum(dim=1)).sum(dim=1) / (k * (k - 1))

    found = sampling_variance(of_parts(statistic), n, n, seed=0, splits=30).mean()
    assert found == pytest.approx(2 * d / (n * (n - 1)), rel=0.15)  # halves alone, scaled by 1/n, give twice as much


def test_both_samples_count() -> None:
    x, y = torch.randn(64, generator=torch.Generator().manual_seed(2)).double(), torch.zeros(64).double()
    of_x = sampling_variance(of_parts(lambda a, b: [x[a].mean() - y[b].mean()]), 64, 64, seed=0)
    of_y = sampling_variance(of_parts(lambda a, b: [y[a].mean() - x[b].mean()]), 64, 64, seed=0)
    assert of_x[0] > 0.004 and of_y[0] > 0.004


def test_equal_seeds_give_equal_variances_and_too_few_rows_are_refused() -> None:
    x = torch.arange(16.0)
    first, second = (sampling_variance(of_parts(lambda a, b: [x[a].mean()]), 16, 16, seed=3) for _ in range(2))
    assert np.array_equal(first, second)
    with pytest.raises(ValueError, match="at least 8"):
        sampling_variance(of_parts(lambda a, b: [0.0]), 7, 16, seed=0)


def test_intervals_stay_in_range_and_a_share_of_independent_examples_has_wilsons() -> None:
    assert normal_interval(0.1, 1.0, least=0.0)[0] == 0.0
    low, high = share_interval(0.5, 1 / 400)
    assert (high - low) / 2 == pytest.approx(2.131 * math.sqrt(0.25 / 400), rel=0.01)
    low, high = share_interval(1.0, 1 / 100)
    assert high == 1.0 and 0.94 < low < 0.97


def test_a_share_has_its_variance_in_units_of_p_times_one_minus_p() -> None:
    x = (torch.rand(200, 80, generator=torch.Generator().manual_seed(5)) < 0.2).double()
    found = [
        sampling_variance(of_parts(lambda a, b, row=row: [row[a].mean()]), 80, 80, seed=0, splits=20, shares=np.ones(1))
        for row in x
    ]
    assert np.mean(found) == pytest.approx(1 / 80, rel=0.1)


def test_larger_samples_have_the_variance_of_their_size() -> None:
    """A mean has a quarter of its variance at four times the size."""
    x = torch.randn(500, 80, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    found = sampling_variance(of_parts(lambda a, b: x[:, a].mean(dim=1)), 80, 80, seed=0, splits=20, times=4.0)
    assert found.mean() == pytest.approx(1 / 320, rel=0.1)


def test_a_share_of_no_example_has_the_interval_of_independent_ones() -> None:
    """Mutant: without variance in any part the interval of 0 in 2,000 was 0 to 5e-12."""
    none = sampling_variance(of_parts(lambda a, b: [0.0]), 400, 400, seed=0, times=5.0, shares=np.array([True]))
    assert none[0] == pytest.approx(1 / 2_000)
    low, high = share_interval(0.0, none[0])
    assert low == 0.0 and 0.001 < high < 0.003
