"""Precision, recall, density, coverage: the published implementation, exact nulls, and intervals that cover."""

import contextlib
import io

import numpy as np
import pytest
import torch
from prdc import compute_prdc

from veridical.evaluation.manifold import Manifold, Sample, coverage_of_perfect_model, manifold


@pytest.mark.parametrize("k", [3, 5])
@pytest.mark.parametrize("scale", [0.7, 1.0, 1.5])
def test_it_agrees_with_prdc(k: int, scale: float) -> None:
    g = torch.Generator().manual_seed(k)
    x, y = torch.randn(300, 8, generator=g), torch.randn(250, 8, generator=g) * scale
    with contextlib.redirect_stdout(io.StringIO()):
        theirs = compute_prdc(x.numpy(), y.numpy(), k)
    ours = manifold(Sample(x, k, k), Sample(y, k, k))
    assert ours == pytest.approx([theirs[name] for name in Manifold._fields], abs=1e-12)


def test_precision_and_recall_are_not_swapped() -> None:
    # A generator of one narrow mode is precise and forgets the rest; torch-fidelity had them swapped until 2026.
    g = torch.Generator().manual_seed(0)
    found = manifold(Sample(torch.randn(400, 2, generator=g)), Sample(0.05 * torch.randn(400, 2, generator=g)))
    assert found.precision > 0.95 and found.recall < 0.1
    spread = manifold(Sample(torch.randn(400, 2, generator=g)), Sample(10 * torch.randn(400, 2, generator=g)))
    assert spread.recall > 0.5 > spread.precision


def test_equal_points_are_inside_their_balls() -> None:
    same = torch.ones(20, 4)
    # prdc says 0 throughout. Density and coverage are those of a perfect model, which this is.
    assert manifold(Sample(same), Sample(same)) == pytest.approx((1.0, 1.0, 1.0, coverage_of_perfect_model(20, 20)))


@pytest.mark.parametrize("d", [1, 8])
def test_coverage_of_a_perfect_model(d: int) -> None:
    # 60 repetitions at N = 200, M = 100: standard error of the mean below .006; four of them.
    g = torch.Generator().manual_seed(1)
    draws = [torch.randn(300, d, generator=g) for _ in range(60)]
    measured = [manifold(Sample(x[:200]), Sample(x[200:])).coverage for x in draws]
    assert np.mean(measured) == pytest.approx(coverage_of_perfect_model(200, 100), abs=0.024)
