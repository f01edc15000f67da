"""Markov chains that fill rows with configurations: 512 lattices in machine vectors, or one lattice by itself.

A block owns its random numbers: what it yields depends on the seed and on its own number, not on who else runs.
"""

from abc import ABC, abstractmethod

import numpy as np
from jaxtyping import UInt64

from veridical.ising.kernels import cluster, local, packing, union_find
from veridical.ising.kernels.lanes import LANES, aligned
from veridical.ising.kernels.randomness import generators, thresholds
from veridical.ising.law import Law

ALL = np.uint64(2**64 - 1)
_NONE = np.uint64(0)
_EVERY_OTHER = np.uint64(0x5555555555555555)

Lattices = UInt64[np.ndarray, " words"]
Rows = UInt64[np.ndarray, "rows words"]


class Block(ABC):
    """Chains side by side."""

    rows: int = LANES
    """Configurations that one call of `record` can write."""

    @abstractmethod
    def advance(self, steps: int) -> None:
        """Run every chain so many steps of its method."""

    @abstractmethod
    def record(self, out: Rows) -> None:
        """Write the current configuration of the first chains as rows of packed bits."""


class Sweeps:
    """Single-spin updates under one law."""

    slow_metropolis = 0.2
    """Coupling below which Metropolis flips almost every spin in every sweep, and the heat bath forgets faster."""

    def __init__(self, law: Law) -> None:
        self.shape = law.height, law.width
        self.use_metropolis = law.isotropic and law.field == 0 and law.horizontal >= self.slow_metropolis
        self.metropolis = thresholds(local.metropolis_probabilities(max(law.horizontal, 0.0)))
        self.heat_bath = thresholds(local.heat_bath_probabilities(law.horizontal, law.vertical, law.field))

    def run(self, spins: Lattices, state: UInt64[np.ndarray, " state"], age: int, sweeps: int) -> None:
        """Update every spin so many times; `age` counts the sweeps before.

        Args:
            spins: eight words for every site, one bit for each of the 512 lattices; changed in place.
            state: the generators of `randomness.generators`; changed in place.
            age: sweeps that the chains have done.
            sweeps: sweeps to do.
        """
        tables = self.metropolis, self.heat_bath
        local.local_sweeps(spins, *self.shape, *tables, state, age, sweeps, self.use_metropolis)


class LaneBlock(Block):
    """512 lattices in machine vectors: what the bit-sliced methods share."""

    random_sign = True
    """Whether `record` turns lattices over at random where there is no field."""

    def __init__(self, law: Law, seed: int, number: int) -> None:
        self.law, turned = law.staggered()
        self.pattern = np.where(turned.ravel(), ALL, _NONE)
        self.state = generators(seed, number)
        self.spins = self.lattices()
        self.square = aligned(64)
        self.age = 0

    def lattices(self) -> Lattices:
        """Vectors for every site: all spins up in every other lane, down in the others."""
        vectors = aligned(self.law.sites)
        vectors[:] = _EVERY_OTHER
        return vectors

    def record(self, out: Rows) -> None:
        """Write the lattices, each turned over with probability one half if there is no field."""
        full = out if len(out) == LANES else np.empty((LANES, out.shape[1]), np.uint64)
        sign = self.random_sign and self.law.field == 0
        packing.record(self.spins, self.law.sites, self.pattern, sign, self.state, self.square, full)
        if full is not out:
            out[:] = full[: len(out)]


class LocalBlock(LaneBlock):
    """Single-spin updates; a step is a sweep."""

    def __init__(self, law: Law, seed: int, number: int) -> None:
        super().__init__(law, seed, number)
        self.sweeps = Sweeps(self.law)

    def advance(self, steps: int) -> None:
        """Sweep."""
        self.sweeps.run(self.spins, self.state, self.age, steps)
        self.age += steps


class ClusterBlock(LaneBlock):
    """Cluster updates, each after some sweeps."""

    def __init__(self, law: Law, seed: int, number: int, local_sweeps: int, seeds: int) -> None:
        super().__init__(law, seed, number)
        law = self.law
        self.sweeps = Sweeps(law)
        self.local_sweeps, self.seeds = local_sweeps, seeds
        right, down, marks = (aligned(law.sites) for _ in range(3))
        self.lattice = (self.spins, right, down, marks, np.zeros(law.height, np.uint8))
        bonds = thresholds(cluster.bond_probabilities(law.horizontal, law.vertical))
        ghost = thresholds(cluster.ghost_probability(law.field))
        self.tables = (self.sweeps.metropolis, self.sweeps.heat_bath, bonds, ghost)
        self.signs = np.where(np.array([law.horizontal, law.vertical, law.field]) < 0, ALL, _NONE)

    def advance(self, steps: int) -> None:
        """Sweep and flip clusters in turn."""
        shape = self.law.height, self.law.width
        rules = (self.local_sweeps, self.seeds, self.sweeps.use_metropolis, self.law.field != 0)
        cluster.cluster_steps(self.lattice, self.tables, self.state, shape, self.signs, (self.age, steps, *rules))
        self.age += steps * self.local_sweeps


class SwendsenWangBlock(Block):
    """One lattice whose clusters are each flipped with probability one half."""

    rows = 1

    def __init__(self, law: Law, seed: int, number: int) -> None:
        self.law = law
        self.state = generators(seed, number)
        self.signs = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number, 1)))
        self.spins = np.zeros(law.sites, np.uint8)
        self.labels = np.zeros(law.sites, np.uint32)
        self.vectors = -(-law.sites // LANES)
        self.right, self.down, self.coins, self.ghosts = (aligned(self.vectors) for _ in range(4))
        self.bond_table = thresholds(cluster.bond_probabilities(law.horizontal, law.vertical))
        self.ghost_table = thresholds(cluster.ghost_probability(law.field))

    def advance(self, steps: int) -> None:
        """Flip clusters."""
        law = self.law
        signs = np.uint8(law.horizontal < 0), np.uint8(law.vertical < 0)
        for _ in range(steps):
            union_find.draw_bonds(self.bond_table, self.state, self.right, self.down, self.coins, self.vectors)
            union_find.find_clusters(self.spins, self.right, self.down, self.labels, law.height, law.width, *signs)
            if law.field != 0:
                union_find.draw_ghosts(self.ghost_table, self.state, self.ghosts, self.vectors)
                union_find.release(self.spins, self.labels, self.coins, self.ghosts, np.uint8(law.field > 0))
            union_find.flip_clusters(self.spins, self.labels, self.coins)

    def record(self, out: Rows) -> None:
        """Write the lattice, turned over with probability one half if there is no field."""
        sign = np.uint8(self.signs.integers(2) if self.law.field == 0 else 0)
        packed = np.packbits(self.spins ^ sign)
        out[:] = 0
        out.view(np.uint8)[0, : len(packed)] = packed
