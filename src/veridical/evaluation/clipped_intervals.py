"""Intervals of clipped density and coverage over both samples, real and generated, from halves and quarters."""

from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from veridical.evaluation.clipped_calibration import expected_coverage
from veridical.evaluation.halves import normal_interval, sampling_variance
from veridical.evaluation.manifold_intervals import FEWEST, ROWS, neighbour_lists, radii
from veridical.evaluation.measurement import Interval
from veridical.ising.kernels.compilation import kernel


class ClippedIntervals(NamedTuple):
    """95 % intervals of both numbers."""

    density: Interval
    coverage: Interval


def clipped_intervals(
    real: Float[Tensor, "N d"], generated: Float[Tensor, "n d"], density: float, coverage: float, k: int
) -> ClippedIntervals | None:
    """Return the intervals; None where quarters are too small for k neighbours.

    Args:
        real: real features, in random order.
        generated: generated features, in random order.
        density: clipped density of all of them.
        coverage: clipped coverage of all of them, calibrated.
        k: neighbours.
    """
    size = max(len(real), len(generated))
    share = min(1.0, ROWS / size)
    N, n = round(share * len(real)), round(share * len(generated))
    if min(N, n) // 4 < FEWEST * k // 2:
        return None
    lists = neighbour_lists(real[:N], generated[:n])

    def statistic(x: Int[Tensor, " N"], y: Int[Tensor, " n"], parts: int) -> Float[np.ndarray, "parts 2"]:
        found = _parts(*lists.real, *lists.pairs, x.numpy(), y.numpy(), parts, k)
        found[:, 1] = np.interp(found[:, 1], *_calibration(n // parts, N // parts, k))
        return found

    variance = sampling_variance(statistic, N, n, seed=0, times=1 / share)
    return ClippedIntervals(
        normal_interval(density, variance[0], least=0.0), normal_interval(coverage, variance[1], least=0.0)
    )


@cache
def _calibration(m: int, n_real: int, k: int) -> tuple[np.ndarray, np.ndarray]:

    good = np.arange(4.0 * m + 1)
    return expected_coverage(good, n_real, k), good / m


@kernel
def _parts(
    index: np.ndarray,
    distance: np.ndarray,
    pair_x: np.ndarray,
    pair_y: np.ndarray,
    gap: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    parts: int,
    k: int,
) -> np.ndarray:
    """Clipped density and clipped coverage, not yet calibrated, of every part: (parts, 2)."""
    radius = radii(index, distance, x, k)
    small = radius.copy()
    for part in range(parts):
        middle = np.median(radius[x == part])
        for i in range(len(x)):
            if x[i] == part:
                small[i] = min(small[i], middle)
    own, members, inside = np.zeros(len(x)), np.zeros(len(x)), np.zeros(len(y))
    for i in range(len(x)):
        for p in range(index.shape[1]):
            if distance[i, p] > small[i]:
                break
            own[index[i, p]] += x[index[i, p]] == x[i]
    for p in range(len(gap)):
        i, j = pair_x[p], pair_y[p]
        if x[i] == y[j]:
            inside[j] += gap[p] <= small[i]
            members[i] += gap[p] <= radius[i]
    found, ideal, size_x, size_y = np.zeros((parts, 2)), np.zeros(parts), np.zeros(parts), np.zeros(parts)
    for i in range(len(x)):
        size_x[x[i]] += 1
        ideal[x[i]] += min(1.0, own[i] / k)
        found[x[i], 1] += min(1.0, members[i] / k)
    for j in range(len(y)):
        size_y[y[j]] += 1
        found[y[j], 0] += min(1.0, inside[j] / k)
    found[:, 0] *= size_x / size_y / ideal
    found[:, 1] /= size_x
    return found
