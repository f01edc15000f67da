"""The updates of 64 lattices: detailed balance by matrix, the law of their chain by enumeration.

Every p-value may fall below 1e-6 once in a million runs; seeds are fixed, so a passing test keeps passing.
"""

import math
from fractions import Fraction

import numpy as np
import pytest
from tests.ising.kernels.reference import draw

from veridical.ising import CRITICAL_COUPLING
from veridical.ising.exact import enumerate_spins
from veridical.ising.kernels import local, multispin
from veridical.ising.law import Law
from veridical.ising.law import law as law_of
from veridical.statistics import chi_square_test

FALSE_ALARM = 1e-6
ALWAYS, NEVER = np.int64(-1), np.int64(0)
COUNTER, KEY = (0, 0, 0), (np.uint32(1), np.uint32(2))


def log_weights(law: Law) -> np.ndarray:
    """Of every state, in the order of `enumerate_spins`."""
    s = enumerate_spins(law.sites).reshape(-1, law.height, law.width).astype(np.float64)
    across, down = (s * np.roll(s, -1, 2)).sum((1, 2)), (s * np.roll(s, -1, 1)).sum((1, 2))
    return law.horizontal * across + law.vertical * down + law.field * s.sum((1, 2))


def probability(threshold: np.int64) -> float:
    return int(np.uint64(threshold)) / 2**64


def transition(law: Law, rule: str, table: tuple[np.int64, ...]) -> np.ndarray:
    """Transition matrix of the update of each site: (sites, states, states), exact from the thresholds.

    A state is a lane. With thresholds that are 0 but for one that is always exceeded, the rule shows which lanes belong
    to that class.
    """
    s = enumerate_spins(law.sites) > 0  # (states, sites)
    states = len(s)
    matrix = np.zeros((law.sites, states, states))
    for site in range(law.sites):
        row, column = divmod(site, law.width)
        around = [
            (row - 1) % law.height * law.width + column,
            (row + 1) % law.height * law.width + column,
            row * law.width + (column - 1) % law.width,
            row * law.width + (column + 1) % law.width,
        ]
        up = np.array([update(rule, s[:, site], s[:, around].T, t, len(table)) for t in range(-1, len(table))])
        chances = np.array([probability(threshold) for threshold in table])
        sure, classes = up[0].astype(float), up[1:] != up[0]
        sign = np.where(sure == 1, -1, 1)
        now_up = sure + sign * (classes * chances[:, None]).sum(0)  # P(up afterwards)
        flipped = [
            np.flatnonzero((s == np.where(np.arange(law.sites) == site, ~state, state)).all(1))[0] for state in s
        ]
        for state in range(states):
            flips = 1 - now_up[state] if s[state, site] else now_up[state]
            matrix[site, state, flipped[state]] += flips
            matrix[site, state, state] += 1 - flips
    return matrix


def update(rule: str, spin: np.ndarray, around: np.ndarray, only: int, classes: int) -> np.ndarray:
    """The new spin of every state, where one class of neighbours is always accepted and all others never."""
    table = tuple(ALWAYS if t == only else NEVER for t in range(classes))
    new = []
    for start in range(0, len(spin), 64):
        words = [words_of(bits[start : start + 64]) for bits in (spin, *around)]
        if rule == "metropolis":
            word = multispin.metropolis_spin(*words, table, COUNTER, KEY)
        else:
            word = multispin.heat_bath_spin(*words[1:], table, COUNTER, KEY)
        new.append([int(word) >> lane & 1 for lane in range(len(spin[start : start + 64]))])
    return np.concatenate(new)


def words_of(bits: np.ndarray) -> np.uint64:
    return np.uint64(sum(int(bit) << lane for lane, bit in enumerate(bits)))


def unbalance(law: Law, rule: str, table: tuple[np.int64, ...]) -> float:
    """Largest difference between the flow from a state to another and the flow back."""
    weight = np.exp(log_weights(law))
    pi = weight / weight.sum()
    flow = pi[:, None] * transition(law, rule, table)
    return float(np.abs(flow - flow.transpose(0, 2, 1)).max())


RULES = {
    "metropolis": (law_of((4, 2), 0.35), lambda law: local.metropolis_probabilities(law.horizontal)),
    "heat bath": (
        law_of((4, 2), (0.2, 0.5), 0.15),
        lambda law: local.heat_bath_probabilities(law.horizontal, law.vertical, law.field),
    ),
}


