"""The kernels against independent implementations, bit for bit."""

from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from veridical.ising.kernels import cluster, coupled, local, packing, randomness, tempering, union_find
from veridical.ising.kernels.blocks import ClusterBlock, LocalBlock
from veridical.ising.kernels.compilation import kernel
from veridical.ising.kernels.lanes import LANES, aligned, load, spread, store
from veridical.ising.kernels.perfect import PerfectBlock
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


@kernel
def draw_events(table, state, out, draws):
    first, second = randomness.load_generators(state)
    zero = spread(np.uint64(0))
    for draw in range(draws):
        (a, b, c), first, second = randomness.events(first, second, table, (zero, zero, zero))
        store(out, 3 * draw, a)
        store(out, 3 * draw + 1, b)
        store(out, 3 * draw + 2, c)
    randomness.store_generators(state, first, second)


class Xoroshiro:
    """xoroshiro128++ on eight words, written down once more."""

    def __init__(self, a: np.ndarray, b: np.ndarray) -> None:
        self.a, self.b = a.copy(), b.copy()

    def bits(self) -> np.ndarray:
        def rotate(x: np.ndarray, k: int) -> np.ndarray:
            return x << np.uint64(k) | x >> np.uint64(64 - k)

        out = rotate(self.a + self.b, 17) + self.a
        self.b ^= self.a
        self.a = rotate(self.a, 49) ^ self.b ^ self.b << np.uint64(21)
        self.b = rotate(self.b, 28)
        return np.unpackbits(out.view(np.uint8), bitorder="little").astype(object)


def test_events_compare_one_uniform_number_with_every_threshold():
    probabilities = [0.171572875253809902, 1 / 3, 0.9999]
    state, draws = randomness.generators(0, 0), 300
    turns = [Xoroshiro(state[0:8], state[8:16]), Xoroshiro(state[16:24], state[24:32])]
    out = aligned(3 * draws)
    draw_events(randomness.thresholds(probabilities), state, out, draws)
    scaled = [round(p * 2**randomness.DIGITS) for p in probabilities]
    longer = 0
    for observed in bits(out).reshape(draws, 3, LANES):
        u, known = np.zeros(LANES, object), 0
        while known == 0 or (
            known < randomness.DIGITS and any((u == p >> randomness.DIGITS - known).any() for p in scaled)
        ):
            size = randomness.NEXT_CHUNK if known else randomness.FIRST_CHUNK
            chunk = sum(turns[k % 2].bits() * 2**k for k in range(size))
            u, known = u * 2**size + chunk, known + size
        longer += known > randomness.FIRST_CHUNK
        for p, event in zip(scaled, observed, strict=True):
            assert np.array_equal(event, u < p >> randomness.DIGITS - known)
    assert longer > 5  # the rare branch was taken


def test_probabilities_are_exact_to_a_part_in_a_trillion():
    for p in (0.0, 1e-9, 3 - 2 * 2**0.5, 0.5, 2 - 2**0.5, 1 - 1e-9, 1.0):
        table = randomness.thresholds([p]) != 0
        chunks = np.split(table, range(randomness.FIRST_CHUNK, randomness.DIGITS, randomness.NEXT_CHUNK))
        digits = np.concatenate([chunk[::-1] for chunk in chunks])
        assert abs(sum(2.0 ** -(k + 1) for k in np.flatnonzero(digits)) - p) < 1e-12


def test_every_lane_has_random_bits_of_its_own():
    out = aligned(3 * 4000)
    draw_events(randomness.thresholds([0.5, 0.5, 0.5]), randomness.generators(1, 0), out, 4000)
    half = bits(out)[::3].astype(np.float64) * 2 - 1
    correlation = half.T @ half / 4000
    np.fill_diagonal(correlation, 0)
    pairs = LANES * (LANES - 1) / 2
    assert np.abs(correlation).max() < stats.norm.isf(1e-6 / pairs / 2) / np.sqrt(4000)  # false alarm 1e-6


def test_seeds_and_blocks_have_streams_of_their_own():
    words = np.concatenate([randomness.generators(seed, block)[:34] for seed in range(4) for block in range(4)])
    assert len(np.unique(words)) == len(words)


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


def test_perfect_sampling_says_when_it_cannot_end():
    with pytest.raises(RuntimeError, match="cluster"):
        PerfectBlock(Law(32, 32, 0.7, 0.7), 0, 0, patience=50)


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


def test_a_kernel_without_a_place_on_disk_is_compiled_all_the_same():
    namespace: dict[str, Any] = {"kernel": kernel}
    exec("@kernel\ndef double(x):\n    return 2 * x", namespace)
    assert namespace["double"](21) == 42


def test_vectors_load_and_store_by_site():
    @kernel
    def copy(a, b):
        store(b, 1, ~load(a, 2))

    a, b = random_vectors(3, 11), aligned(2)
    copy(a, b)
    assert np.array_equal(b, np.concatenate([np.zeros(8, np.uint64), ~a[16:]]))
    assert a.ctypes.data % 64 == 0
