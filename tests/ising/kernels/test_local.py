"""Why Metropolis sweeps need the heat bath."""

import numpy as np

from veridical.ising.kernels import local
from veridical.ising.kernels.blocks import LocalBlock
from veridical.ising.kernels.lanes import LANES
from veridical.ising.law import Law

NONE = np.uint64(0)


ALL = np.uint64(2**64 - 1)


def bits(vectors: np.ndarray) -> np.ndarray:
    """(vectors, lanes) of booleans."""
    return np.unpackbits(vectors.view(np.uint8), bitorder="little").reshape(-1, LANES).astype(bool)


def test_metropolis_alone_can_go_round_in_circles_and_the_heat_bath_breaks_them():
    diagonal = (np.add.outer(np.arange(4), np.arange(4)) % 4 < 2).ravel()
    block = LocalBlock(Law(4, 4, 0.4, 0.4), 10, 0)
    block.spins.reshape(16, 8)[:] = np.where(diagonal, ALL, NONE)[:, None]
    for _ in range(50):
        local.metropolis(block.spins, 4, 4, block.sweeps.metropolis, block.state)
    energies = [
        (s != np.roll(s, 1, 0)).sum() + (s != np.roll(s, 1, 1)).sum() for s in bits(block.spins).T.reshape(-1, 4, 4)
    ]
    assert set(energies) == {16}
    before = bits(block.spins)
    block.advance(1)
    assert (bits(block.spins) != before).any(0).sum() > 500
