"""Distances that can be trusted when they are small."""

import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from veridical.evaluation import neighbours
from veridical.evaluation.neighbours import distance_blocks, nearest, neighbour_radius


def test_a_copy_is_at_zero_where_single_precision_is_not() -> None:
    # The trap: norms of 40, 2048 features; the matrix product in single precision reads self-distances up to .07.
    x = torch.randn(200, 2048, generator=torch.Generator().manual_seed(0)) + 0.3
    naive = torch.cdist(x, x, compute_mode="use_mm_for_euclid_dist").diagonal().max()
    assert naive > 0.01
    found = nearest(x, x)
    assert found.distance.max() == 0.0 and torch.equal(found.index, torch.arange(200))
    near = nearest(x + 1e-6, x).distance
    exact = torch.linalg.vector_norm((x + 1e-6).double() - x.double(), dim=1)
    assert torch.equal(near, exact)


def test_it_agrees_with_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "_BLOCK_VALUES", 700)  # blocks of two rows
    monkeypatch.setattr(neighbours, "_CACHED_VALUES", 900)
    g = torch.Generator().manual_seed(1)
    x, y = torch.randn(101, 5, generator=g), torch.randn(300, 5, generator=g)
    distance, index = NearestNeighbors(n_neighbors=2).fit(y.numpy()).kneighbors(x.numpy())
    found = nearest(x, y)
    assert torch.equal(found.index, torch.from_numpy(index[:, 0]))
    both = torch.stack([found.distance, found.second], dim=1)
    torch.testing.assert_close(both, torch.from_numpy(distance).double(), rtol=1e-6, atol=1e-6)
    radius = NearestNeighbors(n_neighbors=6).fit(y.numpy()).kneighbors(y.numpy())[0][:, [3, 5]]
    torch.testing.assert_close(neighbour_radius(y, (3, 5)), torch.from_numpy(radius).double(), rtol=1e-6, atol=1e-6)


def test_a_row_can_leave_itself_out() -> None:
    y = torch.tensor([[0.0], [1.0], [3.0], [3.0]])
    found = nearest(y, y, exclude=torch.arange(4))
    assert found.distance.tolist() == [1.0, 1.0, 0.0, 0.0]
    assert found.second.tolist() == [3.0, 2.0, 2.0, 2.0]
    assert nearest(y, y[:1]).second.tolist() == [torch.inf] * 4
    assert found.index.tolist() == [1, 0, 3, 2]


def test_blocks_cover_all_rows() -> None:
    x, y = torch.randn(10, 3), torch.randn(4, 3)
    rows = torch.cat([block for _, block in distance_blocks(x, y)])
    torch.testing.assert_close(rows, torch.cdist(x.double(), y.double()))


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="1 <= k < rows"):
        neighbour_radius(torch.rand(3, 2), 3)
    with pytest.raises(ValueError, match="at least one"):
        nearest(torch.rand(1, 2), torch.rand(1, 2), exclude=torch.zeros(1, dtype=torch.int64))
    with pytest.raises(ValueError, match="shapes"):
        nearest(torch.rand(1, 2), torch.rand(1, 3))
