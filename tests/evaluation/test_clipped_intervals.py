"""Intervals of clipped density and coverage: parts are measured as samples are; small samples have none.

How often they cover is tested in `test_interval_coverage.py`.
"""

import numpy as np
import pytest
import torch

from veridical.evaluation import clipped_intervals as page
from veridical.evaluation.clipped import clipped
from veridical.evaluation.clipped_intervals import clipped_intervals
from veridical.evaluation.manifold_intervals import neighbour_lists


@pytest.mark.parametrize("lattice", [False, True])
def test_parts_are_measured_as_samples_of_their_own(lattice: bool) -> None:
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(240, 3, generator=g), 0.8 * torch.randn(200, 3, generator=g)
    if lattice:  # many distances are equal, more than are listed
        x, y = x.sign(), y.sign()
    lists = neighbour_lists(x, y)
    a, b = torch.randperm(240, generator=g) % 4, torch.randperm(200, generator=g) % 4
    found = page._parts(lists, a.numpy(), b.numpy(), 4, 5)
    for part in range(4):
        of = clipped(x[a == part], y[b == part], torch.ones(1, int((b == part).sum()), dtype=torch.bool))
        # the median radius of an even number of rows is the lower one there and the mean of two here
        assert found[part, 0] == pytest.approx(float(of.scores.mean()), rel=0.03)
        assert found[part, 1] == pytest.approx(float(of.covered[0]), abs=1e-12)


def test_both_samples_count() -> None:
    """The spread of the scores of samples alone gives an interval that is too narrow: the mutant that it replaced."""
    g = torch.Generator().manual_seed(1)
    x, y = torch.randn(300, 16, generator=g), torch.randn(300, 16, generator=g)
    scores = clipped(x, y, torch.ones(1, 300, dtype=torch.bool)).scores
    intervals = clipped_intervals(x, y, float(scores.mean()), 1.0, 5)
    assert intervals is not None
    assert np.diff(intervals.density)[0] > 1.2 * 3.92 * float(scores.std()) / 300**0.5


def test_small_samples_have_none() -> None:
    x = torch.rand(60, 2)
    assert clipped_intervals(x, x, 1.0, 1.0, 5) is None
