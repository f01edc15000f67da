r"""Intervals of precision, recall, density and coverage over both samples.

Their variance comes from halves and quarters (`halves`). All parts of a partition are measured in one pass over
neighbour lists: the k-th neighbour of a row in its own part is found among its `LISTED` nearest in the whole sample
(where a part has fewer of them in the list, the last one takes its place), and only pairs nearer than the last one can
count. Of large samples `ROWS` rows are taken, whose two orders of the variance give that at the full size.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from veridical.evaluation.balls import ends, held, members
from veridical.evaluation.halves import normal_interval, sampling_variance, share_interval
from veridical.evaluation.manifold import Manifold
from veridical.evaluation.measurement import Interval
from veridical.evaluation.neighbours import Neighbours, distance_blocks, neighbours
from veridical.ising.kernels.compilation import kernel

ROWS = 2_000
"""Rows of each sample in which the variance is measured."""

LISTED = 64
"""Neighbours of every row in its own sample."""

FEWEST = 8
"""Rows in a quarter, as multiples of k, below which there is no interval."""


class ManifoldIntervals(NamedTuple):
    """95 % intervals of the four numbers."""

    precision: Interval
    recall: Interval
    density: Interval
    coverage: Interval


class Lists(NamedTuple):
    """What parts of both samples need."""

    real: tuple[np.ndarray, np.ndarray]
    """Nearest other rows of each row in its own sample, and their distances."""

    generated: tuple[np.ndarray, np.ndarray]
    """The same of the generated sample."""

    pairs: tuple[np.ndarray, np.ndarray, np.ndarray]
    """Real and generated rows that may count together, and the distance of each pair."""


def manifold_intervals(
    real: Float[Tensor, "n d"], generated: Float[Tensor, "m d"], at: Manifold, k: int = 3, k_coverage: int = 5
) -> ManifoldIntervals:
    """Return the intervals; the whole range of values where quarters are too small for k neighbours.

    Args:
        real: real features, in random order.
        generated: generated features, in random order.
        at: the values at full size.
        k: neighbours for precision and recall.
        k_coverage: neighbours for density and coverage.
    """
    n, m = len(real), len(generated)
    if min(n, m) // 4 < FEWEST * max(k, k_coverage) // 2:
        return ManifoldIntervals((0.0, 1.0), (0.0, 1.0), (0.0, math.inf), (0.0, 1.0))
    some = min(n, m, ROWS)
    lists = neighbour_lists(real[:some], generated[:some])

    def statistic(x: Int[Tensor, " n"], y: Int[Tensor, " m"], parts: int) -> Float[np.ndarray, "parts 4"]:
        return _parts(lists, x.numpy(), y.numpy(), parts, k, k_coverage)

    shares = np.array([True, True, False, True])
    variance = sampling_variance(statistic, some, some, seed=0, times=min(n, m) / some, shares=shares)
    return ManifoldIntervals(
        share_interval(at.precision, variance[0]),
        share_interval(at.recall, variance[1]),
        normal_interval(at.density, variance[2], least=0.0),
        share_interval(at.coverage, variance[3]),
    )


def neighbour_lists(real: Float[Tensor, "n d"], generated: Float[Tensor, "m d"]) -> Lists:
    """Return all that parts of both samples need."""
    of_real, of_generated = _with_ties(real), neighbours(generated, min(LISTED, len(generated) - 1))
    reach, reach_generated = (of.distance[:, :LISTED][:, -1] for of in (of_real, of_generated))
    found = []
    for start, distance in distance_blocks(real, generated):
        near = (distance <= reach[start : start + len(distance), None]) | (distance <= reach_generated)
        i, j = near.nonzero(as_tuple=True)
        found.append((i + start, j, distance[i, j]))
    pairs = tuple(torch.cat(parts).numpy() for parts in zip(*found, strict=True))
    numbers = [(of.index.numpy(), of.distance.numpy()) for of in (of_real, of_generated)]
    return Lists(numbers[0], numbers[1], pairs)  # type: ignore[arg-type]


def _with_ties(rows: Float[Tensor, "n d"]) -> Neighbours:
    """Return the `LISTED` nearest others of every row, and all that are as near as the last of them."""
    most = len(rows) - 1
    listed = min(LISTED, most)
    found = neighbours(rows, min(listed + 1, most))
    while True:
        wanted = int((found.distance <= found.distance[:, listed - 1 : listed]).sum(dim=1).max())
        if wanted < found.distance.shape[1] or wanted == most:
            return Neighbours(found.distance[:, :wanted], found.index[:, :wanted])
        found = neighbours(rows, min(2 * wanted, most))


def _parts(
    lists: Lists, x: Int[np.ndarray, " n"], y: Int[np.ndarray, " m"], parts: int, k: int, k_coverage: int
) -> Float[np.ndarray, "parts 4"]:
    """Precision, recall, density and coverage of every part."""
    ball = ends(*lists.real, x, k_coverage)
    nearer, edge = members(*lists.pairs, x, y, ball.radius)
    inside = (nearer + edge * ball.weight[:, None])[:, 0] / k_coverage
    covered = held(nearer, edge, ball.place, ball.tied, 1)[:, 0]
    inner, reach = ends(*lists.real, x, k).radius, ends(*lists.generated, y, k).radius
    precise, recalled = _near(*lists.pairs, x, y, inner, reach)
    size_x, size_y = np.bincount(x, minlength=parts), np.bincount(y, minlength=parts)
    sums = [np.bincount(x, of, parts) for of in (recalled, inside, covered)]
    return np.stack([np.bincount(y, precise, parts) / size_y, sums[0] / size_x, sums[1] / size_y, sums[2] / size_x], 1)


@kernel
def _near(
    pair_x: np.ndarray,
    pair_y: np.ndarray,
    gap: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    radius: np.ndarray,
    reach: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Whether each sample is in the ball of a real row of its part, and each real row in that of a sample."""
    precise, recalled = np.zeros(len(y), np.bool_), np.zeros(len(x), np.bool_)
    for p in range(len(gap)):
        i, j = pair_x[p], pair_y[p]
        if x[i] == y[j]:
            precise[j] |= gap[p] <= radius[i]
            recalled[i] |= gap[p] <= reach[j]
    return precise, recalled
