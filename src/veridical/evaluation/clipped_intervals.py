"""Intervals of clipped density and coverage over both samples, real and generated, from halves and quarters."""

from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from veridical.evaluation.balls import ends, held, members
from veridical.evaluation.clipped_calibration import expected_coverage
from veridical.evaluation.halves import normal_interval, sampling_variance
from veridical.evaluation.manifold_intervals import FEWEST, ROWS, Lists, neighbour_lists
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
        found = _parts(lists, x.numpy(), y.numpy(), parts, k)
        found[:, 1] = np.interp(found[:, 1], *_calibration(n // parts, N // parts, k))
        return found

    variance = sampling_variance(statistic, N, n, seed=0, times=1 / share)
    return ClippedIntervals(
        normal_interval(density, variance[0], least=0.0), normal_interval(coverage, variance[1], least=0.0)
    )


@cache
def _calibration(m: int, n_real: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Expected coverage of m samples, in ascending order, and the clipped coverage that it stands for."""
    good = np.arange(4.0 * m + 1)
    return expected_coverage(good, n_real, k), good / m


def _parts(
    lists: Lists, x: Int[np.ndarray, " N"], y: Int[np.ndarray, " n"], parts: int, k: int
) -> Float[np.ndarray, "parts 2"]:
    """Clipped density and clipped coverage, not yet calibrated, of every part."""
    ball = ends(*lists.real, x, k)
    nearer, edge = members(*lists.pairs, x, y, ball.radius)
    covered = held(nearer, edge, ball.place, ball.tied, k)[:, 0] / k
    small = np.minimum(ball.radius, np.array([np.median(ball.radius[x == part]) for part in range(parts)])[x])
    ideal, score = (np.minimum(1.0, count / k) for count in _balls_of(*lists.real, *lists.pairs, x, y, small))
    size_x, size_y = np.bincount(x, minlength=parts), np.bincount(y, minlength=parts)
    of_real, of_samples = np.bincount(x, ideal, parts) / size_x, np.bincount(y, score, parts) / size_y
    return np.stack([of_samples / of_real, np.bincount(x, covered, parts) / size_x], axis=1)


@kernel
def _balls_of(
    index: np.ndarray,
    distance: np.ndarray,
    pair_x: np.ndarray,
    pair_y: np.ndarray,
    gap: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    radius: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Count the balls of their part, without its own, that each real example lies in, and each sample."""
    own, inside = np.zeros(len(x)), np.zeros(len(y))
    for i in range(len(x)):
        for p in range(index.shape[1]):
            if distance[i, p] > radius[i]:
                break
            own[index[i, p]] += x[index[i, p]] == x[i]
    for p in range(len(gap)):
        i, j = pair_x[p], pair_y[p]
        if x[i] == y[j]:
            inside[j] += gap[p] <= radius[i]
    return own, inside
