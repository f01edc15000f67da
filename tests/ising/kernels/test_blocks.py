"""Chains where the law leaves no choice: strong couplings, strong fields, none at all; and what is recorded."""

import numpy as np
import pytest

from veridical.ising.kernels.blocks import Block, ClusterBlock, LocalBlock, Sweeps, SwendsenWangBlock
from veridical.ising.law import Law

STRONG = 30.0
"""A coupling or field against which a spin stands with probability below 1e-25."""


def spins(block: Block, law: Law) -> np.ndarray:
    """(rows, height, width) of booleans."""
    out = np.zeros((block.rows, -(-law.sites // 64)), np.uint64)
    block.record(out)
    return np.unpackbits(out.view(np.uint8), axis=1)[:, : law.sites].reshape(-1, law.height, law.width).astype(bool)


@pytest.mark.parametrize("kind", ["local", "cluster", "swendsen-wang"])
@pytest.mark.parametrize("sign", [1, -1])
def test_spins_follow_a_strong_field(kind: str, sign: int) -> None:
    law = Law(4, 6, 0.1, 0.1, sign * STRONG)
    block: Block = (
        LocalBlock(law, 0, 0)
        if kind == "local"
        else ClusterBlock(law, 0, 0, local_sweeps=1, seeds=1)
        if kind == "cluster"
        else SwendsenWangBlock(law, 0, 0)
    )
    block.advance(20)  # a spin against the field turns over with probability one half in a step of swendsen-wang
    assert (spins(block, law) == (sign > 0)).all()


def test_negative_couplings_make_a_chessboard_of_either_colour() -> None:
    law = Law(4, 6, -STRONG, -STRONG)
    board = np.indices((4, 6)).sum(0) % 2 == 0
    block = SwendsenWangBlock(law, 0, 0)
    block.spins[:] = board.ravel()
    found = []
    for _ in range(40):
        block.advance(1)
        found.append(spins(block, law)[0])
    assert all((x == board).all() or (x == ~board).all() for x in found)
    assert 0 < sum(x[0, 0] for x in found) < 40  # one colour alone: probability 2e-12


def test_lattices_are_turned_over_where_there_is_no_field() -> None:
    law = Law(2, 4, -STRONG, -STRONG)
    block = LocalBlock(law, 3, 0)
    first = spins(block, law)  # of the staggered law: all up or all down, turned over at every other site
    board = np.indices((2, 4)).sum(0) % 2 == 0
    assert (((first == board).all((1, 2))) | ((first == ~board).all((1, 2)))).all()
    up = first[:, 0, 0]
    assert abs(up.mean() - 0.5) < 5.2 * 0.5 / 512**0.5  # false alarm below 1e-6
    assert not np.array_equal(up[0::2], up[1::2]) and not np.array_equal(up[0::2], ~up[1::2])


def test_metropolis_serves_equal_couplings_without_a_field() -> None:
    assert Sweeps(Law(4, 4, 0.4, 0.4)).use_metropolis
    assert not Sweeps(Law(4, 4, 0.4, 0.4, 0.1)).use_metropolis
    assert not Sweeps(Law(4, 4, 0.4, 0.3)).use_metropolis
    assert not Sweeps(Law(4, 4, 0.19, 0.19)).use_metropolis


def test_a_block_depends_on_seed_and_number_alone() -> None:
    law, found = Law(4, 4, 0.3, 0.3), []
    for seed, number in ((1, 0), (1, 0), (1, 1), (2, 0)):
        block = LocalBlock(law, seed, number)
        block.advance(3)
        found.append(spins(block, law))
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2]) and not np.array_equal(found[0], found[3])
