"""Observables against plain loops, and against exact laws."""

import numpy as np
import pytest

from veridical.ising import CRITICAL_COUPLING, sample
from veridical.ising import observables as of
from veridical.ising.exact import second_moment_correlation_length, structure_factor, torus_correlation

RNG = np.random.default_rng(0)
SITES = RNG.integers(0, 2, (20, 3, 5)).astype(np.uint8)
SPINS = 2 * SITES.astype(np.int8) - 1
FORMS = {
    "sites": (SITES, None),
    "spins": (SPINS, None),
    "floats": (SPINS.astype(np.float32), None),
    "booleans": (SITES.astype(bool), None),
    "packed": (np.packbits(SITES.reshape(20, -1), axis=1), (3, 5)),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_what_a_loop_over_bonds_gives(form):
    x, size = FORMS[form]
    across = [sum(s[i, j] * s[i, (j + 1) % 5] for i in range(3) for j in range(5)) for s in SPINS.astype(int)]
    down = [sum(s[i, j] * s[(i + 1) % 3, j] for i in range(3) for j in range(5)) for s in SPINS.astype(int)]
    assert np.array_equal(of.bond_sums(x, size), [across, down])
    assert np.array_equal(of.hamiltonian(x, size), -np.add(across, down))
    total = SPINS.sum((1, 2), dtype=int)
    expected = -0.3 * np.array(across) + 0.2 * np.array(down) - 0.1 * total
    np.testing.assert_allclose(of.energy(x, (0.3, -0.2), 0.1, size), expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(of.magnetization(x, size), total / 15)


def test_two_point_function_and_structure_factor_agree_with_sums_over_pairs():
    s = SPINS.astype(float)
    correlation = [[np.mean(s * np.roll(s, (-a, -b), (1, 2))) for b in range(5)] for a in range(3)]
    np.testing.assert_allclose(of.two_point(SITES), correlation, atol=1e-12)
    direct = np.mean(np.abs(np.fft.fft2(s)) ** 2, axis=0) / 15
    np.testing.assert_allclose(of.structure_factor(SITES), direct, atol=1e-12)


def test_many_configurations_are_taken_in_pieces(monkeypatch):
    whole = of.hamiltonian(SITES), of.two_point(SITES)
    monkeypatch.setattr(of, "_CHUNK", 45)
    assert np.array_equal(whole[0], of.hamiltonian(SITES))
    np.testing.assert_allclose(whole[1], of.two_point(SITES), atol=1e-12)


def test_binder_cumulant_at_both_ends():
    assert of.binder_cumulant(np.ones((3, 4, 4))) == pytest.approx(2 / 3)
    noise = RNG.integers(0, 2, (20_000, 16, 16))
    assert abs(of.binder_cumulant(noise)) < 0.05  # its standard error is 0.01


def all_states(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Every configuration of a small lattice, and its critical weight."""
    n = side * side
    x = (np.arange(2**n)[:, None] >> np.arange(n) & 1).astype(np.uint8).reshape(-1, side, side)
    return x, np.exp(-CRITICAL_COUPLING * of.hamiltonian(x))


def test_the_cumulant_of_the_four_by_four_lattice_is_the_known_one():
    x, weight = all_states(4)
    m2 = of.magnetization(x) ** 2
    moments = [np.average(m2**k, weights=weight) for k in (1, 2)]
    assert 1 - moments[1] / (3 * moments[0] ** 2) == pytest.approx(0.617199318, abs=1e-9)


def test_critical_samples_have_the_universal_cumulant_and_correlation_length():
    """U4 and xi/L of 25,600 lattices of side 64: five batches of lanes give the error; false alarm below 1e-3.

    The limits are 0.610692 and 0.9050488 (Salas & Sokal 2000); at this side U4 is within 0.0003 of its limit.
    """
    x = sample(64, 25_600, method="cluster", seed=1, packed=True).reshape(50, 512, -1)
    batches = [np.concatenate(x[:, lanes::8]) for lanes in range(8)]
    cumulants = [of.binder_cumulant(batch, 64) for batch in batches]
    lengths = [of.second_moment_correlation_length(batch, 64) / 64 for batch in batches]
    exact = second_moment_correlation_length(64, CRITICAL_COUPLING) / 64
    assert abs(np.mean(cumulants) - 0.610692) < 6 * np.std(cumulants, ddof=1) / np.sqrt(8) + 0.0003
    assert abs(np.mean(lengths) - exact) < 6 * np.std(lengths, ddof=1) / np.sqrt(8)
    assert exact == pytest.approx(0.9050488, abs=2e-3)


def test_the_two_point_function_of_samples_is_exact():
    """Every displacement of an anisotropic 12 x 16 lattice, by 64 batches of lanes: false alarm 2e-5."""
    coupling = (0.35, 0.5)
    x = sample((12, 16), 51_200, coupling, "cluster", seed=2, burn_in=60, thinning=6).reshape(100, 64, 8, 12, 16)
    batches = np.array([of.two_point(x[:, batch].reshape(-1, 12, 16)) for batch in range(64)])
    error = batches.std(0, ddof=1) / 8
    deviation = np.abs(batches.mean(0) - torus_correlation(12, 16, coupling))
    assert (deviation <= 6.5 * error + 1e-12).all()
    s = np.fft.fft2(batches.mean(0)).real
    np.testing.assert_allclose(s, structure_factor(12, 16, coupling), rtol=0.1)


@pytest.mark.parametrize(
    ("x", "told"),
    [
        (np.full((1, 2, 2), 2), "values"),
        (np.array([[[-1, 0], [1, 0]]]), "values"),
        (np.full((1, 2, 2), 0.5), "values"),
        (np.ones((4, 4)), "shape"),
        (np.ones((0, 4, 4)), "no configurations"),
    ],
)
def test_what_is_no_configuration_is_refused(x, told):
    with pytest.raises(ValueError, match=told):
        of.hamiltonian(x)


def test_the_correlation_length_wants_a_square():
    with pytest.raises(ValueError, match="square"):
        of.second_moment_correlation_length(SITES)
    assert np.isnan(of.second_moment_correlation_length(np.ones((1, 4, 4)) * np.array([1, 1, -1, -1])))
