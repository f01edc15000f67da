"""Fréchet distance: closed forms, scipy's matrix root, its bias, and the coverage of its interval."""

import math
import tracemalloc

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor

from tests.mutants import mutated
from veridical.evaluation import frechet as page
from veridical.evaluation.frechet import (
    GaussianFit,
    Moments,
    distance_of_fits,
    distance_of_moments,
    frechet_distance,
    frechet_limit,
    frechet_slope,
    frechet_with_interval,
)
from veridical.evaluation.kernel import null_slope


def features(n: int, d: int, seed: int, shift: float = 0.0) -> Tensor:
    """Non-negative, correlated, not Gaussian: like those of a network."""
    g = torch.Generator().manual_seed(seed)
    mix = torch.randn(d // 2, d, generator=torch.Generator().manual_seed(99), dtype=torch.float64)
    return ((torch.randn(n, d // 2, generator=g, dtype=torch.float64) + shift) @ mix).relu()


def by_sqrtm(x: Tensor, y: Tensor) -> float:
    a, b = x.numpy(), y.numpy()
    root = scipy.linalg.sqrtm(np.cov(a.T) @ np.cov(b.T))
    gap = a.mean(0) - b.mean(0)
    return float(gap @ gap + np.trace(np.cov(a.T)) + np.trace(np.cov(b.T)) - 2 * np.trace(root).real)


def test_it_agrees_with_scipy() -> None:
    x, y = features(400, 32, 0), features(300, 32, 1, shift=0.3)
    assert frechet_distance(x, y) == pytest.approx(by_sqrtm(x, y), rel=1e-9)
    assert frechet_with_interval(GaussianFit(x), GaussianFit(y)).value == pytest.approx(by_sqrtm(x, y), rel=1e-9)


def test_commuting_gaussians_have_a_closed_form() -> None:
    a, b = np.array([1.0, 4.0, 9.0]), np.array([4.0, 1.0, 0.0])
    expected = 3.0 + ((np.sqrt(a) - np.sqrt(b)) ** 2).sum()
    assert distance_of_moments(np.zeros(3), np.diag(a), np.ones(3), np.diag(b)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("n", "m"), [(20, 20), (20, 100), (100, 20), (65, 64)])
def test_fewer_examples_than_features(n: int, m: int) -> None:
    # The exact distance of singular fits: nuclear norm of the product of the centred examples.
    x, y = features(n, 64, 2), features(m, 64, 3, shift=0.5)
    a, b = (x - x.mean(0)).numpy() / math.sqrt(n - 1), (y - y.mean(0)).numpy() / math.sqrt(m - 1)
    nuclear = float(np.sum(scipy.linalg.svdvals(a @ b.T)))
    gap = float((x.mean(0) - y.mean(0)).square().sum())
    expected = gap + (a**2).sum() + (b**2).sum() - 2 * nuclear
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-6)
    assert frechet_with_interval(GaussianFit(x), GaussianFit(y)).value == pytest.approx(expected, rel=1e-6)


def test_dead_and_doubled_features_do_no_harm() -> None:
    x, y = features(300, 16, 4), features(300, 16, 5, shift=0.3)
    dead = torch.zeros(300, 3, dtype=torch.float64)
    wide = [torch.cat([z, dead, z[:, :4]], dim=1) for z in (x, y)]
    assert frechet_distance(*wide) == pytest.approx(by_sqrtm(x, y) + _of_doubled(x, y), rel=1e-5)
    estimate = frechet_with_interval(GaussianFit(wide[0]), GaussianFit(wide[1]))
    assert math.isfinite(estimate.interval[1]) and estimate.value == pytest.approx(frechet_distance(*wide))


def _of_doubled(x: Tensor, y: Tensor) -> float:
    """What doubling the first four features adds, from the nuclear norm in exact arithmetic of small matrices."""
    z = [torch.cat([v, v[:, :4]], dim=1) for v in (x, y)]
    a, b = ((v - v.mean(0)).numpy() / math.sqrt(len(v) - 1) for v in z)
    gap = float((z[0].mean(0) - z[1].mean(0)).square().sum())
    return gap + (a**2).sum() + (b**2).sum() - 2 * float(np.sum(scipy.linalg.svdvals(a @ b.T))) - by_sqrtm(x, y)


def test_equal_samples_are_at_zero() -> None:
    x = features(500, 16, 6)
    assert frechet_distance(x, x) == pytest.approx(0.0, abs=1e-9)


def test_moments_are_those_of_all_rows() -> None:
    x = features(3000, 16, 7) + 1e4  # far from zero: a sum of squares would lose half its digits
    moments = Moments(16)
    for chunk in x.split([1, 7, 1000, 1992]):
        moments.update(chunk)
    assert moments.n == 3000
    np.testing.assert_allclose(moments.mean, x.mean(0), rtol=1e-13)
    np.testing.assert_allclose(moments.covariance, np.cov(x.numpy().T), rtol=1e-9, atol=1e-9)


def test_memory_is_bounded_by_matrices_not_rows() -> None:
    # 40,000 x 128 single-precision rows are 20 MB and would be 41 MB in double; chunks and three matrices are 3 MB.
    x = features(1, 128, 8).float().expand(40_000, 128) * torch.linspace(0.5, 2, 40_000)[:, None]
    tracemalloc.start()
    Moments(128).update(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6


@pytest.mark.parametrize("case", ["equal laws", "wider", "shifted", "features"])
def test_the_interval_covers_the_expectation(case: str) -> None:
    # 150 repetitions, nominal 95 %: below 88 % with probability 2e-4. Widths measured with two sets of seeds, in
    # multiples of the true one: .90 to .93, .93 to .96, .96 to 1.12, and 1.36 for equal laws, where halves overstate
    # the noise of the map in 16 dimensions at n = 200 (they cover 1.00). The first order alone is 1.4 times too wide.
    n, d, values = 200, 16, []
    for seed in range(150):
        g = torch.Generator().manual_seed(1000 + seed)
        x, y = torch.randn(2, n, d, generator=g, dtype=torch.float64)
        y = {"equal laws": y, "wider": 1.3 * y, "shifted": y + 0.3, "features": features(n, d, seed, 0.3)}[case]
        x = features(n, d, 5000 + seed) if case == "features" else x
        values.append(frechet_with_interval(GaussianFit(x), GaussianFit(y)))
    expectation = np.mean([v.value for v in values])
    covered = np.mean([v.interval[0] <= expectation <= v.interval[1] for v in values])
    assert 0.88 <= covered
    spread = np.std([v.value for v in values])
    assert (
        np.median([v.interval[1] - v.interval[0] for v in values]) / 3.92
        <= (1.4 if case == "equal laws" else 1.2) * spread
    )


def test_a_collapsed_model_has_an_interval_that_covers() -> None:
    """At a point 6 away the maps of halves agree: the variance between equal distributions is estimated as 0 or less.

    It was for half of the draws, whose interval then had no width. 200 draws, expected .95; .90 is three standard
    errors below.
    """
    found = []
    for seed in range(200):
        g = torch.Generator().manual_seed(seed)
        x, y = (scale * torch.randn(100, 4, generator=g, dtype=torch.float64) for scale in (1.0, 1e-3))
        found.append(frechet_with_interval(GaussianFit(x), GaussianFit(y + 3.0)))
    mean = np.mean([each.value for each in found])
    assert np.mean([low < mean < high for low, high in (each.interval for each in found)]) > 0.90


def test_few_examples_in_many_dimensions_have_an_interval_as_wide_as_the_spread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Halves of 50 examples span no 64 dimensions: by maps between them the interval was 100,000 times too wide.

    30 repetitions: fewer than 80 % cover with probability 1e-3 at the .92 measured over six cases.
    """
    g = torch.Generator().manual_seed(0)
    mix = torch.randn(64, 64, generator=g, dtype=torch.float64) / 8 * torch.linspace(2.0, 0.1, 64)
    drawn = torch.randn(30, 140, 64, generator=g, dtype=torch.float64) @ mix

    def intervals(k: int) -> np.ndarray:
        found = [page.frechet_with_interval(GaussianFit(x[50:]), GaussianFit(0.8 * x[:50])) for x in drawn[:k]]
        return np.array([(v.value, *v.interval) for v in found])

    value, low, high = intervals(30).T
    assert 0.5 <= np.median(high - low) / 3.92 / value.std() <= 2.0
    assert np.mean((low <= value.mean()) & (value.mean() <= high)) >= 0.8
    monkeypatch.setattr(page, "_FEW", 0)
    assert np.median(np.diff(intervals(2)[:, 1:])) > 1_000 * value.std()


def test_the_interval_covers_where_one_direction_has_most_of_the_variance(monkeypatch: pytest.MonkeyPatch) -> None:
    """150 repetitions at a coverage of 95 %: below 88 % with probability 2e-4.

    Mutant: noise of the map without the sign of its first order (.80 here, .82 on spins).
    """
    drawn = torch.randn(300, 100, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    drawn[..., 0] = 6 * torch.sign(drawn[..., 0])  # as the magnetisation of spins

    def covered() -> float:
        found = [page.frechet_with_interval(GaussianFit(x), GaussianFit(y)) for x, y in drawn.split(2)]
        expectation = np.mean([v.value for v in found])
        return float(np.mean([v.interval[0] <= expectation <= v.interval[1] for v in found]))

    assert covered() >= 0.88
    wrong = mutated(page.frechet_with_interval, "min(first, whole)", "min(max(first, 0.0), whole)")
    monkeypatch.setattr(page, "frechet_with_interval", wrong)
    assert covered() < 0.88


def test_near_zero_it_is_the_distance_of_means_under_a_kernel() -> None:
    """Equal variances 1 in d = 2: eigenvalues 1, 1 of the mean and 1/2 three times of the covariance."""
    fit = GaussianFit(torch.randn(4000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    gram = page._tangent_kernel(fit)
    assert float(gram.diagonal().mean() - gram.mean()) == pytest.approx(3.5, rel=0.25)
    assert null_slope(gram) == pytest.approx(4 * (2 + 3 / 8) / (2 + 3 / 4), rel=0.25)


def test_bias_is_that_of_the_delta_method_and_halves_remove_it() -> None:
    # Equal Gaussian laws: FD n -> b_x + b_y with b = 1.25 tr S + .5 sum l_i l_j / (l_i + l_j) each.
    n, d, repeats = 500, 16, 60
    scale = torch.linspace(0.5, 2.0, d, dtype=torch.float64)
    l = scale.square()  # noqa: E741
    bias = float(2 * (1.25 * l.sum() + 0.5 * (l[:, None] * l / (l[:, None] + l)).sum()) / n)
    raw, limit = [], []
    for seed in range(repeats):
        g = torch.Generator().manual_seed(seed)
        x, y = torch.randn(2, n, d, generator=g, dtype=torch.float64) * scale
        raw.append(frechet_distance(x, y))
        limit.append(frechet_limit(x, y, g))
    # second order in 1/n and the standard error over 60 repetitions: within 5 % of the bias
    assert np.mean(raw) == pytest.approx(bias, rel=0.05)
    assert abs(np.mean(limit)) < 0.05 * bias


def test_the_slope_predicts_another_size() -> None:
    reference = GaussianFit(torch.randn(5000, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    at = {400: [], 800: []}
    predicted = []
    for seed in range(60):
        g = torch.Generator().manual_seed(seed + 1)
        y = torch.randn(800, 16, generator=g, dtype=torch.float64)
        at[800].append(distance_of_fits(reference, GaussianFit(y)))
        at[400].append(distance_of_fits(reference, GaussianFit(y[:400])))
        predicted.append(at[800][-1] + frechet_slope(reference, GaussianFit(y), g) * (1 / 400 - 1 / 800))
    assert np.mean(predicted) == pytest.approx(np.mean(at[400]), rel=0.05)


def test_what_has_no_distance_is_refused() -> None:
    with pytest.raises(ValueError, match="at least two"):
        frechet_distance(torch.ones(1, 3), torch.ones(4, 3))
    with pytest.raises(ValueError, match="one extractor"):
        frechet_distance(torch.rand(5, 3), torch.rand(5, 4))
    with pytest.raises(ValueError, match="not finite"):
        frechet_distance(torch.full((5, 3), torch.nan), torch.rand(5, 3))
