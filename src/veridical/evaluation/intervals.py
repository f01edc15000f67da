"""Intervals that several metrics need: of means that may be infinite, and of differences of means."""

import math

import numpy as np
from jaxtyping import Float
from torch import Tensor

from veridical.evaluation.measurement import Interval
from veridical.statistics import mean_interval


def standard_error(x: Float[Tensor, " n"]) -> float:
    """Return the standard error of the mean."""
    return float(x.std()) / math.sqrt(len(x))


def mean_or_none(x: Float[Tensor, " n"], shared: float = 0.0) -> Interval | None:
    """Return Student's 95 % interval of a mean, or None where a value, and so the mean, is infinite.

    Args:
        x: draws.
        shared: standard error of a constant that all draws contain.
    """
    if not np.isfinite(x.numpy()).all():
        return None
    low, high = mean_interval(x)
    if shared == 0.0:
        return low, high
    middle, half = (low + high) / 2, math.hypot((high - low) / 2, 1.96 * shared)
    return middle - half, middle + half
