"""Integrated autocorrelation times of the samplers, measured on their own chains."""

from typing import NamedTuple

import numpy as np

from veridical.ising.observables import energy, magnetization
from veridical.ising.planning import SamplingPlan
from veridical.ising.sampling import unpack
from veridical.statistics import autocorrelation_time

_FORGOTTEN = 20
"""Times that a chain must be long for its measured time to count."""


class Times(NamedTuple):
    """Integrated autocorrelation times, in steps of the method."""

    energy: float
    magnetization: float
    """Of the squared magnetization, or of the magnetization itself in a field."""

    @property
    def slower(self) -> float:
        """The larger one."""
        return max(self)


def measure(plan: SamplingPlan, steps: int, burn_in: int, seed: int = 0) -> Times:
    """Run the chains of one block, and measure how fast they forget.

    Args:
        plan: method and law; its times are not used.
        steps: length of each chain after its burn-in.
        burn_in: steps before that.
        seed: seed of all random numbers.

    Returns:
        Times, averaged over the chains; 1/2 for independent draws.
    """
    from veridical.ising.kernels.methods import block

    law = plan.law
    source = block(plan, seed, 0)
    source.advance(burn_in)
    series = np.empty((2, source.rows, steps))
    words = np.empty((source.rows, -(-law.sites // 64)), np.uint64)
    for step in range(steps):
        source.advance(1)
        source.record(words)
        x = unpack(words.view(np.uint8), (law.height, law.width))
        m = magnetization(x)
        series[:, :, step] = energy(x, (law.horizontal, law.vertical)), m if law.field else m**2
    return Times(*(autocorrelation_time(chains) for chains in series))


def pilot(draft: SamplingPlan, longest: int = 1 << 14) -> tuple[float, int]:
    """Measure a time that no table holds, on chains long enough to tell.

    Returns:
        The time, and the length of the chains.

    Raises:
        ValueError: if chains of the longest length allowed have not forgotten their start.
    """
    steps = 256 if draft.together > 1 else 4096
    while steps <= longest:
        tau = measure(draft, steps, burn_in=steps // 4).slower
        if tau * _FORGOTTEN <= steps:
            return tau, steps
        steps *= 4
    raise ValueError(
        f"{draft.method}: chains of {longest} steps have not forgotten their start on {draft.law}. "
        "Use method='cluster', or give both burn_in and thinning."
    )
