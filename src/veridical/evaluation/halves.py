r"""The variance of any statistic of two samples, from random halves and quarters of them.

Statistics of nearest neighbours are neither means nor smooth: the jackknife overstates their variance two- to fourfold
(Efron-Stein), the bootstrap repeats rows, which become their own neighbours. Parts of a sample without repetition are
samples of the same distribution, only smaller. Two halves that share no row are independent, so half the squared
difference of their statistics is an unbiased estimate of the variance $V_{1/2}$ at half the size, averaged over random
partitions; four quarters give $V_{1/4}$ in the same way. With the first two orders of the variance,

$$ V(n) = \frac{a}{n} + \frac{b}{n^2} \quad\Rightarrow\quad
   V = \tfrac34 V_{1/2} - \tfrac18 V_{1/4}, $$

which is exact for means (order 1/n), for degenerate statistics such as a distance of two equal distributions (order
1/n²), and for their mixture. It is never taken below $V_{1/2}/8$, half of the case of order 1/n² alone, which only the
noise of the partitions reaches.

The estimate has about `DOF` degrees of freedom: in simulations of eight pairs of distributions with 40 partitions its
coefficient of variation was 0.25 to 0.45.

References:
    Efron & Stein, The jackknife estimate of variance (1981).
    Politis & Romano, Large sample confidence regions based on subsamples under minimal assumptions (1994).
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy import special

from veridical.evaluation.measurement import Interval
from veridical.statistics import wilson_interval

SPLITS = 60
"""Random partitions into halves; half as many into quarters."""

DOF = 15
"""Degrees of freedom of the variance, for Student's quantile."""

Parts = Callable[[Any, Any], Any]
"""Called with the rows (Bool n) of the first and (Bool m) of the second sample; returns k numbers."""


def sampling_variance(statistic: Parts, n: int, m: int, *, seed: int, splits: int = SPLITS) -> Float[np.ndarray, " k"]:
    """Variance of statistics over draws of both samples.

    Args:
        statistic: of the given rows of both samples; takes two Boolean tensors (n,) and (m,), returns k numbers.
        n: rows of the first sample, at least 8.
        m: rows of the second sample, at least 8.
        seed: of the partitions.
        splits: partitions into halves; half as many are into quarters.

    Returns:
        The variance of each of the k numbers at the full size.

    Raises:
        ValueError: fewer than 8 rows.

    Examples:
        >>> x = torch.arange(100.0)
        >>> v = sampling_variance(lambda a, b: [x[a].mean()], 100, 100, seed=0)
        >>> bool(abs(v[0] / (x.var() / 100) - 1) < 0.5)
        True
    """
    if min(n, m) < 8:
        raise ValueError(f"{n} and {m} rows; expected at least 8 of each, two per quarter.")
    generator = torch.Generator().manual_seed(seed)
    halves = _variance_of_parts(statistic, (n, m), 2, splits, generator)
    quarters = _variance_of_parts(statistic, (n, m), 4, max(1, splits // 2), generator)
    return np.maximum(0.75 * halves - 0.125 * quarters, 0.125 * halves)


def normal_interval(value: float, variance: float, least: float = -math.inf, most: float = math.inf) -> Interval:
    """Return the 95 % interval of a value with an estimated variance, within the range of possible values.

    Args:
        value: the measured value.
        variance: by `sampling_variance`.
        least: smallest possible value.
        most: largest possible value.
    """
    half = float(special.stdtrit(DOF, 0.975)) * math.sqrt(variance)
    return max(least, value - half), min(most, value + half)


def share_interval(value: float, variance: float, n: int) -> Interval:
    """Return the 95 % interval of a share: Wilson's with as many independent examples as have this variance.

    Args:
        value: the share.
        variance: by `sampling_variance`.
        n: number of examples that the share counts; a share of exactly 0 or 1 has no variance to be measured, so that
            they are taken as independent.
    """
    widening = (float(special.stdtrit(DOF, 0.975)) / float(special.ndtri(0.975))) ** 2
    effective = value * (1 - value) / variance if 0 < value < 1 and variance > 0 else float(n)
    effective = max(1.0, effective / widening)
    return wilson_interval(value * effective, effective)


def _variance_of_parts(
    statistic: Parts, sizes: tuple[int, int], parts: int, splits: int, generator: torch.Generator
) -> Float[np.ndarray, " k"]:
    total: Any = 0.0
    for _ in range(splits):
        x, y = (torch.randperm(size, generator=generator) % parts for size in sizes)
        values = np.array([np.asarray(statistic(x == part, y == part), np.float64) for part in range(parts)])
        total = total + values.var(axis=0, ddof=1)
    return np.asarray(total / splits)
