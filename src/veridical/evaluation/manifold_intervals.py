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

from veridical.evaluation.halves import normal_interval, sampling_variance, share_interval
from veridical.evaluation.manifold import Manifold
from veridical.evaluation.measurement import Interval
from veridical.evaluation.neighbours import distance_blocks, neighbours
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
        return _parts(*lists.real, *lists.generated, *lists.pairs, x.numpy(), y.numpy(), parts, k, k_coverage)

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
    of_real, of_generated = (neighbours(rows, min(LISTED, len(rows) - 1)) for rows in (real, generated))
    reach, reach_generated = of_real.distance[:, -1], of_generated.distance[:, -1]
    found = []
    for start, distance in distance_blocks(real, generated):
        near = (distance <= reach[start : start + len(distance), None]) | (distance <= reach_generated)
        i, j = near.nonzero(as_tuple=True)
        found.append((i + start, j, distance[i, j]))
    pairs = tuple(torch.cat(parts).numpy() for parts in zip(*found, strict=True))
    numbers = [(of.index.numpy(), of.distance.numpy()) for of in (of_real, of_generated)]
    return Lists(numbers[0], numbers[1], pairs)  # type: ignore[arg-type]


@kernel
def radii(index: np.ndarray, distance: np.ndarray, part: np.ndarray, k: int) -> np.ndarray:
    """Distance of every row to its k-th nearest row of the same part.

    Args:
        index: nearest other rows of every row (n, listed), in ascending order of distance.
        distance: their distances.
        part: of every row.
        k: which neighbour; the last one listed where fewer are of the same part.
    """
    radius = np.empty(len(index))
    for i in range(len(index)):
        same, p = 0, 0
        while p < index.shape[1] and same < k:
            same += part[index[i, p]] == part[i]
            p += 1
        radius[i] = distance[i, p - 1]
    return radius


@kernel
def _parts(
    index: np.ndarray,
    distance: np.ndarray,
    index_y: np.ndarray,
    distance_y: np.ndarray,
    pair_x: np.ndarray,
    pair_y: np.ndarray,
    gap: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    parts: int,
    k: int,
    k_coverage: int,
) -> np.ndarray:
    """Precision, recall, density and coverage of every part: (parts, 4)."""
    inner, outer, radius_y = (
        radii(index, distance, x, k),
        radii(index, distance, x, k_coverage),
        radii(index_y, distance_y, y, k),
    )
    precise, recalled, covered = np.zeros(len(y), np.bool_), np.zeros(len(x), np.bool_), np.zeros(len(x), np.bool_)
    found, size_x, size_y = np.zeros((parts, 4)), np.zeros(parts), np.zeros(parts)
    for p in range(len(gap)):
        i, j = pair_x[p], pair_y[p]
        if x[i] == y[j]:
            precise[j] |= gap[p] <= inner[i]
            recalled[i] |= gap[p] <= radius_y[j]
            if gap[p] <= outer[i]:
                covered[i] = True
                found[x[i], 2] += 1
    for i in range(len(x)):
        size_x[x[i]] += 1
        found[x[i], 1] += recalled[i]
        found[x[i], 3] += covered[i]
    for j in range(len(y)):
        size_y[y[j]] += 1
        found[y[j], 0] += precise[j]
    found[:, 0] /= size_y
    found[:, 1] /= size_x
    found[:, 2] /= k_coverage * size_y
    found[:, 3] /= size_x
    return found
