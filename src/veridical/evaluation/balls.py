r"""The ball of the k-th neighbour, and how many samples it holds where distances are tied.

The ball of a real example ends at its k-th nearest other real example. The probability that a perfect model puts a
sample there is distributed as Beta(k, N - k) whatever the data are, if no two distances are equal. On lattices, and
where examples repeat, many are: all samples at the radius would count, but only k of the real examples do. Then chance
decides who is nearer: all examples at the radius, real ones and samples, stand in random order, and the ball ends at
the k-th real one. That order is as good as one by distance, so the distribution is Beta(k, N - k) again.

Nothing is drawn: the mean over all orders is known. Let t real examples be at the radius, of which the ball takes p
(k less those that are nearer), and s samples. The number X of these samples that come before the p-th real example is
negative hypergeometric,

$$ P(X = x) = \binom{x+p-1}{x}\binom{s-x+t-p}{s-x} \Big/ \binom{s+t}{s}, \qquad \mathrm E X = \frac{p\,s}{t+1} . $$

Without ties (t = p = 1, s = 0) a ball holds the samples that are nearer than its end.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from veridical.evaluation.neighbours import Neighbours, distance_blocks, neighbours
from veridical.ising.kernels.compilation import kernel


class Balls(NamedTuple):
    """Where the ball of every real example ends."""

    radius: Float[Tensor, " N"]
    """Distance to the k-th nearest other example."""

    place: Int[Tensor, " N"]
    """How many of the examples at the radius belong to the ball: p of the module docstring, from 1 on."""

    tied: Int[Tensor, " N"]
    """How many other examples are at the radius: t, at least p."""

    @property
    def weight(self) -> Float[Tensor, " N"]:
        """Expected share of a sample at the radius: p / (t + 1)."""
        return self.place.to(torch.float64) / (self.tied + 1)

    def part(self, rows: slice) -> "Balls":
        """Return the balls of some examples."""
        return Balls(*(of[rows] for of in self))


def balls(rows: Float[Tensor, "N d"], k: int, found: Neighbours | None = None) -> Balls:
    """Return the balls that end at the k-th neighbour.

    Args:
        rows: real examples.
        k: neighbours.
        found: at least k nearest others of every row; more show ties without another search.

    Examples:
        >>> balls(torch.tensor([[0.0], [1.0], [1.0], [2.0]]), 1)[1:]  # three examples have their neighbour alone
        (tensor([1, 1, 1, 1]), tensor([2, 1, 1, 2]))
    """
    found = neighbours(rows, max(k, min(k + 1, len(rows) - 1))) if found is None else found
    radius = found.distance[:, k - 1]
    place = k - (found.distance < radius[:, None]).sum(dim=1)
    tied = (found.distance == radius[:, None]).sum(dim=1)
    if found.distance.shape[1] < len(rows) - 1:  # there may be more at the radius than are listed
        more = (found.distance[:, -1] == radius).nonzero()[:, 0]
        for start, distance in distance_blocks(rows[more], rows):
            at = more[start : start + len(distance)]
            own = torch.arange(len(at))
            distance[own, at] = torch.inf
            tied[at] = (distance == radius[at, None]).sum(dim=1)
    return Balls(radius, place, tied)


@kernel
def held(nearer: np.ndarray, edge: np.ndarray, place: np.ndarray, tied: np.ndarray, most: int) -> np.ndarray:
    """Expected number of samples in every ball, of which `most` count, over all orders of what is at its radius.

    Args:
        nearer: (balls, labellings) samples nearer than the radius.
        edge: (balls, labellings) samples at the radius: s of the module docstring.
        place: (balls,) real examples at the radius that belong to the ball: p.
        tied: (balls,) real examples at the radius: t.
        most: number beyond which samples do not count.

    Returns:
        (balls, labellings).
    """
    found = np.empty(nearer.shape)
    for i in range(nearer.shape[0]):
        p, t = place[i], tied[i]
        for b in range(nearer.shape[1]):
            left, s = most - nearer[i, b], edge[i, b]
            missing, probability = 0.0, 1.0
            for taken in range(p if left > 0 else 0):  # no sample comes before the p-th real example
                probability *= (t - taken) / (t + s - taken)
            for x in range(min(left, s + 1)):
                missing += (left - x) * probability
                probability *= (x + p) * (s - x) / ((x + 1) * max(t - p + s - x, 1))
            found[i, b] = most - missing
    return found


class Ends(NamedTuple):
    """`Balls` as arrays."""

    radius: np.ndarray
    place: np.ndarray
    tied: np.ndarray

    @property
    def weight(self) -> np.ndarray:
        """Expected share of a sample at the radius."""
        return self.place / (self.tied + 1.0)


def ends(index: Int[np.ndarray, "n listed"], distance: Float[np.ndarray, "n listed"], part: np.ndarray, k: int) -> Ends:
    """Return the balls of every row among the rows of the same part.

    Args:
        index: nearest other rows of every row, in ascending order of distance, with all that are as near as the k-th.
        distance: their distances.
        part: of every row.
        k: which neighbour; the last one listed where fewer are of the same part.
    """
    return Ends(*_ends(index, distance, part, k))


@kernel
def _ends(
    index: np.ndarray, distance: np.ndarray, part: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    radius, place, tied = np.empty(len(index)), np.ones(len(index), np.int64), np.ones(len(index), np.int64)
    for i in range(len(index)):
        same, end, at = 0, 0.0, 0
        for p in range(index.shape[1]):
            if same >= k and distance[i, p] > end:
                break
            own = part[index[i, p]] == part[i]
            if distance[i, p] > end:
                end, at = distance[i, p], 0
            at += own
            same += own
            if own and same == k:
                place[i] = at
        radius[i], tied[i] = end, max(at, 1)
    return radius, place, tied


@kernel
def members(
    pair_x: np.ndarray, pair_y: np.ndarray, gap: np.ndarray, x: np.ndarray, y: np.ndarray, radius: np.ndarray
) -> np.ndarray:
    """Samples of the same part nearer than the radius of every real example, and at it: (2, N, 1).

    Args:
        pair_x: real row of every pair that may count.
        pair_y: its sample.
        gap: its distance.
        x: part of every real row.
        y: part of every sample.
        radius: of every real row.
    """
    counts = np.zeros((2, len(x), 1), np.int64)
    for p in range(len(gap)):
        i = pair_x[p]
        if x[i] == y[pair_y[p]] and gap[p] <= radius[i]:
            counts[int(gap[p] == radius[i]), i, 0] += 1
    return counts
