"""The samplers against exact laws.

Every p-value is required to exceed 1e-6, and every mean to lie within 5.5 standard errors: a correct sampler fails one
such check in a million (means: 4e-8). Seeds are fixed, so a passing test keeps passing.
"""

import subprocess
import sys

import numpy as np
import pytest

from veridical.ising import CRITICAL_COUPLING, sample, stream, unpack
from veridical.ising.exact import energy_distribution, enumerate_spins, magnetization_squared
from veridical.ising.observables import hamiltonian, magnetization
from veridical.statistics import chi_square_test

FALSE_ALARM = 1e-6
SIGMAS = 5.5
METHODS = ["metropolis", "cluster", "wolff", "swendsen-wang", "tempering", "perfect"]
STEPS = {"metropolis": 12, "cluster": 6, "wolff": 12, "swendsen-wang": 4, "tempering": 4, "perfect": 1}
DRAWS = {"swendsen-wang": 20_000, "tempering": 50_000}


def boltzmann(height: int, width: int, coupling: tuple[float, float], field: float) -> np.ndarray:
    """Probability of every state; bit i of its number is 1 where spin i is down."""
    s = enumerate_spins(height * width).reshape(-1, height, width).astype(np.float64)
    across, down = (s * np.roll(s, -1, 2)).sum((1, 2)), (s * np.roll(s, -1, 1)).sum((1, 2))
    weight = np.exp(coupling[0] * across + coupling[1] * down + field * s.sum((1, 2)))
    return weight / weight.sum()


def state_numbers(x: np.ndarray) -> np.ndarray:
    down = 1 - x.reshape(len(x), -1).astype(np.int64)
    return down @ (1 << np.arange(down.shape[1]))


LAWS = {
    "critical": ((3, 3), (CRITICAL_COUPLING, CRITICAL_COUPLING), 0.0),
    "side of 2": ((2, 3), (0.4, 0.4), 0.0),
    "anisotropic in a field": ((3, 3), (0.2, 0.5), 0.15),
    "against the field": ((2, 4), (0.45, 0.45), -0.2),
    "staggered": ((4, 2), (-0.3, 0.4), 0.0),
    "frustrated": ((3, 3), (-0.3, 0.2), 0.0),
    "frustrated in a field": ((3, 2), (0.3, -0.4), 0.3),
    "no coupling": ((2, 3), (0.0, 0.0), 0.25),
}


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("method", METHODS)
def test_every_state_of_a_tiny_lattice_comes_with_its_probability(method, law):
    size, coupling, field = LAWS[law]
    if (method == "perfect" and "frustrated" in law) or (method == "wolff" and law == "no coupling"):
        with pytest.raises(ValueError, match="method="):
            sample(size, 1, coupling, method, field=field)
        return
    n = DRAWS.get(method, 102_400)
    x = sample(size, n, coupling, method, seed=1, field=field, burn_in=60, thinning=STEPS[method])
    counts = np.bincount(state_numbers(x), minlength=2 ** (size[0] * size[1]))
    assert chi_square_test(counts, boltzmann(*size, coupling, field)).p_value > FALSE_ALARM


