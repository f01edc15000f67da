"""Values and random projections as features."""

import pytest
import torch

from veridical.evaluation.extractors import (
    Projection,
    Values,
)


def test_projections_keep_distances() -> None:
    # Johnson-Lindenstrauss: the relative error of a distance is 1 / sqrt(2 * 256) = 4.4 %; five of them.
    x = torch.randn(20, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    ratio = torch.pdist(Projection((3, 32, 32))(x)) / torch.pdist(x.flatten(1))
    assert (ratio - 1).abs().max() < 0.22
    assert torch.equal(Values((3, 32, 32))(x), x.flatten(1))
    with pytest.raises(ValueError, match="was made for"):
        Values((3, 8, 8))(x)


def test_projections_are_gaussian_and_the_same_in_every_run() -> None:
    extractor = Projection((1, 8, 8))
    unit = torch.eye(64).reshape(64, 1, 8, 8)
    assert torch.equal(extractor(unit), Projection((1, 8, 8)).matrix)
    # 64 * 256 entries of variance 1 / 256: false alarm below 1e-6.
    assert float(extractor.matrix.square().sum()) == pytest.approx(64, abs=5.2 * 64 * (2 / (64 * 256)) ** 0.5)
