"""Repeats of every kind are found, at any coupling; what must repeat by chance, or in a slow chain, is not accused."""

import numpy as np
import pytest

from veridical.ising import exact, sample
from veridical.ising.comparisons import Comparison, Order, find_order, solve
from veridical.ising.files import as_configurations
from veridical.ising.measurements import measure
from veridical.ising.repeats import equal_by_symmetry, log_states, repeats, symmetries, symmetry_classes


def found(x: np.ndarray, coupling: float) -> Comparison:
    configurations = as_configurations(x)
    m = measure(configurations, 1)
    return repeats(configurations, m, solve(m.height, m.width, coupling), find_order(m.energy))


def images(x: np.ndarray, kind: str, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if kind == "flipped":
        return 1 - x
    if kind == "shifted":
        return np.array([np.roll(one, rng.integers(0, 8, 2), (0, 1)) for one in x])
    return np.array([np.rot90(one, int(rng.integers(1, 4)))[:: rng.choice([-1, 1])] for one in x])


@pytest.mark.parametrize("kind", ["flipped", "shifted", "turned"])
def test_images_under_a_symmetry_are_copies(kind: str) -> None:
    x = sample(8, 400, 0.4, seed=1, threads=1)
    assert found(x, 0.4).p_value > 0.01
    test = found(np.random.default_rng(0).permutation(np.concatenate([x, images(x, kind)])), 0.4)
    assert test.p_value < 1e-4 and "flipped, shifted, turned or mirrored" in test.says


def test_one_percent_of_copies_is_seen_and_counted() -> None:
    x = sample(16, 1000, 0.4, seed=1, threads=1)
    x[-10:] = x[:10]
    test = found(np.random.default_rng(0).permutation(x), 0.4)
    assert test.p_value < 1e-4 and test.says.startswith("10 of 1000 configurations are copies of others;")


@pytest.mark.parametrize("coupling", [0.0, 0.35, 0.6, 1.2])
@pytest.mark.parametrize("size", [(3, 3), (4, 6), (8, 8)])
def test_independent_draws_are_not_accused(size: tuple[int, int], coupling: float) -> None:
    """At a coupling that is not theirs as well: only the number of states counts. False alarms below 1e-3 each."""
    x = sample(size, 1000, coupling, seed=2, threads=1)
    assert found(x, coupling).p_value > 0.001 and found(x, 0.3).p_value > 0.001


def test_a_chain_that_stands_still_by_chance_is_not_accused_and_one_written_at_every_second_place_is() -> None:
    """One attempted flip between two records; half of them change nothing."""
    rng, k = np.random.default_rng(0), 0.3
    x, chain = sample(8, 1, k, seed=1, threads=1)[0].astype(int) * 2 - 1, []
    for _ in range(3000):
        i, j = rng.integers(0, 8, 2)
        around = x[(i + 1) % 8, j] + x[i - 1, j] + x[i, (j + 1) % 8] + x[i, j - 1]
        x = x.copy()
        x[i, j] *= -1 if rng.random() < np.exp(-2 * k * x[i, j] * around) else 1
        chain.append(x)
    steps = np.array(chain)
    assert (steps[1:] == steps[:-1]).all((1, 2)).mean() > 0.2
    assert found(steps, k).p_value > 0.01
    assert found(steps[:1000].repeat(2, 0), k).p_value < 1e-4


def test_known_groups_and_numbers_of_states() -> None:
    assert symmetries(4, 4) == 2 * 16 * 8 and symmetries(4, 6) == 2 * 24 * 4
    x = as_configurations(sample((4, 4), 50, seed=1, threads=1))
    logs = log_states(measure(x, 1), solve(4, 4, 0.4))
    assert np.exp(logs).sum() == pytest.approx(2**16) and np.exp(logs[0]) == pytest.approx(2)
    large = measure(as_configurations(sample((32, 34), 20, 0.4, seed=1, threads=1)), 1)
    states, law = log_states(large, solve(32, 34, 0.4)), solve(32, 34, 0.4)
    middle = int((law.energy + 2 * 32 * 34) // 4)
    g = exact.density_of_states(32, 34)[middle]
    assert states[middle] == pytest.approx(
        float(np.log(float(g))) if g < 1e300 else g.bit_length() * np.log(2), rel=2e-3
    )


def test_every_image_is_recognised_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    a = rng.choice([-1.0, 1.0], (5, 5))
    for _ in range(20):
        b = np.roll(np.rot90(a, int(rng.integers(4))), rng.integers(0, 5, 2), (0, 1)) * rng.choice([-1, 1])
        assert equal_by_symmetry(a, b if rng.random() < 0.5 else b[::-1])
        c = b.copy()
        c[0, 0] *= -1
        assert not equal_by_symmetry(a, c)
    oblong = rng.choice([-1.0, 1.0], (4, 6))
    assert equal_by_symmetry(oblong, -oblong[::-1, ::-1])


def test_classes_are_those_of_brute_force() -> None:
    x = sample(4, 60, 0.2, seed=3, threads=1)
    configurations = as_configurations(x)
    classes = symmetry_classes(configurations, measure(configurations, 1), np.arange(60))
    spins = 2.0 * x - 1
    for i in range(60):
        for j in range(i):
            assert (classes[i] == classes[j]) == equal_by_symmetry(spins[i], spins[j])


def test_chains_in_turn_are_judged_chain_by_chain() -> None:
    x = sample(8, 40, 0.3, seed=4, threads=1)
    turn = np.tile(x, (10, 1, 1))  # 40 chains that never move
    configurations = as_configurations(turn)
    m = measure(configurations, 1)
    assert repeats(configurations, m, solve(8, 8, 0.3), Order(40)).p_value == 1.0  # stuck, which other tests see
    assert repeats(configurations, m, solve(8, 8, 0.3), Order(1)).p_value < 1e-4
