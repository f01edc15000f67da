"""Coupled chains keep their order."""

import numpy as np

from veridical.ising.kernels import coupled, randomness
from veridical.ising.kernels.lanes import aligned
from veridical.ising.kernels.perfect import PerfectBlock
from veridical.ising.law import Law

HEIGHT, WIDTH = 5, 6


SITES = HEIGHT * WIDTH


ALL = np.uint64(2**64 - 1)


def random_vectors(vectors: int, seed: int) -> np.ndarray:
    out = aligned(vectors)
    out[:] = np.random.default_rng(seed).integers(0, 2**64, len(out), np.uint64)
    return out


def test_coupled_chains_keep_their_order_and_meet():
    block = PerfectBlock(Law(HEIGHT, WIDTH, 0.4, 0.2, 0.05), 9, 0)
    top, bottom, runner = block.top, block.bottom, block.spins
    top[:], bottom[:], runner[:] = ALL, 0, random_vectors(SITES, 9)
    state = randomness.generators(9)
    for _ in range(10):
        coupled.coupled_heat_bath(top, runner, bottom, HEIGHT, WIDTH, block.table, state, 1)
        assert not (runner & ~top).any() and not (bottom & ~runner).any()
    coupled.coupled_heat_bath(top, runner, bottom, HEIGHT, WIDTH, block.table, state, 2000)
    differ = aligned(1)
    coupled.differences(top, bottom, SITES, differ)
    assert not differ.any() and np.array_equal(top, runner)
