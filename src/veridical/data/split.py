"""Which examples are kept from training where a set has no test split of its own."""

from __future__ import annotations

from fractions import Fraction

import numpy as np


def held_out(n: int, share: float) -> np.ndarray:
    """Choose a share of n rows in a way that looks random and never changes: (n,) bool, floor(share * n) of them.

    The rows with the smallest hashes of their numbers. Files have periods (digits written in order, classes one after
    the other), so that every k-th row would not do; and the streams of random generators change between versions.

    Args:
        n: number of rows.
        share: what share is kept from training, in [0, 1).

    References:
        Steele, Lea & Flood, Fast splittable pseudorandom number generators (OOPSLA 2014), Fig. 13 (the finalizer).

    Examples:
        >>> held_out(10, 0.2).nonzero()[0]
        array([2, 4])
    """
    kept = int(n * Fraction(share).limit_denominator(10_000))
    chosen = np.zeros(n, bool)
    chosen[np.argsort(_hash(np.arange(1, n + 1, dtype=np.uint64)), kind="stable")[:kept]] = True
    return chosen


def _hash(number: np.ndarray) -> np.ndarray:
    """Mix the bits of 64-bit numbers; a bijection, so that no two are equal."""
    z = number * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
