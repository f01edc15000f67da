r"""Nearest neighbours, exactly: distances whose small values can be trusted.

A distance read off $|x|^2 + |y|^2 - 2x\cdot y$ in single precision is off by $10^{-7}$ of the squared norms: two equal
rows of 2048 features may seem 0.075 apart, and a copy cannot be distinguished from a similar example. Here rows are
centred, the product is formed in float64; where only the nearest row is wanted, a few candidates are found in single
precision and their distances computed again in float64 as $|x-y|$.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

_BLOCK_VALUES = 1 << 23
"""Distances held at a time: 64 MB."""

_CACHED_VALUES = 1 << 20
"""Squares held at a time in the search for the nearest: 4 MB, which stay in the cache."""

_CANDIDATES = 4
"""Nearest by matrix product, among which the nearest is chosen by exact distance."""


class Nearest(NamedTuple):
    """The nearest row of a reference for every query."""

    distance: Float[Tensor, " n"]
    """To the nearest row, in units of the features."""

    second: Float[Tensor, " n"]
    """To the second nearest row; infinite where there is none."""

    index: Int[Tensor, " n"]  # pyright: ignore[reportIncompatibleMethodOverride]  (a field, not tuple.index)
    """The nearest row."""


def distance_blocks(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Iterator[tuple[int, Float[Tensor, "block m"]]]:
    """Yield Euclidean distances of a few rows of x to all of y at a time, with the number of the first row.

    Args:
        x: rows.
        y: rows of as many features.

    Yields:
        Where the block starts, and its distances in units of the features; equal rows are at exactly 0. They are
        rounded to single precision: distances that are equal (of lattices, where few values occur) would otherwise
        differ in their last digits by the order of summation, and whether one is at most another be chance.
    """
    _check(x, y)
    centre = y.mean(dim=0, dtype=torch.float64)
    y = y - centre
    norm_y = torch.linalg.vector_norm(y, dim=1).square()  # without a matrix of squares: half the memory
    step = max(1, _BLOCK_VALUES // len(y))
    for start in range(0, len(x), step):
        block = x[start : start + step] - centre
        norm = block.square().sum(dim=1, keepdim=True) + norm_y
        square = torch.addmm(norm, block, y.T, alpha=-2.0)
        yield start, square.masked_fill_(square < 1e-13 * norm, 0.0).sqrt_().to(torch.float32).to(torch.float64)


def nearest(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], exclude: Int[Tensor, " n"] | None = None) -> Nearest:
    """Nearest row of y for every row of x.

    Args:
        x: queries.
        y: reference.
        exclude: for every query a row of y that does not count (itself, where x is part of y); None: all count.

    Returns:
        Distances, computed in float64 as |x - y|, and rows of y.

    Examples:
        >>> nearest(torch.tensor([[1.0], [5.0]]), torch.tensor([[0.0], [4.0]])).index
        tensor([0, 1])
    """
    _check(x, y)
    k = min(_CANDIDATES, len(y) - (exclude is not None))
    if k < 1:
        raise ValueError(f"the reference has {len(y)} row(s); expected at least one that counts.")
    centre = y.mean(dim=0)
    centred = (y - centre).T.contiguous()
    norm = centred.square().sum(dim=0)
    distances, indices, step = [], [], max(1, _CACHED_VALUES // len(y))
    for start in range(0, len(x), step):
        queries = x[start : start + step]
        square = torch.addmm(norm, queries - centre, centred, alpha=-2.0)  # less |x|², which orders nothing
        if exclude is not None:
            square.scatter_(1, exclude[start : start + step, None], torch.inf)
        candidates = square.topk(k, dim=1, largest=False, sorted=False).indices  # (step, k)
        gap = y[candidates].to(torch.float64) - queries[:, None].to(torch.float64)
        distance, order = torch.linalg.vector_norm(gap, dim=2).sort(dim=1, stable=True)
        distances.append(distance[:, :2])
        indices.append(candidates.gather(1, order[:, :1])[:, 0])
    both = torch.cat(distances)
    return Nearest(both[:, 0], both[:, 1] if k > 1 else torch.full_like(both[:, 0], torch.inf), torch.cat(indices))


class Neighbours(NamedTuple):
    """The nearest other rows of every row, in ascending order of distance."""

    distance: Float[Tensor, "n k"]
    index: Int[Tensor, "n k"]  # pyright: ignore[reportIncompatibleMethodOverride]  (a field, not tuple.index)


def neighbours(x: Float[Tensor, "n d"], k: int) -> Neighbours:
    """Return the k nearest other rows of every row.

    Args:
        x: rows.
        k: neighbours, without the row itself.

    Examples:
        >>> neighbours(torch.tensor([[0.0], [1.0], [3.0]]), 1).index[:, 0].tolist()
        [1, 0, 1]
    """
    if not 1 <= k < len(x):
        raise ValueError(f"k is {k} for {len(x)} rows; expected 1 <= k < rows. Use more examples.")
    found = []
    for start, block in distance_blocks(x, x):
        own = torch.arange(start, start + len(block), device=block.device)
        block.scatter_(1, own[:, None], torch.inf)
        found.append(block.topk(k, dim=1, largest=False, sorted=True))
    return Neighbours(torch.cat([part.values for part in found]), torch.cat([part.indices for part in found]))


def neighbour_radius(x: Float[Tensor, "n d"], k: int | tuple[int, ...]) -> Float[Tensor, "n ks"]:
    """Distance of every row to its k-th nearest other row.

    Args:
        x: rows.
        k: which neighbours, counted from 1 without the row itself.

    Returns:
        One column for every k, in units of the features.

    Examples:
        >>> neighbour_radius(torch.tensor([[0.0], [1.0], [3.0]]), 1)[:, 0].tolist()
        [1.0, 1.0, 2.0]
    """
    ks = (k,) if isinstance(k, int) else k
    if not 1 <= min(ks) <= max(ks) < len(x):
        raise ValueError(f"k is {k} for {len(x)} rows; expected 1 <= k < rows. Use more examples.")
    return neighbours(x, max(ks)).distance[:, [k - 1 for k in ks]]


def _check(x: Tensor, y: Tensor) -> None:
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(f"x and y have shapes {tuple(x.shape)} and {tuple(y.shape)}; expected (n, d) and (m, d).")
