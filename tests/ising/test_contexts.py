"""The context code is a code: its lengths are those of probabilities, and it only looks at what has been written."""

import itertools

import numpy as np
import pytest

from veridical.ising.contexts import LARGEST, ContextCode, causal_offsets, context_index, weighted_lengths


def lattices(n, size, seed=0, p=0.5):
    return np.random.default_rng(seed).random((n, *size)) < p


def test_offsets_come_earlier_nearest_first():
    offsets = causal_offsets(LARGEST)
    assert len(set(offsets)) == LARGEST and all(d < (0, 0) for d in offsets)
    distance = [dy**2 + dx**2 for dy, dx in offsets]
    assert distance == sorted(distance)
    reached = {d for d in itertools.product(range(-9, 1), range(-9, 10)) if d < (0, 0)}
    assert max(distance) <= min(dy**2 + dx**2 for dy, dx in reached - set(offsets))
    for k in range(1, LARGEST):
        assert causal_offsets(k) == offsets[:k]


def test_index_by_loops():
    x = lattices(2, (4, 5))
    index = context_index(x, 13)
    for i, r, c in np.ndindex(x.shape):
        bits = [x[i, (r + dy) % 4, (c + dx) % 5] for dy, dx in causal_offsets(13)]
        assert index[i, r, c] == sum(int(b) << j for j, b in enumerate(bits))


@pytest.mark.parametrize(("size", "k"), [((2, 2), 1), ((3, 3), 1), ((3, 3), 6), ((2, 4), 12), ((4, 3), 4)])
def test_the_lengths_of_all_configurations_are_those_of_a_law(size, k):
    """Sum of 2^-length over every configuration is 1: no cheating by looking ahead round the torus."""
    sites = size[0] * size[1]
    every = ((np.arange(1 << sites)[:, None] >> np.arange(sites)) & 1).astype(bool).reshape(-1, *size)
    code = ContextCode(size, k).count(lattices(300, size, p=0.7))
    assert np.exp2(-sites * code.bits(every)).sum() == pytest.approx(1, abs=1e-5)


def test_predictions_of_a_context_sum_to_one():
    counts = np.random.default_rng(0).integers(0, 9, 2 << 5).astype(np.uint32)
    assert np.exp2(-weighted_lengths(counts)).reshape(-1, 2).sum(1) == pytest.approx(np.ones(32), abs=1e-6)


def test_weighting_against_the_recursion_of_willems_and_others():
    """P_w = (KT + P_w(0) P_w(1)) / 2, one more spin at a time, in exact fractions."""
    from fractions import Fraction

    def kt(a, b):
        p = Fraction(1)
        for i in range(a):
            p *= Fraction(2 * i + 1, 2)
        for i in range(b):
            p *= Fraction(2 * i + 1, 2)
        for i in range(a + b):
            p /= i + 1
        return p

    def weighted(counts):  # counts: {context bits, nearest first: [a, b]}
        a, b = (sum(c[i] for c in counts.values()) for i in (0, 1))
        if () in counts:
            return kt(a, b)
        nearest = [{ctx[1:]: c for ctx, c in counts.items() if ctx[0] == bit} for bit in (0, 1)]
        return (kt(a, b) + weighted(nearest[0]) * weighted(nearest[1])) / 2

    rng = np.random.default_rng(1)
    table = {ctx: list(rng.integers(0, 6, 2)) for ctx in itertools.product((0, 1), repeat=3)}
    counts = np.zeros((8, 2), np.uint32)
    for ctx, pair in table.items():
        counts[sum(bit << j for j, bit in enumerate(ctx))] = pair
    lengths = weighted_lengths(counts.ravel()).reshape(8, 2)
    total = weighted({ctx: [int(a), int(b)] for ctx, (a, b) in table.items()})
    for ctx in table:
        for spin in (0, 1):
            more = {c: [int(v) + (c == ctx and s == spin) for s, v in enumerate(p)] for c, p in table.items()}
            expected = float(weighted(more) / total)
            got = 2.0 ** -lengths[sum(bit << j for j, bit in enumerate(ctx)), spin]
            assert got == pytest.approx(expected, rel=1e-5)


def test_nothing_to_learn_costs_one_bit_and_a_pattern_none():
    size = (16, 16)
    noise = ContextCode(size, 8).count(lattices(400, size))
    assert noise.bits(lattices(50, size, seed=1)).mean() == pytest.approx(1, abs=2e-3)
    stripes = np.zeros((50, *size), bool)
    stripes[:, :, ::2] = True
    stripes[::2] ^= True
    learned = ContextCode(size, 8).count(stripes)
    assert learned.bits(stripes).max() < 0.01


def test_a_larger_context_sees_more():
    """Each spin is the exclusive or of the left one and the one above: one spin of context says nothing."""
    rng = np.random.default_rng(2)
    x = rng.random((300, 12, 12)) < 0.5
    for r in range(1, 12):
        for c in range(1, 12):
            x[:, r, c] = x[:, r, c - 1] ^ x[:, r - 1, c]
    bits = [ContextCode((12, 12), k).count(x[:200]).bits(x[200:]).mean() for k in (1, 2)]
    free = 23 / 144  # spins of the first row and column
    assert bits[0] == pytest.approx(1, abs=0.01)
    assert free <= bits[1] < free + 0.03


def test_counting_twice_is_counting_both():
    x, y = lattices(20, (6, 6), 3, 0.6), lattices(30, (6, 6), 4, 0.6)
    together = ContextCode((6, 6), 5).count(np.concatenate([x, y]))
    assert (ContextCode((6, 6), 5).count(x).count(y).bits(y) == together.bits(y)).all()


def test_bulk_leaves_the_edges_out():
    x = lattices(100, (10, 10), 5, 0.8)
    code = ContextCode((10, 10), 4).count(x)
    entropy = -0.8 * np.log2(0.8) - 0.2 * np.log2(0.2)
    assert code.bulk_bits(lattices(100, (10, 10), 6, 0.8)).mean() == pytest.approx(entropy, abs=0.02)
    with pytest.raises(ValueError, match="no site of a"):
        ContextCode((2, 2), 6).count(lattices(1, (2, 2))).bulk_bits(lattices(1, (2, 2)))


def test_arguments():
    with pytest.raises(ValueError, match="k is 25; expected 1 to 24"):
        ContextCode((4, 4), 25)
    with pytest.raises(ValueError, match=r"x has shape \(1, 4, 5\)"):
        ContextCode((4, 4), 2).count(lattices(1, (4, 5)))
