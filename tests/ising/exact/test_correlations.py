"""Toeplitz determinants against closed forms, hypergeometric series in many digits, and large tori."""

import math

import mpmath as mp
import numpy as np
import pytest

from veridical.ising.exact import correlations
from veridical.ising.exact.correlations import (
    CRITICAL_AMPLITUDE,
    diagonal_correlation,
    nearest_neighbour_correlation,
    row_correlation,
)
from veridical.ising.exact.lattice import CRITICAL_COUPLING
from veridical.ising.exact.onsager import onsager_energy_per_site, spontaneous_magnetization
from veridical.ising.exact.torus import torus_correlation


def test_closed_forms_at_criticality() -> None:
    assert nearest_neighbour_correlation() == pytest.approx(1 / math.sqrt(2), rel=1e-15)
    assert row_correlation(1) == pytest.approx(1 / math.sqrt(2), rel=1e-14)
    assert row_correlation(2) == pytest.approx(1 - 4 / math.pi**2, rel=1e-14)
    pi = math.pi
    for n, value in enumerate([1, 2 / pi, 16 / (3 * pi**2), 2048 / (135 * pi**3)]):
        assert diagonal_correlation(n) == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize("n", [1, 2, 5, 40, 250])
def test_product_is_the_determinant_of_a_cauchy_matrix(n: int) -> None:
    coefficients = 1 / (math.pi * (np.arange(1 - n, n) + 0.5))
    assert diagonal_correlation(n) == pytest.approx(correlations._toeplitz_determinant(coefficients), rel=1e-12)
    assert correlations._series(1.0, np.arange(1 - n, n)) == pytest.approx(coefficients, rel=1e-12)


@pytest.mark.parametrize("n", [1, 3, 20])
def test_determinant_meets_the_product_from_both_phases(n: int) -> None:
    for k in (CRITICAL_COUPLING * (1 + 1e-13), CRITICAL_COUPLING * (1 - 1e-13)):
        assert diagonal_correlation(n, k) == pytest.approx(diagonal_correlation(n), abs=1e-10)
        assert row_correlation(n, k) == pytest.approx(row_correlation(n), abs=1e-10)


@pytest.mark.parametrize("alpha", [0.0, 0.17, 0.6, 0.98, 0.999999])
def test_coefficients_are_hypergeometric(alpha: float) -> None:
    index = np.array([-200, -31, -2, -1, 0, 1, 2, 40, 300])
    with mp.workdps(30):
        wanted = []
        for i in index.tolist():
            j, a = abs(i), mp.mpf(alpha)
            rising = mp.rf(mp.mpf(1) / 2 if i >= 0 else mp.mpf(-1) / 2, j) / mp.factorial(j)
            f = mp.hyp2f1(j + 0.5, -0.5, j + 1, a * a) if i >= 0 else mp.hyp2f1(0.5, j - 0.5, j + 1, a * a)
            wanted.append(float(rising * a**j * f))
    assert correlations._series(alpha, index) == pytest.approx(wanted, rel=1e-12, abs=1e-300)


@pytest.mark.parametrize("k", [0.0, 0.1, 0.3, 0.4, 0.43, 0.45, 0.6, 1.0])
def test_one_step_along_a_row_is_onsagers_energy(k: float) -> None:
    assert row_correlation(1, k) == pytest.approx(-onsager_energy_per_site(k) / 2, abs=1e-14)
    assert nearest_neighbour_correlation(k) == pytest.approx(row_correlation(1, k), abs=1e-14)


@pytest.mark.parametrize("k", [0.25, 0.3, 0.6, 0.8])
def test_a_torus_much_larger_than_the_correlation_length(k: float) -> None:
    torus = torus_correlation(64, 64, k)
    for n in (0, 1, 2, 5, 9):
        assert row_correlation(n, k) == pytest.approx(torus[0, n], abs=1e-12)
        assert diagonal_correlation(n, k) == pytest.approx(torus[n, n], abs=1e-12)


@pytest.mark.parametrize("k", [0.46, 0.5, 0.7])
def test_far_apart_spins_remember_the_phase(k: float) -> None:
    for correlation in (row_correlation, diagonal_correlation):
        assert correlation(300, k) == pytest.approx(spontaneous_magnetization(k) ** 2, rel=1e-11)


def test_critical_decay() -> None:
    with mp.workdps(30):
        amplitude = mp.exp(0.25) * mp.mpf(2) ** (mp.mpf(5) / 24) / mp.glaisher**3
    assert pytest.approx(float(amplitude), rel=1e-15) == CRITICAL_AMPLITUDE
    assert diagonal_correlation(400) * (400 * math.sqrt(2)) ** 0.25 == pytest.approx(CRITICAL_AMPLITUDE, rel=1e-6)
    assert row_correlation(200) * 200**0.25 == pytest.approx(CRITICAL_AMPLITUDE, rel=1e-6)


def test_what_cannot_be_answered_is_refused() -> None:
    for function in (row_correlation, diagonal_correlation):
        with pytest.raises(ValueError, match="whole number"):
            function(-1)
        with pytest.raises(ValueError, match="sublattices"):
            function(1, -0.3)
        with pytest.raises(ValueError, match="one finite number"):
            function(1, [0.1, 0.2])  # pyright: ignore[reportArgumentType]
