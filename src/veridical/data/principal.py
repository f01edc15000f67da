r"""Principal components of a data set, read a few thousand examples at a time.

Up to `LARGEST` components per example the covariance is computed and diagonalised, in double precision. Beyond, its
leading eigenvectors are found by subspace iteration from a fixed random start with `SPARE` more columns than wanted;
the result is exact where the data have no more dimensions than that, and close where the spectrum falls.

Reference: Halko, Martinsson & Tropp, Finding Structure with Randomness (2011), Alg. 4.4.
https://arxiv.org/abs/0909.4061
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from veridical.data.dataset import ArrayData

LARGEST = 2048
SPARE = 16
PASSES = 5
_CHUNK = 2000


@final
@dataclass(frozen=True)
class PrincipalComponents:
    """The directions of largest variance, in double precision."""

    mean: Float[Tensor, "D"]
    axes: Float[Tensor, "k D"]
    """Orthonormal rows, the direction of largest variance first; the largest component of each is positive."""

    variances: Float[Tensor, "k"]
    """Variance of the data along each axis (divided by n)."""

    def scores(self, data: ArrayData) -> Float[Tensor, "n k"]:
        """Return the coordinates of all examples along the axes."""
        return torch.cat([(x - self.mean) @ self.axes.T for x in _chunks(data)])

    def errors(self, data: ArrayData) -> Float[Tensor, "n k+1"]:
        """Return the squared distance of every example from its projection on the first 0, 1, ..., k axes."""
        whole = torch.cat([(x - self.mean).square().sum(1) for x in _chunks(data)])
        captured = self.scores(data).square().cumsum(1)
        return (whole[:, None] - torch.cat([torch.zeros_like(whole)[:, None], captured], 1)).clamp(min=0)


def principal_components(data: ArrayData, k: int) -> PrincipalComponents:
    """Return the first k principal components.

    Raises:
        ValueError: k is below 1, or above the number of components of an example.
    """
    dim = data.space.dim
    if not 1 <= k <= dim:
        raise ValueError(f"k is {k}; expected at least 1 and at most {dim}, the components of an example.")
    mean = sum((x.sum(0) for x in _chunks(data)), torch.zeros(dim, dtype=torch.float64)) / len(data)
    squares, axes = _exact(data, mean) if dim <= LARGEST else _iterated(data, mean, min(k + SPARE, dim))
    axes = axes[:k]
    signs = axes.gather(1, axes.abs().argmax(1, keepdim=True)).sign()
    return PrincipalComponents(mean, signs * axes, squares[:k].clamp(min=0) / len(data))


def _exact(data: ArrayData, mean: Tensor) -> tuple[Tensor, Tensor]:
    """Return (D,) sums of squares along all axes, and (D, D) these, from the covariance."""
    covariance = torch.zeros(len(mean), len(mean), dtype=torch.float64)
    for x in _chunks(data):
        covariance.addmm_((x - mean).T, x - mean)
    squares, axes = torch.linalg.eigh(covariance)
    return squares.flip(0), axes.flip(1).T


def _iterated(data: ArrayData, mean: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return (k,) sums of squares along the leading axes, and (k, D) these, by subspace iteration."""
    start = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(len(mean), k, dtype=torch.float64, generator=start)).Q
    moved = torch.zeros_like(basis)
    for _ in range(PASSES):
        moved = torch.zeros_like(basis)
        for x in _chunks(data):
            moved += (x - mean).T @ ((x - mean) @ basis)
        basis = torch.linalg.qr(moved).Q
    inner = sum(
        (((x - mean) @ basis).T @ ((x - mean) @ basis) for x in _chunks(data)), torch.zeros(k, k, dtype=torch.float64)
    )
    squares, turn = torch.linalg.eigh(inner)
    return squares.flip(0), (basis @ turn.flip(1)).T


def _chunks(data: ArrayData) -> Iterator[Tensor]:
    """Yield the examples as vectors, (B, D) float64 on the CPU."""
    for rows in torch.arange(len(data)).split(_CHUNK):
        yield data.batch(rows, "cpu").x.flatten(1).double()
