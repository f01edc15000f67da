"""What is measured, against loops that cannot be wrong and against the observables of the package."""

import numpy as np
import pytest

from veridical.ising.exact import CRITICAL_COUPLING, bond_correlations, torus_correlation
from veridical.ising.files import as_configurations
from veridical.ising.measurements import choose_displacements, independent_sites, measure
from veridical.ising.observables import bond_sums, magnetization

SIZES = [(2, 2), (3, 4), (4, 4), (5, 3), (6, 8)]


def spins(size, n=23):
    return np.random.default_rng(1).choice([-1, 1], size=(n, *size))


@pytest.mark.parametrize("size", SIZES)
def test_sums_agree_with_the_observables(size):
    s = spins(size)
    m = measure(as_configurations(s))
    across, down = bond_sums(s)
    assert (m.across == across).all() and (m.down == down).all()
    assert (m.energy == -(across + down)).all()
    assert np.allclose(m.magnetization / m.sites, magnetization(s))


@pytest.mark.parametrize("size", SIZES)
def test_classes_seams_and_correlations_by_loops(size):
    s, (height, width) = spins(size), size
    m = measure(as_configurations(s))
    up, total = np.zeros((len(s), 5), int), np.zeros((len(s), 5), int)
    for i, x in enumerate(s):
        for r, c in zip(*np.nonzero(independent_sites(*size)), strict=True):
            around = [x[r - 1, c], x[(r + 1) % height, c], x[r, c - 1], x[r, (c + 1) % width]]
            total[i, around.count(1)] += 1
            up[i, around.count(1)] += x[r, c] == 1
    assert (m.up == up).all() and (m.total == total).all()
    for i, x in enumerate(s):
        straight = [sum(x[r, -1] * x[r, 0] for r in range(height)), sum(x[-1, c] * x[0, c] for c in range(width))]
        shifted = [
            sum(x[r, -1] * x[(r + 1) % height, 0] for r in range(height)),
            sum(x[-1, c] * x[0, (c + 1) % width] for c in range(width)),
        ]
        assert m.seam[i].tolist() == [*straight, *shifted]
    for j, (dy, dx) in enumerate(m.displacements):
        expected = [np.mean([x[r, c] * x[(r + dy) % height, (c + dx) % width] for r, c in np.ndindex(size)]) for x in s]
        assert np.allclose(m.correlation[:, j], expected)


@pytest.mark.parametrize("size", SIZES)
def test_no_two_independent_sites_are_neighbours(size):
    chosen = independent_sites(*size)
    assert chosen.any()
    for axis in (0, 1):
        assert not (chosen & np.roll(chosen, 1, axis)).any()


def test_displacements():
    assert choose_displacements(2, 2) == ((1, 1),)
    assert choose_displacements(16, 16)[:3] == ((0, 2), (0, 4), (0, 8))
    assert len(choose_displacements(64, 64)) == 5 + 5 + 6


def test_equal_configurations_have_equal_fingerprints():
    s = spins((4, 4), 500)
    m = measure(as_configurations(np.concatenate([s, s])))
    assert (m.fingerprint[:500] == m.fingerprint[500:]).all()
    assert len(np.unique(m.fingerprint)) == len(np.unique(s.reshape(500, -1), axis=0))


def test_neither_threads_nor_blocks_change_anything():
    s = spins((64, 64), 1200)  # three blocks
    one, three = measure(as_configurations(s), threads=1), measure(as_configurations(s), threads=3)
    for a, b in zip(one, three, strict=True):
        assert np.array_equal(a, b)


def test_progress_is_told():
    told = []
    measure(as_configurations(spins((64, 64), 1200)), threads=1, progress=told.append)
    assert told == sorted(told) and told[-1] == 1200 and len(told) > 1


def test_means_are_those_of_the_exact_solution():
    """All 65,536 states, weighted: no statistics."""
    x = ((np.arange(1 << 16)[:, None] >> np.arange(16)) & 1).reshape(-1, 4, 4)
    m = measure(as_configurations(x))
    weight = np.exp(-CRITICAL_COUPLING * m.energy)
    weight /= weight.sum()
    across, down = bond_correlations(4, 4, CRITICAL_COUPLING)
    assert weight @ m.across / 16 == pytest.approx(across, abs=1e-12)
    exact = torus_correlation(4, 4, CRITICAL_COUPLING)
    assert weight @ m.seam / 4 == pytest.approx([across, down, exact[1, 1], exact[1, 1]], abs=1e-12)
    assert weight @ m.correlation == pytest.approx([exact[d] for d in m.displacements], abs=1e-12)
    share = (weight @ m.up) / (weight @ m.total)
    assert share == pytest.approx(1 / (1 + np.exp(-4 * CRITICAL_COUPLING * (np.arange(5) - 2))), abs=1e-12)
