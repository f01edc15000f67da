"""Whether a file is one set: parts of equal length, one after the other, must have equal mean energies.

The file is cut into blocks, the blocks are grouped into 2, 3, ... parts, and the means of the parts are compared by the
spread of the blocks within them (analysis of variance). Blocks of a chain are correlated: they are at least 8
autocorrelation times long, and the ratio of the two spreads is divided by $(1 + r)/(1 - r)$, with r the upper limit of
the correlation of neighbouring blocks.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64
from scipy import special

from veridical.ising.comparisons import Comparison
from veridical.ising.measurements import Measured
from veridical.statistics import autocorrelation_time

PARTS = (2, 3, 4, 5, 6, 8, 10, 16, 20)
"""Numbers of parts that are tried."""

_BLOCKS = 12  # of each part
_SHORTEST = 4  # configurations of a block
_LONG = 8  # autocorrelation times of a block


class Parts(NamedTuple):
    """A file cut into parts of equal length."""

    p_value: float
    """Probability of means as different, if it is one set."""

    ratio: float
    """Spread of the parts over that of the blocks within them: largest where the cuts are those of the sets."""

    energies: Float64[np.ndarray, " parts"]
    """Mean energy of each part, per spin."""


def one_set(m: Measured) -> tuple[Comparison, Parts] | None:
    """Test that the parts of a file have one mean energy; None: there are too few configurations."""
    found = [cut for parts in PARTS if (cut := _cut(m, parts)) is not None]
    if not found:
        return None
    best = max(found, key=lambda cut: cut.ratio)
    p = min(1.0, len(found) * min(cut.p_value for cut in found))
    low, high = best.energies.min(), best.energies.max()
    says = f"mean energies of {len(best.energies)} parts in turn: {low:.4f} to {high:.4f} per spin"
    return Comparison("one set", says, p, float(high - low), 0.0), best


def _cut(m: Measured, parts: int) -> Parts | None:
    """Compare the means of this many parts."""
    length = m.n // (parts * _BLOCKS)
    if length < _SHORTEST:
        return None
    energy = m.energy[: length * parts * _BLOCKS].reshape(parts, _BLOCKS * length) / m.sites
    blocks = energy.reshape(parts, _BLOCKS, length).mean(2)
    means = blocks.mean(1)
    if length < _LONG * autocorrelation_time(energy - means[:, None]):
        return None
    rest = blocks - means[:, None]
    within = float((rest**2).sum()) / (parts * (_BLOCKS - 1))
    if within == 0:
        return None
    ratio = _BLOCKS * float(means.var(ddof=1)) / within / _inflation(rest)
    return Parts(float(special.fdtrc(parts - 1, parts * (_BLOCKS - 1), ratio)), ratio, means)


def _inflation(rest: Float64[np.ndarray, "parts blocks"]) -> float:
    """Return the factor by which correlated blocks widen the spread of their means, at most."""
    lagged = float((rest[:, 1:] * rest[:, :-1]).sum() / (rest**2).sum())
    lagged += 1 / rest.shape[1]  # the means were subtracted
    upper = min(0.95, max(0.0, lagged + 2 / math.sqrt(rest.size)))
    return (1 + upper) / (1 - upper)
