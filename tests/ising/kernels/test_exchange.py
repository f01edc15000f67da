"""Exchanges of a ladder of temperatures: weights against numpy, certain exchanges, the stationary distribution."""

import itertools
import math

import numpy as np
import pytest

from veridical.ising.kernels.exchange import TemperingBlock
from veridical.ising.kernels.lanes import LANES
from veridical.ising.law import Law


def lattices(vectors: np.ndarray, law: Law) -> np.ndarray:
    """(lanes, height, width) of ±1."""
    bits = np.unpackbits(vectors.view(np.uint8), bitorder="little").reshape(-1, LANES)
    return 2 * bits.T.reshape(LANES, law.height, law.width).astype(int) - 1


def exponent(s: np.ndarray, law: Law) -> np.ndarray:
    pairs = law.horizontal * s * np.roll(s, -1, 2) + law.vertical * s * np.roll(s, -1, 1) + law.field * s
    return pairs.sum((1, 2))


@pytest.fixture
def block() -> TemperingBlock:
    return TemperingBlock(Law(3, 4, 0.3, 0.5, 0.2), 0, 0)


def scramble(block: TemperingBlock) -> None:
    random = np.random.default_rng(1)
    for spins in block.rungs:
        spins[:] = random.integers(0, 2**64, len(spins), np.uint64)


def test_weights_are_those_of_the_spins(block: TemperingBlock) -> None:
    scramble(block)
    found = block._log_weight(block.rungs[0])
    assert found == pytest.approx(exponent(lattices(block.rungs[0], block.law), block.law), abs=1e-9)


def test_the_lanes_that_gain_exchange_and_no_others(block: TemperingBlock) -> None:
    scramble(block)
    before = [lattices(spins, block.law) for spins in block.rungs[:2]]
    gains = np.random.default_rng(2).random(LANES) < 0.5
    block._offer(0, np.where(gains, 0.0, -1e9))  # at equal weights an exchange is certain
    after = [lattices(spins, block.law) for spins in block.rungs[:2]]
    assert np.array_equal(after[0], np.where(gains[:, None, None], before[1], before[0]))
    assert np.array_equal(after[1], np.where(gains[:, None, None], before[0], before[1]))


def test_a_loss_is_accepted_with_its_boltzmann_factor(block: TemperingBlock) -> None:
    loss = math.log(3) / (block.scales[0] - block.scales[1])
    accepted = 0
    for _ in range(20):
        block.rungs[0][:], block.rungs[1][:] = 0, 2**64 - 1
        block._offer(0, np.full(LANES, -loss))
        accepted += (lattices(block.rungs[0], block.law)[:, 0, 0] > 0).sum()
    n = 20 * LANES
    assert abs(accepted / n - 1 / 3) < 5.2 * math.sqrt(2 / 9 / n)  # false alarm below 1e-6


def test_the_first_rung_has_the_distribution_that_was_asked_for() -> None:
    law = Law(2, 3, 0.4, 0.3, 0.1)
    block = TemperingBlock(law, 5, 0)
    block.advance(40)
    states = np.array(list(itertools.product((-1, 1), repeat=6))).reshape(-1, 2, 3)
    x = exponent(states, law)
    p = np.exp(x) / np.exp(x).sum()
    mean, spread = p @ x, math.sqrt(p @ x**2 - (p @ x) ** 2)
    found = exponent(lattices(block.rungs[0], law), law)
    assert abs(found.mean() - mean) < 5.2 * spread / math.sqrt(LANES)  # false alarm below 1e-6
