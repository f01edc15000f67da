"""Integrated autocorrelation times of the samplers, measured on their own chains."""

from typing import NamedTuple

import numpy as np

from veridical.ising.methods import SamplingPlan
from veridical.ising.observables import energy, magnetization
from veridical.ising.output import unpack
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


def measure(plan: SamplingPlan, records: int, burn_in: int, every: int = 1, seed: int = 0) -> Times:
    """Run the chains of one block, and measure how fast they forget.

    Args:
        plan: method and law; its times are not used.
        records: number of observations of each chain.
        burn_in: steps before the first.
        every: steps from one to the next; a fraction of the time itself.
        seed: seed of all random numbers.

    Returns:
        Times from all chains; `every`/2 for independent observations.
    """
    from veridical.ising.kernels.methods import block

    law = plan.law
    source = block(plan, seed, 0)
    source.advance(burn_in)
    series = np.empty((2, source.rows, records))
    words = np.empty((source.rows, -(-law.sites // 64)), np.uint64)
    for record in range(records):
        source.advance(every)
        source.record(words)
        x = unpack(words.view(np.uint8), (law.height, law.width))
        m = magnetization(x)
        series[:, :, record] = energy(x, (law.horizontal, law.vertical)), m if law.field else m**2
    return Times(*(every * autocorrelation_time(chains) for chains in series))


def pilot(draft: SamplingPlan, longest: int = 1 << 14) -> tuple[float, int]:
    """Measure a time that no table holds, on chains long enough for it.

    Returns:
        The time, and the length of the chains, both in steps.

    Raises:
        ValueError: if chains of the longest length allowed have not forgotten their start.
    """
    records, every = 256 if draft.together > 1 else 4096, 1
    while records * every <= longest:
        tau = measure(draft, records, burn_in=records * every // 4, every=every).slower
        if tau * _FORGOTTEN <= records * every:
            return tau, records * every
        every *= 4
    raise ValueError(
        f"{draft.method}: chains of {longest} steps have not forgotten their start on {draft.law}. "
        "Use method='cluster', or give both burn_in and thinning."
    )
