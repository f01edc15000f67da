"""Clipped density and coverage: the definition by loops, exact expectations, and values that read as good shares."""

import numpy as np
import pytest
import torch
from scipy import stats

from veridical.evaluation import clipped as page
from veridical.evaluation.clipped import clipped
from veridical.evaluation.clipped_calibration import calibrated, expected_coverage

ALL = torch.ones(1, 40, dtype=torch.bool)


def by_loops(real: torch.Tensor, x: torch.Tensor, k: int) -> tuple[float, float]:
    """Both numbers as the publication defines them, the second before its calibration."""
    own = torch.cdist(real, real)
    radius = own.sort(dim=1).values[:, k]
    small = radius.clamp(max=float(radius.median()))
    d = torch.cdist(real, x)
    density = np.mean([min(1.0, float((d[:, j] <= small).sum()) / k) for j in range(len(x))])
    ideal = [min(1.0, float((own[:, j] <= small).sum() - 1) / k) for j in range(len(real))]  # itself left out
    coverage = np.mean([in_ball(d[i], own[i], i, float(radius[i]), k) / k for i in range(len(real))])
    return float(density / np.mean(ideal)), float(coverage)


def in_ball(d: torch.Tensor, own: torch.Tensor, i: int, radius: float, k: int) -> float:
    """Expected number of samples, at most k, where those at the radius and real examples there are in random order."""
    nearer, edge, tied = int((d < radius).sum()), int((d == radius).sum()), int((own == radius).sum())
    tied -= radius == 0.0  # itself
    place = k - (int((own < radius).sum()) - (radius > 0.0))
    before = np.arange(edge + 1)
    chance = stats.nhypergeom.pmf(before, edge + tied, edge, place) if edge else np.ones(1)
    return float((np.minimum(nearer + before, k) * chance).sum())


@pytest.mark.parametrize("k", [1, 3, 5])
def test_it_is_the_definition(k: int) -> None:
    g = torch.Generator().manual_seed(k)
    real, x = torch.randn(60, 3, generator=g).double(), 0.8 * torch.randn(40, 3, generator=g).double()
    found = clipped(real, x, ALL, k)
    assert (float(found.scores.mean()), float(found.covered[0])) == pytest.approx(by_loops(real, x, k), rel=1e-6)


def test_ties_count_among_real_examples_as_among_samples() -> None:
    """On a lattice more than k rows lie within the radius of a ball: perfect models scored 1.3 to 1.7 and 2.2 there."""
    g = torch.Generator().manual_seed(0)
    real, x = (torch.randint(0, 3, (n, 3), generator=g).double() for n in (60, 40))
    found = clipped(real, x, ALL, 5)
    assert (float(found.scores.mean()), float(found.covered[0])) == pytest.approx(by_loops(real, x, 5), rel=1e-6)


def test_every_labelling_counts_its_own_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    g = torch.Generator().manual_seed(0)
    real, pool = torch.randn(50, 2, generator=g), torch.randn(40, 2, generator=g)
    labels = torch.rand(6, 40, generator=g) < 0.5
    expected = [
        float(clipped(real, pool[row], torch.ones(1, int(row.sum()), dtype=torch.bool)).covered) for row in labels
    ]
    for dense in (0.0, 1.0):  # the dense and the sparse product
        monkeypatch.setattr(page, "_DENSE", dense)
        assert clipped(real, pool, labels).covered.tolist() == pytest.approx(expected, rel=1e-12)
        assert clipped(real, pool, ~labels).covered_by_others.tolist() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("m", [1, 4, 30])
def test_the_expectation_is_beta_binomial(m: int) -> None:
    j = np.arange(m + 1)
    exact = (np.minimum(j, 5) * stats.betabinom.pmf(j, m, 5, 35)).sum() / 5
    assert expected_coverage(float(m), 40) == pytest.approx(exact, rel=1e-10)
    assert expected_coverage(0.0, 40) == 0.0


@pytest.mark.parametrize("share", [1.0, 0.7, 0.3])
def test_values_read_as_the_share_of_good_samples(share: float) -> None:
    # 20 repetitions at n = 500, d = 4: the mean of either number has a standard error below .012; four of them.
    g, found = torch.Generator().manual_seed(1), []
    for _ in range(20):
        real, x = torch.randn(500, 4, generator=g), torch.randn(500, 4, generator=g)
        x[int(500 * share) :] += 1000.0
        one = clipped(real, x, torch.ones(1, 500, dtype=torch.bool))
        found.append((float(one.scores.mean()), float(calibrated(one.covered.numpy(), 500, 500)[0])))
    assert np.mean(found, axis=0) == pytest.approx([share, share], abs=0.05)


def test_an_outlier_of_the_data_makes_no_sample_good() -> None:
    # Its ball holds all the junk around it: plain density counts it, clipped radii do not.
    g = torch.Generator().manual_seed(2)
    real = torch.cat([torch.randn(200, 2, generator=g), torch.tensor([[100.0, 0.0]])])
    junk = torch.tensor([60.0, 0.0]) + torch.randn(100, 2, generator=g)
    assert float(clipped(real, junk, torch.ones(1, 100, dtype=torch.bool)).scores.max()) == 0.0


def test_too_few_real_examples_are_refused() -> None:
    with pytest.raises(ValueError, match="use more than 5"):
        expected_coverage(3.0, 5)