@pytest.mark.parametrize("size", [(8, 8), (5, 7), (4, 6)])
@pytest.mark.parametrize("method", METHODS)
def test_the_energy_has_its_exact_law(method, size):
    coupling = CRITICAL_COUPLING if size == (8, 8) else 0.35
    n = {"swendsen-wang": 4_000, "tempering": 10_000, "perfect": 5_120}.get(method, 51_200)
    x = sample(size, n, coupling, method, seed=2, burn_in=150, thinning=2 * STEPS[method])
    exact = energy_distribution(size[0], size[1], coupling)
    counts = np.bincount((hamiltonian(x) - exact.energies.min()) // 4, minlength=len(exact.probabilities))
    assert chi_square_test(counts, exact.probabilities).p_value > FALSE_ALARM


@pytest.mark.parametrize("method", ["metropolis", "cluster", "wolff", "auto"])
def test_the_squared_magnetization_is_exact_at_criticality(method):
    x = sample(16, 51_200, method=method, seed=3)
    m2 = magnetization(x) ** 2
    error = np.std(m2.reshape(-1, 512).mean(0)) / np.sqrt(511)  # lanes are independent
    assert abs(m2.mean() - magnetization_squared(16, 16, CRITICAL_COUPLING)) < SIGMAS * error


def test_signs_are_fair():
    up = magnetization(sample(8, 51_200, method="cluster", seed=4)) > 0
    down = magnetization(sample(8, 51_200, method="cluster", seed=4)) < 0
    n = up.sum() + down.sum()
    assert abs(up.sum() - down.sum()) < SIGMAS * np.sqrt(n)


@pytest.mark.parametrize("method", METHODS)
def test_a_seed_gives_the_same_configurations_at_any_number_of_threads(method):
    n = 7 if method == "swendsen-wang" else 2600
    alone = sample((4, 5), n, method=method, seed=5, threads=1, burn_in=5, thinning=1)
    assert np.array_equal(alone, sample((4, 5), n, method=method, seed=5, threads=2, burn_in=5, thinning=1))
    assert not np.array_equal(alone, sample((4, 5), n, method=method, seed=6, threads=2, burn_in=5, thinning=1))


def test_a_stream_is_the_sample_in_pieces():
    whole = sample((6, 5), 5000, method="cluster", seed=7)
    pieces = list(stream((6, 5), method="cluster", seed=7, n=5000, blocks=4))
    assert [len(piece) for piece in pieces] == [2048, 2048, 904]
    assert np.array_equal(np.concatenate(pieces), whole)
    endless = stream((6, 5), method="cluster", seed=7, blocks=4, spins=True)
    assert np.array_equal(next(endless) > 0, whole[:2048] > 0)


def test_the_three_forms_hold_the_same_spins():
    sites = sample((3, 5), 700, seed=8)
    spins = sample((3, 5), 700, seed=8, spins=True)
    packed = sample((3, 5), 700, seed=8, packed=True)
    assert sites.dtype == packed.dtype == np.uint8 and spins.dtype == np.int8
    assert np.array_equal(2 * sites.astype(int) - 1, spins)
    assert packed.shape == (700, 2) and np.array_equal(unpack(packed, (3, 5)), sites)
    assert np.array_equal(unpack(packed, (3, 5), spins=True), spins)


def test_no_lattice_repeats_another_and_none_stands_still():
    x = sample(16, 2048, method="metropolis", seed=9, packed=True, burn_in=100, thinning=20)
    assert len(np.unique(x, axis=0)) == 2048


def test_progress_ends_at_n():
    seen = []
    sample(4, 3000, method="metropolis", burn_in=1, thinning=1, progress=lambda done, n: seen.append((done, n)))
    assert seen[-1] == (3000, 3000) and [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_an_error_in_the_progress_ends_all_blocks():
    calls = []

    def fail(done, n):
        calls.append(done)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sample(4, 10**6, method="metropolis", burn_in=1, thinning=1, threads=1, progress=fail)
    assert len(calls) < 40


@pytest.mark.parametrize(
    "wrong",
    [
        {"n": 0},
        {"size": 1},
        {"size": (4, 4, 4)},
        {"size": 4.5},
        {"coupling": float("nan")},
        {"coupling": (0.1, 0.2, 0.3)},
        {"method": "gibbs"},
        {"threads": 0},
        {"burn_in": -1},
        {"thinning": 0},
        {"spins": True, "packed": True},
    ],
)
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong)) + "|height"):
        sample(**{"size": 4, "n": 2, **wrong})


def test_importing_the_package_imports_neither_numba_nor_torch():
    code = "import sys, veridical.ising; sys.exit(bool({'numba', 'torch', 'scipy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
