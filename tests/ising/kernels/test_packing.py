"""Packing and unpacking against numpy, bit for bit."""

import numpy as np

from veridical.ising.kernels import packing, randomness
from veridical.ising.kernels.lanes import LANES, aligned

NONE = np.uint64(0)


ALL = np.uint64(2**64 - 1)


def random_vectors(vectors: int, seed: int) -> np.ndarray:
    out = aligned(vectors)
    out[:] = np.random.default_rng(seed).integers(0, 2**64, len(out), np.uint64)
    return out


def bits(vectors: np.ndarray) -> np.ndarray:
    """(vectors, lanes) of booleans."""
    return np.unpackbits(vectors.view(np.uint8), bitorder="little").reshape(-1, LANES).astype(bool)


def test_lattices_are_packed_like_numpy_packs_them():
    for sites in (30, 64, 130):
        spins, turned = random_vectors(sites, sites), np.arange(sites) % 3 == 0
        out = np.empty((LANES, -(-sites // 64)), np.uint64)
        pattern = np.where(turned, ALL, NONE)
        packing.record(spins, sites, pattern, False, randomness.generators(0), aligned(64), out)
        expected = np.packbits(bits(spins).T ^ turned, axis=1)
        assert np.array_equal(out.view(np.uint8)[:, : expected.shape[1]], expected)
        packing.record(spins, sites, pattern, True, randomness.generators(0), aligned(64), out)
        flipped = np.unpackbits(out.view(np.uint8), axis=1, count=sites) ^ (bits(spins).T ^ turned)
        assert 150 < flipped[:, 0].sum() < 362 and (flipped == flipped[:, :1]).all()  # within 9 sigma


def test_bytes_are_unpacked_like_numpy_unpacks_them():
    packed = np.random.default_rng(0).integers(0, 256, (7, 16), np.uint8)
    out = np.empty((7, 16), np.uint64)
    packing.unpack(packed, 255, 1, out)
    assert np.array_equal(out.view(np.int8), 2 * np.unpackbits(packed, axis=1).view(np.int8) - 1)
