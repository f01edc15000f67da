"""Vectors in memory."""

import numpy as np

from veridical.ising.kernels.compilation import kernel
from veridical.ising.kernels.lanes import aligned, load, store


def random_vectors(vectors: int, seed: int) -> np.ndarray:
    out = aligned(vectors)
    out[:] = np.random.default_rng(seed).integers(0, 2**64, len(out), np.uint64)
    return out


def test_vectors_load_and_store_by_site():
    @kernel
    def copy(a, b):
        store(b, 1, ~load(a, 2))

    a, b = random_vectors(3, 11), aligned(2)
    copy(a, b)
    assert np.array_equal(b, np.concatenate([np.zeros(8, np.uint64), ~a[16:]]))
    assert a.ctypes.data % 64 == 0
