"""Intervals of precision, recall, density and coverage: parts are measured as samples are, and the intervals cover."""

import numpy as np
import pytest
import torch

from veridical.evaluation import manifold_intervals as page
from veridical.evaluation.manifold import Manifold, Sample, manifold
from veridical.evaluation.manifold_intervals import manifold_intervals


@pytest.mark.parametrize("lattice", [False, True])
def test_parts_are_measured_as_samples_of_their_own(lattice: bool) -> None:
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(240, 3, generator=g), 0.8 * torch.randn(240, 3, generator=g)
    if lattice:  # many distances are equal, more than are listed
        x, y = x.sign(), y.sign()
    lists = page.neighbour_lists(x, y)
    a, b = torch.randperm(240, generator=g) % 4, torch.randperm(240, generator=g) % 4
    found = page._parts(lists, a.numpy(), b.numpy(), 4, 3, 5)
    for part in range(4):
        expected = manifold(Sample(x[a == part], 3, 5), Sample(y[b == part], 3, 5))
        assert Manifold(*found[part]) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("d", "scale"), [(2, 1.0), (16, 0.8)])
def test_intervals_cover_the_expectation(d: int, scale: float) -> None:
    """60 repetitions of four intervals: fewer than 51 of 60 has probability 1e-3 each at 95 %; the seed is fixed."""
    g, values, intervals = torch.Generator().manual_seed(2), [], []
    for _ in range(60):
        x, y = torch.randn(400, d, generator=g), scale * torch.randn(400, d, generator=g)
        values.append(manifold(Sample(x), Sample(y)))
        intervals.append(manifold_intervals(x, y, values[-1]))
    values, (low, high) = np.array(values), np.array(intervals).transpose(2, 0, 1)
    covered = ((low <= values.mean(axis=0)) & (values.mean(axis=0) <= high)).mean(axis=0)
    assert (covered >= 0.85).all()
    assert (np.median(high - low, axis=0) <= 6 * values.std(axis=0)).all()


def test_large_samples_have_narrower_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variance of 200 of 800 rows, at the full size, is that of all within a factor of two."""
    g = torch.Generator().manual_seed(3)
    x, y = torch.randn(800, 4, generator=g), torch.randn(800, 4, generator=g)
    at = manifold(Sample(x), Sample(y))
    whole = np.diff(np.array(manifold_intervals(x, y, at)))[:, 0]
    monkeypatch.setattr(page, "ROWS", 200)
    assert np.diff(np.array(manifold_intervals(x, y, at)))[:, 0] == pytest.approx(whole, rel=0.7)


def test_small_samples_have_no_interval() -> None:
    x = torch.rand(40, 2)
    at = manifold(Sample(x), Sample(x))
    assert manifold_intervals(x, x, at).recall == (0.0, 1.0)
