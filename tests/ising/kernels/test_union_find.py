"""Labels of clusters against scipy."""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from veridical.ising.kernels import union_find

HEIGHT, WIDTH = 5, 6


SITES = HEIGHT * WIDTH


def components(right: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Label the clusters of one lattice's open bonds."""
    site = np.arange(SITES).reshape(HEIGHT, WIDTH)
    ends = [(site[right], np.roll(site, -1, 1)[right]), (site[down], np.roll(site, -1, 0)[down])]
    a, b = np.concatenate([e[0] for e in ends]), np.concatenate([e[1] for e in ends])
    return connected_components(coo_array((np.ones(len(a)), (a, b)), (SITES, SITES)), directed=False)[1]


def test_union_find_labels_every_site_with_the_first_of_its_cluster():
    rng = np.random.default_rng(4)
    for signs in 20 * ((0, 0), (1, 0), (0, 1), (1, 1)):
        spins = rng.integers(0, 2, SITES).astype(np.uint8)
        words, labels = rng.integers(0, 2**64, (2, 8), np.uint64), np.empty(SITES, np.uint32)
        union_find.find_clusters(spins, *words, labels, HEIGHT, WIDTH, np.uint8(signs[0]), np.uint8(signs[1]))
        right, down = (np.unpackbits(w.view(np.uint8), bitorder="little")[:SITES].reshape(HEIGHT, WIDTH) for w in words)
        s = spins.reshape(HEIGHT, WIDTH)
        right = right.astype(bool) & (s ^ np.roll(s, -1, 1) == signs[0])
        down = down.astype(bool) & (s ^ np.roll(s, -1, 0) == signs[1])
        expected = components(right, down)
        _, first = np.unique(expected, return_index=True)
        assert np.array_equal(labels, first[expected])
