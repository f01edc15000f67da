"""Bounds of the entropy, against enumeration where it is small, and against the exact entropy where it is large."""

import math

import numpy as np
import pytest

from veridical.ising import sample
from veridical.ising.contexts import ContextCode
from veridical.ising.exact import CRITICAL_COUPLING, entropy_per_site
from veridical.ising.information import block_bound, bound, context_bounds, site_bound

FALSE_ALARM = 1e-6
"""Statistical assertions leave 5 standard errors: each fails by chance less than once in a million."""


def bits_per_site(height, width, coupling=CRITICAL_COUPLING):
    return float(entropy_per_site(height, width, coupling)) / math.log(2)


@pytest.fixture(scope="module")
def critical():
    return sample(32, 4000, seed=5, threads=1).view(bool)


def conditional_entropy(states, weight, inside):
    """H(X_inside | X_outside) in bits, from all states of a lattice."""
    key = np.where(inside.ravel(), 0, states) @ (1 << np.arange(states.shape[1]))
    outside = np.bincount(key, weight)
    p, q = weight, outside[key]
    kept = p > 0
    return float(-(p[kept] * np.log2(p[kept] / q[kept])).sum())


@pytest.mark.parametrize(
    ("size", "rows", "coupling"),
    [
        ((3, 3), 1, CRITICAL_COUPLING),
        ((3, 4), 2, 0.2),
        ((4, 4), 1, 0.9),
        ((4, 4), 2, -0.3),
        ((4, 4), 3, CRITICAL_COUPLING),
        ((5, 3), 2, 0.6),
    ],
)
def test_blocks_against_enumeration(size, rows, coupling):
    height, width = size
    sites = height * width
    states = (np.arange(1 << sites)[:, None] >> np.arange(sites)) & 1
    x = states.reshape(-1, height, width)
    s = 2 * x - 1
    log_p = coupling * ((s * np.roll(s, -1, 1)).sum((1, 2)) + (s * np.roll(s, -1, 2)).sum((1, 2)))
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    inside = np.zeros(size, bool)
    inside[:rows, 1:] = True
    expected = conditional_entropy(states, p, inside) / (rows * (width - 1))
    drawn = np.random.default_rng(0).choice(len(p), 4000, p=p)
    found = block_bound(x[drawn].astype(bool), coupling, rows)
    spread = (found.high - found.low) / 2 / 1.96
    assert abs(found.bits - expected) < 5 * spread + 1e-3  # the control variate is biased by terms of order 1/n


def test_the_entropy_of_one_block_is_that_of_its_conditional_law():
    """A 2 x 3 block in fixed surroundings, by summing over its 64 states."""
    from veridical.ising.information import _block_entropy

    rng, k = np.random.default_rng(3), 0.6
    around = rng.random((5, 4, 4)) < 0.5  # rows above and below, a fixed column, and a block that is ignored
    got = _block_entropy(around, k)
    for spins, value in zip(2.0 * around - 1, got, strict=True):
        log_w = []
        for state in range(64):
            x = spins.copy()
            x[1:3, 1:] = 2 * np.array([(state >> b) & 1 for b in range(6)]).reshape(2, 3) - 1
            down = (x[:-1, 1:] * x[1:, 1:]).sum()
            across = (x[1:3, :-1] * x[1:3, 1:]).sum() + (x[1:3, -1] * x[1:3, 0]).sum()
            log_w.append(k * (down + across))
        p = np.exp(np.array(log_w) - np.logaddexp.reduce(log_w))
        assert value == pytest.approx(-(p * np.log(p)).sum(), rel=1e-10)


def test_a_site_given_its_neighbours():
    x = sample((3, 4), 40_000, 0.35, seed=2, threads=1).view(bool)
    states = (np.arange(1 << 12)[:, None] >> np.arange(12)) & 1
    s = 2 * states.reshape(-1, 3, 4) - 1
    weight = np.exp(0.35 * ((s * np.roll(s, -1, 1)).sum((1, 2)) + (s * np.roll(s, -1, 2)).sum((1, 2))))
    inside = np.zeros((3, 4), bool)
    inside[0, 0] = True
    expected = conditional_entropy(states, weight / weight.sum(), inside)
    found = site_bound(x, 0.35)
    assert abs(found.bits - expected) < 5 * (found.high - found.low) / 3.92


def test_bounds_hold_the_exact_entropy_between_them(critical):
    truth = bits_per_site(32, 32)
    train, test = critical[:2000], critical[2000:]
    lower = [site_bound(test, CRITICAL_COUPLING)]
    lower += [block_bound(test[:300], CRITICAL_COUPLING, rows) for rows in (1, 2, 4, 8)]
    upper = context_bounds(train, test, (1, 2, 4, 8, 12), CRITICAL_COUPLING)
    assert [b.kind for b in (*lower, *upper)] == ["lower"] * 5 + ["upper"] * 5
    assert all(b.high < truth for b in lower) and all(b.low > truth for b in upper)
    assert [b.bits for b in lower] == sorted(b.bits for b in lower)  # a larger block bounds better
    assert [b.bits for b in upper] == sorted((b.bits for b in upper), reverse=True)
    assert truth - lower[-1].bits < 0.02 and upper[-1].bits - truth < 0.02


def test_the_energy_steadies_an_estimate_and_does_not_move_it(critical):
    """Estimates of disjoint parts agree with or without; their intervals are several times shorter with it."""
    code = ContextCode((32, 32), 4).count(critical[:1000])
    plain, steadied = (
        [bound("code", "upper", code.bits(part), part, k) for part in np.array_split(critical[1000:], 30)]
        for k in (None, CRITICAL_COUPLING)
    )
    a, b = (np.array([x.bits for x in found]) for found in (plain, steadied))
    assert b.std() < a.std() / 3
    assert abs(a.mean() - b.mean()) < 5 * a.std() / math.sqrt(len(a))
    mean = b.mean()
    assert sum(x.low <= mean <= x.high for x in steadied) >= 22  # 95 % intervals: P(fewer) < 1e-6 for 30


def test_an_average_of_one_configuration_has_no_interval(critical):
    found = bound("one", "upper", np.array([0.5]), critical[:1])
    assert (found.low, found.high) == (-math.inf, math.inf)


def test_arguments(critical):
    with pytest.raises(ValueError, match="rows is 32; expected 1 to 14"):
        block_bound(critical, CRITICAL_COUPLING, 32)
