"""The methods of sampling, and what a plan of one holds."""

import math
from dataclasses import dataclass
from typing import Literal

from veridical.ising.law import Law

Method = Literal["auto", "metropolis", "cluster", "wolff", "swendsen-wang", "tempering", "perfect"]
"""How configurations are drawn; see `docs/ising-sampling.md`."""

LANES = 512
"""Lattices that the bit-sliced methods carry at once."""


@dataclass(frozen=True)
class SamplingPlan:
    """What `sample` does, and why."""

    law: Law
    """What is sampled."""

    method: Method
    """The method, never "auto"."""

    burn_in: int
    """Steps before the first configuration."""

    thinning: int
    """Steps from one configuration of a lattice to its next."""

    tau: float
    """Integrated autocorrelation time in steps, of the slower of energy and squared magnetization; nan if unknown."""

    together: int
    """Independent lattices in one block."""

    local_sweeps: int
    """Metropolis or heat-bath sweeps in a step, for methods that flip clusters too."""

    seeds: int
    """Sites whose clusters are flipped in a step."""

    reason: str
    """One sentence: why this method, and where the time comes from."""

    def blocks(self, n: int) -> int:
        """Return how many blocks deliver n configurations: enough for many cores, few enough to share a burn-in."""
        return max(min(math.ceil(n / self.together), 4), min(n // (64 * self.together), 64))


def check(wanted: Law, method: Method) -> None:
    """Raise `ValueError` if a method cannot sample a law."""
    free, _ = wanted.staggered()
    if method == "perfect" and (free.horizontal < 0 or free.vertical < 0):
        raise ValueError(
            "coupling from the past needs couplings of no negative sign, up to turning over every other row or column; "
            f"got {wanted}. Use method='cluster', or even sides and no field."
        )
    if method == "wolff" and wanted.horizontal == wanted.vertical == 0:
        raise ValueError("Wolff's chain is periodic where both couplings are 0. Use method='metropolis'.")
