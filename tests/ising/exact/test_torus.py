"""The torus two-point function against enumeration, transfer matrices, Kaufman, and a pivoted elimination."""

import numpy as np
import pytest

from veridical.ising.exact import torus
from veridical.ising.exact.enumeration import enumerate_lattice
from veridical.ising.exact.kaufman import bond_correlations
from veridical.ising.exact.lattice import CRITICAL_COUPLING, uniform_couplings
from veridical.ising.exact.torus import (
    magnetization_squared,
    second_moment_correlation_length,
    structure_factor,
    torus_correlation,
)
from veridical.ising.exact.transfer import magnetization_distribution, transfer_expectation

COUPLINGS = [0.0, 0.05, 0.2, CRITICAL_COUPLING, 0.6, 1.5, (0.3, 0.8), (1.2, 0.1), (0.0, 0.5), (0.7, 0.0)]


@pytest.mark.parametrize("coupling", COUPLINGS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (1, 5), (2, 1), (2, 2), (2, 5), (3, 3), (3, 4), (4, 3), (5, 3)])
def test_small_tori_one_configuration_at_a_time(shape: tuple[int, int], coupling: float) -> None:
    truth = enumerate_lattice(*uniform_couplings(*shape, coupling)).correlations[0].reshape(shape)
    assert torus_correlation(*shape, coupling) == pytest.approx(truth, abs=1e-13)


def test_four_by_four_one_configuration_at_a_time() -> None:
    for k in (0.2, CRITICAL_COUPLING, CRITICAL_COUPLING * (1 + 1e-12), 0.7, -0.5):
        truth = enumerate_lattice(*uniform_couplings(4, 4, k)).correlations[0].reshape(4, 4)
        assert torus_correlation(4, 4, k) == pytest.approx(truth, abs=1e-13)


