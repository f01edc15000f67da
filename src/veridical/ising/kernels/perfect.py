r"""Perfect samples: draws from the Boltzmann distribution itself, not from an approximation.

Read-once coupling from the past (Wilson 2000). Time is cut into rounds of equal length. In each, a lattice that starts
all up and one that starts all down run under the same random numbers as a third, the *runner*; a round in which they
meet has forgotten its start. From the first such round on, the state of the runner at the *start* of every such round
is a perfect sample, independent of the ones before.

A sample and the number of rounds it takes are not independent, so lanes are not read in the order in which they get
ready: the t-th recording holds the t-th sample of every lane, and waits for the slowest. The length of the rounds,
about that in which three lanes out of four meet, comes from a pilot run with random numbers of its own.
"""

from collections import deque

import numpy as np
from jaxtyping import Bool

from veridical.ising.kernels import coupled, local
from veridical.ising.kernels.blocks import ALL, LaneBlock, Lattices, Rows
from veridical.ising.kernels.lanes import LANES, aligned
from veridical.ising.kernels.randomness import generators, thresholds
from veridical.ising.law import Law

_PATIENCE = 1 << 22
"""Sweeps of the pilot run after which coupling is given up."""


class PerfectBlock(LaneBlock):
    """512 independent streams of perfect samples."""

    random_sign = False

    def __init__(self, law: Law, seed: int, number: int, patience: int = _PATIENCE) -> None:
        super().__init__(law, seed, number)
        self.table = thresholds(local.heat_bath_probabilities(self.law.horizontal, self.law.vertical, self.law.field))
        self.top, self.bottom = self.lattices(), self.lattices()
        self.met = np.zeros(LANES, bool)
        self.ready: list[deque[np.ndarray]] = [deque() for _ in range(LANES)]
        self.round_length = self._pilot(generators(seed, number, 1), patience)

    def advance(self, steps: int) -> None:
        """Do nothing: samples are independent as they come."""

    def record(self, out: Rows) -> None:
        """Write the next sample of each of the first lanes."""
        waiting = self.ready[: len(out)]
        while not all(waiting):
            self._round(out.shape[1])
        for row, samples in zip(out, waiting, strict=True):
            row[:] = samples.popleft()

    def _round(self, words: int) -> None:
        start = np.empty((LANES, words), np.uint64)
        super().record(start)
        self.top[:], self.bottom[:] = ALL, 0
        forgotten = self._run(self.spins, self.state, self.round_length)
        for lane in np.flatnonzero(forgotten & self.met):
            self.ready[lane].append(start[lane])
        self.met |= forgotten

    def _run(self, runner: Lattices, state: np.ndarray, sweeps: int) -> Bool[np.ndarray, " lanes"]:
        """Run the three lattices of every lane, and return in which lanes top and bottom agree afterwards."""
        shape = self.law.height, self.law.width
        coupled.coupled_heat_bath(self.top, runner, self.bottom, *shape, self.table, state, sweeps)
        differ = aligned(1)
        coupled.differences(self.top, self.bottom, self.law.sites, differ)
        return ~np.unpackbits(differ.view(np.uint8), bitorder="little").astype(bool)

    def _pilot(self, state: np.ndarray, patience: int) -> int:
        runner, sweeps, met = self.lattices(), 0, 0.0
        self.top[:], self.bottom[:] = ALL, 0
        while met < 0.75:
            more = 1 + sweeps // 8
            met = self._run(runner, state, more).mean()
            sweeps += more
            if sweeps > patience:
                raise RuntimeError(
                    f"coupling from the past: after {sweeps} sweeps of {self.law.height} x {self.law.width} spins only "
                    f"{met:.0%} of the lanes have met. In the ordered phase that time grows exponentially with the "
                    "side; use method='cluster' there."
                )
        return sweeps
