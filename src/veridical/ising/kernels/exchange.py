r"""Parallel tempering of 512 lattices: replicas of each at a ladder of temperatures, which exchange configurations.

A step sweeps every rung, then offers an exchange to every other pair of neighbouring rungs. With the coldest rung's
$-H$ written as $X$ and rung $r$ at the weight $e^{\lambda_r X}$, the exchange of rungs $a$ and $b$ is accepted with
probability $\min(1, e^{(\lambda_a - \lambda_b)(X_b - X_a)})$, lane by lane (Hukushima & Nemoto 1996).
"""

import math
from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from veridical.ising.kernels import tempering
from veridical.ising.kernels.blocks import LaneBlock, Lattices, Sweeps
from veridical.ising.kernels.lanes import LANES, aligned
from veridical.ising.law import Law

_HOTTEST = 0.6
"""Couplings of the hottest rung over the requested ones."""


class TemperingBlock(LaneBlock):
    """Tempered lattices; the requested ones are on the first rung."""

    def __init__(self, law: Law, seed: int, number: int) -> None:
        super().__init__(law, seed, number)
        law = self.law
        rungs = 2 + math.ceil(0.4 * math.sqrt(law.sites))
        self.scales = np.linspace(1, _HOTTEST, rungs).tolist()
        self.rungs = [self.spins] + [self.lattices() for _ in self.scales[1:]]
        self.sweeps = [
            Sweeps(replace(law, horizontal=c * law.horizontal, vertical=c * law.vertical, field=c * law.field))
            for c in self.scales
        ]
        self.planes = aligned(3 * tempering.PLANES)
        self.random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number, 2)))

    def advance(self, steps: int) -> None:
        """Sweep every rung and exchange."""
        for _ in range(steps):
            for spins, sweeps in zip(self.rungs, self.sweeps, strict=True):
                sweeps.run(spins, self.state, self.age, 1)
            weights = [self._log_weight(spins) for spins in self.rungs]
            for a in range(self.age % 2, len(self.rungs) - 1, 2):
                self._offer(a, weights[a + 1] - weights[a])
            self.age += 1

    def _offer(self, a: int, gain: Float64[np.ndarray, " lanes"]) -> None:
        accepted = np.log1p(-self.random.random(LANES)) < (self.scales[a] - self.scales[a + 1]) * gain
        chosen = aligned(1)
        chosen.view(np.uint8)[:] = np.packbits(accepted, bitorder="little")
        tempering.exchange(self.rungs[a], self.rungs[a + 1], self.law.sites, chosen)

    def _log_weight(self, spins: Lattices) -> Float64[np.ndarray, " lanes"]:
        """The exponent $X$ of the coldest rung's weight, in every lane."""
        law = self.law
        tempering.tally(spins, law.height, law.width, self.planes)
        digits = np.unpackbits(self.planes.view(np.uint8), bitorder="little").reshape(3, tempering.PLANES, LANES)
        counts = np.tensordot(2.0 ** np.arange(tempering.PLANES), digits, (0, 1))  # (3, lanes)
        across, down, up = counts
        aligned_pairs = law.horizontal * (law.sites - 2 * across) + law.vertical * (law.sites - 2 * down)
        return aligned_pairs + law.field * (2 * up - law.sites)