@pytest.mark.parametrize("coupling", [0.3, CRITICAL_COUPLING, (0.2, 0.7), 0.9])
@pytest.mark.parametrize("shape", [(8, 7), (5, 9), (12, 6)])
def test_transfer_matrices_beyond_enumeration(shape: tuple[int, int], coupling: float) -> None:
    got = torus_correlation(*shape, coupling)
    couplings = uniform_couplings(*shape, coupling)
    for y, x in [(0, 1), (1, 0), (2, 1), (1, 3), (shape[0] // 2, shape[1] // 2), (3, shape[1] - 1)]:
        assert got[y, x] == pytest.approx(transfer_expectation(*couplings, [(0, 0), (y, x)]), abs=1e-13)


@pytest.mark.parametrize("coupling", [0.1, 0.4, CRITICAL_COUPLING, 0.45, 1.0, (0.6, 0.3), (-0.3, 0.4)])
def test_neighbours_are_kaufmans_energy(coupling: float) -> None:
    got = torus_correlation(30, 24, coupling)
    across, down = bond_correlations(30, 24, coupling)
    assert got[0, 1] == pytest.approx(across, abs=1e-13)
    assert got[1, 0] == pytest.approx(down, abs=1e-13)


def test_symmetries_that_the_path_does_not_know() -> None:
    for k in (0.42, CRITICAL_COUPLING, 0.46):
        square = torus_correlation(40, 40, k)
        assert square == pytest.approx(square.T, abs=1e-12)
        assert torus_correlation(12, 30, (0.3, k)) == pytest.approx(torus_correlation(30, 12, (k, 0.3)).T, abs=1e-13)


def pivoted_pfaffian(matrix: np.ndarray) -> float:
    """Elimination with pivoting (Parlett & Reid 1970; Wimmer 2012), of one matrix, one Pfaffian."""
    m, value = matrix.copy(), 1.0
    for k in range(0, len(m), 2):
        j = k + 1 + int(np.argmax(abs(m[k + 1 :, k])))
        if j != k + 1:
            m[[k + 1, j]] = m[[j, k + 1]]
            m[:, [k + 1, j]] = m[:, [j, k + 1]]
            value = -value
        value *= m[k, k + 1]
        t = m[k, k + 2 :] / m[k, k + 1]
        m[k + 2 :, k + 2 :] += np.outer(t, m[k + 2 :, k + 1]) - np.outer(m[k + 2 :, k + 1], t)
    return value


def test_the_pfaffian_by_pivoting_squares_to_the_determinant() -> None:
    m = np.random.default_rng(0).normal(size=(12, 12))
    m = m - m.T
    assert pivoted_pfaffian(m) ** 2 == pytest.approx(np.linalg.det(m), rel=1e-10)


@pytest.mark.parametrize("k", [0.05, 0.1, 0.2, 0.3, 0.4, CRITICAL_COUPLING, 0.442, 0.5, 0.7, 1.0, 2.0])
@pytest.mark.parametrize("size", [6, 24, 48])
def test_elimination_without_pivoting_loses_nothing(size: int, k: float) -> None:
    z = np.tanh(k)
    sectors = torus._sectors(size, size, z, z)
    for x in (0, size // 4, size // 2):
        matrices = torus._path_matrices(sectors, z, z, x, size // 2)
        nested = torus._leading_pfaffians(matrices)
        for count in (0, x, x + size // 4, x + size // 2):
            keep = np.r_[: 2 * count, matrices.shape[1] - 4 : matrices.shape[1]]
            wanted = sectors.weight @ [pivoted_pfaffian(m[np.ix_(keep, keep)]) for m in matrices]
            scale = float(sectors.weight @ nested[:, 0])
            assert float(sectors.weight @ nested[:, count]) == pytest.approx(float(wanted), abs=3e-14 * scale)


@pytest.mark.parametrize("k", [0.3, CRITICAL_COUPLING, 0.5])
@pytest.mark.parametrize("shape", [(4, 4), (6, 6), (5, 7)])
def test_magnetization_squared_is_the_moment_of_its_law(shape: tuple[int, int], k: float) -> None:
    m, p = magnetization_distribution(*shape, k)
    assert magnetization_squared(*shape, k) == pytest.approx((m / (shape[0] * shape[1])) ** 2 @ p, abs=1e-13)


def test_universal_numbers_of_the_critical_square_torus() -> None:
    ratios = [second_moment_correlation_length(size, CRITICAL_COUPLING) / size for size in (16, 32, 64)]
    assert ratios == sorted(ratios, reverse=True)
    extrapolated = ratios[2] + (ratios[2] - ratios[1]) / (2**1.75 - 1)  # corrections fall as L^(-7/4)
    assert extrapolated == pytest.approx(0.9050488292, abs=2e-4)  # Salas & Sokal (2000)
    scaled = [magnetization_squared(size, size, CRITICAL_COUPLING) * size**0.25 for size in (16, 32, 64)]
    assert scaled == sorted(scaled) and scaled[-1] == pytest.approx(1.0919, abs=1e-4)


def test_structure_factor_is_positive_and_holds_the_susceptibility() -> None:
    s = structure_factor(20, 16, 0.4)
    assert s.min() > 0
    assert s[0, 0] == pytest.approx(320 * magnetization_squared(20, 16, 0.4), rel=1e-13)
    assert s.mean() == pytest.approx(1, rel=1e-12)  # each spin squares to one


def test_results_can_be_changed_without_changing_later_ones() -> None:
    first = torus_correlation(6, 6, 0.4)
    first[:] = 0
    assert torus_correlation(6, 6, 0.4)[0, 0] == 1


def test_what_cannot_be_answered_is_refused() -> None:
    with pytest.raises(ValueError, match="frustrated"):
        torus_correlation(5, 4, -0.3)
    with pytest.raises(ValueError, match="one coupling"):
        torus_correlation(4, 4, [0.1, 0.2])
    with pytest.raises(ValueError, match="aligned"):
        torus_correlation(4, 4, 19.0)
    with pytest.raises(ValueError, match="at least 3"):
        second_moment_correlation_length(2, 0.3)


def test_a_strip_may_lie_or_stand() -> None:
    """Paths run along the longer side, whichever it is; the sides of the couplings follow."""
    lying = torus.torus_correlation(2, 30, (0.3, 0.5))
    np.testing.assert_allclose(lying, torus.torus_correlation(30, 2, (0.5, 0.3)).T, rtol=1e-12)
    assert lying[1, 0] == pytest.approx(bond_correlations(2, 30, (0.3, 0.5))[1], rel=1e-12)


def test_the_work_of_a_strip_grows_as_the_cube_of_its_length() -> None:
    assert torus.torus_work(2, 1000) == torus.torus_work(1000, 2) == 2 * 1002.0**3