@pytest.mark.parametrize("rule", RULES)
def test_an_update_is_in_detailed_balance(rule):
    law, probabilities = RULES[rule]
    table = multispin.thresholds(probabilities(law))
    assert unbalance(law, rule, table) < 1e-15
    rows = transition(law, rule, table)
    assert rows.sum(2) == pytest.approx(1) and rows.min() >= 0


def test_the_matrix_shows_an_update_that_is_not():
    law, probabilities = RULES["metropolis"]
    assert unbalance(law, "metropolis", multispin.thresholds(probabilities(law)[::-1])) > 1e-3
    law, probabilities = RULES["heat bath"]
    turned = np.array(probabilities(law)).reshape(3, 3).T.ravel()  # horizontal for vertical
    assert unbalance(law, "heat bath", multispin.thresholds(list(turned))) > 1e-4


@pytest.mark.parametrize("p", [0.0, 0.3, 0.5, math.exp(-8 * CRITICAL_COUPLING), 1.0])
def test_a_threshold_is_its_probability_to_64_digits(p):
    (threshold,) = multispin.thresholds([p])
    assert abs(Fraction(int(np.uint64(threshold)), 2**64) - Fraction(p)) <= Fraction(1, 2**64)


def test_deciding_digit_by_digit_is_comparing_numbers():
    rng = np.random.default_rng(5)
    u = [int(x) for x in rng.integers(0, 2**64, 64, dtype=np.uint64)]
    (threshold,) = multispin.thresholds([0.37])
    yes, waiting = np.uint64(0), np.uint64(2**64 - 1)
    for place in range(64):
        random = words_of(np.array([x >> (63 - place) & 1 for x in u]))
        digit = np.uint64(multispin.digit(threshold, place))
        yes, waiting = map(np.uint64, multispin.decide(yes, waiting, digit, random))
    below = words_of(np.array([x < int(np.uint64(threshold)) for x in u]))
    assert yes == below and waiting == 0


LAWS = {
    "critical": law_of((4, 2), CRITICAL_COUPLING),
    "side of 2": law_of((2, 2), 0.3),
    "wide": law_of((2, 6), 0.35),
    "anisotropic in a field": law_of((2, 4), (0.2, 0.5), 0.15),
    "staggered": law_of((4, 2), (-0.3, 0.4)),
    "no coupling": law_of((2, 4), 0.0, 0.25),
}


def state_counts(x: np.ndarray, sites: int) -> np.ndarray:
    numbers = (x.reshape(len(x), -1).astype(np.int64)) @ (1 << np.arange(sites))
    order = (enumerate_spins(sites) > 0).astype(np.int64) @ (1 << np.arange(sites))
    return np.bincount(numbers, minlength=2**sites)[order]


@pytest.mark.parametrize("name", LAWS)
def test_every_state_of_a_tiny_lattice_comes_with_its_probability(name):
    law = LAWS[name]
    x = draw(law, seed=1, groups=500, burn_in=40, thinning=12, records=3)
    assert chi_square_test(state_counts(x, law.sites), np.exp(log_weights(law))).p_value > FALSE_ALARM


@pytest.mark.parametrize("coupling", [0.15, 0.3, CRITICAL_COUPLING])
def test_the_states_of_a_4_by_4_lattice_come_with_their_probabilities(coupling):
    law = law_of(4, coupling)
    x = draw(law, seed=2, groups=1000, burn_in=100, thinning=20, records=3)
    assert len(x) == 192_000
    assert chi_square_test(state_counts(x, 16), np.exp(log_weights(law))).p_value > FALSE_ALARM


def test_the_chi_square_shows_another_law():
    x = draw(law_of(4, 0.31), seed=2, groups=1000, burn_in=100, thinning=20, records=3)
    assert chi_square_test(state_counts(x, 16), np.exp(log_weights(law_of(4, 0.3)))).p_value < FALSE_ALARM
    held = draw(law_of(4, 0.3), seed=2, groups=1000, burn_in=0, thinning=1, records=1)
    assert chi_square_test(state_counts(held, 16), np.exp(log_weights(law_of(4, 0.3)))).p_value < FALSE_ALARM
