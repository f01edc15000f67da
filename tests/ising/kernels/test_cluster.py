"""Bonds, floods and clusters against scipy and against an identity of Wolff."""

import numpy as np
import pytest
from scipy import stats
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from veridical.ising.kernels import cluster, randomness
from veridical.ising.kernels.blocks import ClusterBlock
from veridical.ising.kernels.lanes import LANES, aligned
from veridical.ising.law import CRITICAL_COUPLING, Law

HEIGHT, WIDTH = 5, 6


SITES = HEIGHT * WIDTH


NONE = np.uint64(0)


ALL = np.uint64(2**64 - 1)


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


def components(right: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Label the clusters of one lattice's open bonds."""
    site = np.arange(SITES).reshape(HEIGHT, WIDTH)
    ends = [(site[right], np.roll(site, -1, 1)[right]), (site[down], np.roll(site, -1, 0)[down])]
    a, b = np.concatenate([e[0] for e in ends]), np.concatenate([e[1] for e in ends])
    return connected_components(coo_array((np.ones(len(a)), (a, b)), (SITES, SITES)), directed=False)[1]


@pytest.mark.parametrize("density", [0.3, 0.5, 0.7])
def test_the_flood_fills_exactly_the_clusters_that_hold_a_seed(density):
    rng = np.random.default_rng(1)
    right, down, marks = aligned(SITES), aligned(SITES), aligned(SITES)
    for bonds in (right, down):
        bonds.view(np.uint8)[:] = np.packbits(rng.random(SITES * LANES) < density)
    cluster.sow(marks, SITES, 2, randomness.generators(2))
    seeds = lattices(marks).reshape(LANES, SITES)
    assert set(seeds.sum(1)) <= {1, 2}
    cluster.flood(right, down, marks, HEIGHT, WIDTH, np.zeros(HEIGHT, np.uint8))
    for lane in range(LANES):
        labels = components(lattices(right)[lane], lattices(down)[lane])
        expected = np.isin(labels, labels[seeds[lane]])
        assert np.array_equal(lattices(marks)[lane].ravel(), expected)


def test_bonds_open_where_they_are_satisfied_and_independently():
    spins, right, down = random_vectors(SITES, 3), aligned(SITES), aligned(SITES)
    table = randomness.thresholds(cluster.bond_probabilities(0.3, -0.6))
    cluster.open_bonds(spins, right, down, HEIGHT, WIDTH, table, randomness.generators(3), NONE, ALL)
    s, opened_right, opened_down = lattices(spins), lattices(right), lattices(down)
    equal, unequal = s == np.roll(s, -1, 2), s != np.roll(s, -1, 1)
    assert not (opened_right & ~equal).any() and not (opened_down & ~unequal).any()
    both = equal & unequal
    p, q = 1 - np.exp(-0.6), 1 - np.exp(-1.2)
    counts = np.bincount(2 * opened_right[both] + opened_down[both], minlength=4)
    expected = np.array([(1 - p) * (1 - q), (1 - p) * q, p * (1 - q), p * q]) * counts.sum()
    assert stats.chisquare(counts, expected).pvalue > 1e-6  # the false-alarm rate


def test_a_wolff_cluster_is_as_large_as_the_squared_magnetization():
    block = ClusterBlock(Law(8, 8, CRITICAL_COUPLING, CRITICAL_COUPLING), 5, 0, local_sweeps=2, seeds=1)
    block.advance(60)
    differences = []
    for _ in range(60):
        m = bits(block.spins).mean(0) * 2 - 1
        block.advance(1)
        differences.append(bits(block.lattice[3]).mean(0) - m**2)
    by_lane = np.mean(differences, axis=0)  # lanes are independent
    assert abs(by_lane.mean()) < 5.5 * by_lane.std() / np.sqrt(LANES - 1)  # false alarm 4e-8
