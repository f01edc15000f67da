"""Counts and exchanges of 512 lattices against numpy."""

import numpy as np

from veridical.ising.kernels import tempering
from veridical.ising.kernels.lanes import LANES, aligned

HEIGHT, WIDTH = 5, 6


SITES = HEIGHT * WIDTH


def random_vectors(vectors: int, seed: int) -> np.ndarray:
    out = aligned(vectors)
    out[:] = np.random.default_rng(seed).integers(0, 2**64, len(out), np.uint64)
    return out


def bits(vectors: np.ndarray) -> np.ndarray:
    """(vectors, lanes) of booleans."""
    return np.unpackbits(vectors.view(np.uint8), bitorder="little").reshape(-1, LANES).astype(bool)


def lattices(vectors: np.ndarray) -> np.ndarray:
    """(lanes, height, width) of booleans."""
    return bits(vectors).T.reshape(LANES, HEIGHT, WIDTH)


def test_counts_and_exchanges_are_right():
    a, b = random_vectors(SITES, 6), random_vectors(SITES, 7)
    planes = aligned(3 * tempering.PLANES)
    tempering.tally(a, HEIGHT, WIDTH, planes)
    digits = bits(planes).reshape(3, tempering.PLANES, LANES)
    counts = np.tensordot(2 ** np.arange(tempering.PLANES), digits.astype(np.int64), (0, 1))
    s = lattices(a)
    expected = [(s != np.roll(s, -1, 2)).sum((1, 2)), (s != np.roll(s, -1, 1)).sum((1, 2)), s.sum((1, 2))]
    assert np.array_equal(counts, expected)
    chosen, before = random_vectors(1, 8), (lattices(a), lattices(b))
    tempering.exchange(a, b, SITES, chosen)
    swapped = bits(chosen)[0]
    assert np.array_equal(lattices(a), np.where(swapped[:, None, None], before[1], before[0]))
    assert np.array_equal(lattices(b), np.where(swapped[:, None, None], before[0], before[1]))
