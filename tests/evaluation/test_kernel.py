"""Kernel distance: the definition by loops, no bias, standard errors that are those of repetition."""

import numpy as np
import pytest
import torch

from tests.mutants import mutated
from veridical.evaluation import kernel
from veridical.evaluation.kernel import (
    KernelDistance,
    KernelSample,
    kernel_distance,
    null_slope,
    squared_distance_interval,
)


def distance(x: torch.Tensor, y: torch.Tensor) -> KernelDistance:
    return kernel_distance(KernelSample(x), KernelSample(y))


def test_it_is_the_definition() -> None:
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(7, 3, generator=g).double(), torch.randn(5, 3, generator=g).double() + 0.5

    def k(a: torch.Tensor, b: torch.Tensor) -> float:
        return float((a @ b / 3 + 1) ** 3)

    xx = np.mean([k(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j])
    yy = np.mean([k(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j])
    xy = np.mean([k(a, b) for a in x for b in y])
    assert distance(x, y).value == pytest.approx(xx + yy - 2 * xy, rel=1e-12)


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    g = torch.Generator().manual_seed(1)
    x, y = torch.randn(50, 4, generator=g), torch.randn(33, 4, generator=g)
    whole = distance(x, y)
    monkeypatch.setattr(kernel, "_BLOCK_VALUES", 7)
    parts = distance(x, y)
    assert (parts.value, *parts.interval) == pytest.approx((whole.value, *whole.interval), rel=1e-9)


@pytest.mark.parametrize(("shift", "n", "m"), [(0.0, 200, 200), (0.0, 300, 100), (0.15, 200, 300)])
def test_the_interval_covers(shift: float, n: int, m: int) -> None:
    # 250 repetitions: coverage of 95 % measured below 89 %: probability 1e-4. The estimate has a skewed distribution
    # near 0, so the sides are not alike: with three seeds the lower one was .92 to 1.10 times 1.96 standard deviations
    # for equal distributions (.60 to .63 for the shift), the upper one 2.07 to 2.50 (1.45 to 1.55), as distances just
    # above 0 need; the share of intervals that hold was .94 to .98.
    g, results = torch.Generator().manual_seed(2), []
    for _ in range(250):
        x, y = torch.randn(n, 8, generator=g).relu(), (torch.randn(m, 8, generator=g) + shift).relu()
        results.append(distance(x, y))
    values, (low, high) = np.array([r.value for r in results]), np.array([r.interval for r in results]).T
    spread = values.std()
    assert np.mean((low <= values.mean()) & (values.mean() <= high)) >= 0.89
    lower, upper = (float(np.median(side)) / (1.96 * spread) for side in (values - low, high - values))
    least, most, widest = (0.85, 1.2, 2.6) if shift == 0.0 else (0.55, 0.7, 1.65)
    assert least <= lower <= most <= upper <= widest
    if shift == 0.0:
        assert abs(values.mean()) <= 4 * spread / 250**0.5  # unbiased
        nulls = np.mean([r.null_error for r in results])
        assert 0.8 * spread <= nulls <= 1.25 * spread


def test_a_large_mean_of_the_features_does_not_widen_the_interval() -> None:
    """With an offset of 100 deviations almost all of the kernel is constant: without landmarks, 6 times too wide."""
    g, results = torch.Generator().manual_seed(3), []
    for _ in range(60):
        x, y = torch.randn(150, 4, generator=g).double() + 100, torch.randn(150, 4, generator=g).double() + 100
        results.append(distance(x, y))
    spread = np.std([r.value for r in results])
    widths = [r.interval[1] - r.interval[0] for r in results]
    assert (
        0.6 * spread <= np.median(widths) / 3.92 <= 3.5 * spread
    )  # without an offset 2.1, at 1 2.4, at 100 2.3 to 3.2
    lower = np.median([r.value - r.interval[0] for r in results]) / (1.96 * spread)
    assert 0.85 <= lower <= 1.5  # .94 to 1.24: the width is all above, where one direction, the mean, has the variance


def test_an_estimate_that_is_too_small_by_chance_has_no_smaller_error() -> None:
    """In one dimension (d + e)² - v is 0 on average for d = 0: its interval holds at 0 and below."""
    low, high = squared_distance_interval(-1.0, 0.0, 2.0, 4.0)
    assert low < -1.0 < 0 < high  # the estimate too: with the variance at negative distances it began at -.5
    assert squared_distance_interval(100.0, 400.0, 2.0, 4.0) == pytest.approx((67.7, 147.7), abs=0.5)


def test_far_away_the_first_order_alone_is_an_error() -> None:
    """By chance the estimated variance between equal distributions is 0; the interval is not that of no error.

    Mutant: a slope of 0 then, as it was, with which a Fréchet distance of 11.76 had an interval of no width.
    """
    far = squared_distance_interval(100.0, 400.0, 0.0, 4.0)
    assert far == pytest.approx(squared_distance_interval(100.0, 400.0, 1e-18, 4.0))
    assert far == pytest.approx((67.7, 147.7), abs=0.5)
    assert squared_distance_interval(0.0, 0.0, 0.0, 4.0) == (0.0, 0.0)
    mutant = mutated(squared_distance_interval, "if size > 0", "if spread > 0")
    assert mutant(100.0, 400.0, 0.0, 4.0) == (100.0, 100.0)


def test_near_zero_the_variance_grows_as_the_cube_of_the_covariance_says() -> None:
    """One direction of variance 9 and 40 of 1, linear kernel: 4 tr S³ / tr S² = 4 (729 + 40) / (81 + 40) = 25.4.

    600 rows: standard error 2. Mutant: with 4 tr S² / tr S = 9.9 distances on spins covered .82 in place of .95.
    """
    x = torch.randn(600, 41, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    x[:, 0] *= 3.0
    assert null_slope(x @ x.T + 5.0) == pytest.approx(25.4, abs=8.0)
    mutant = mutated(null_slope, "max(cube / square, square / trace)", "square / trace")
    assert mutant(x @ x.T) == pytest.approx(9.9, abs=3.0)
    assert null_slope(torch.ones(5, 5)) == 0.0


def test_other_features_are_refused() -> None:
    with pytest.raises(ValueError, match="one extractor"):
        distance(torch.rand(5, 3), torch.rand(5, 4))
    with pytest.raises(ValueError, match="at least four"):
        KernelSample(torch.rand(3, 3))
