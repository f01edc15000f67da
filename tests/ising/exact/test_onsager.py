"""The infinite lattice against many-digit quadrature of another formula, duality, and large tori."""

import math
from typing import Any

import mpmath as mp
import numpy as np
import pytest

from veridical.ising.exact.kaufman import energy_per_site, entropy_per_site, log_partition, specific_heat
from veridical.ising.exact.lattice import CRITICAL_COUPLING
from veridical.ising.exact.onsager import (
    correlation_length,
    onsager_energy_per_site,
    onsager_entropy_per_site,
    onsager_free_energy_per_site,
    onsager_specific_heat,
    spontaneous_magnetization,
)

Real = Any  # mpmath has no types


def mp_log_z(k: Real) -> Real:
    """Onsager's integral in the form of his Eq. 109c, another one than the module's."""
    kappa = 2 * mp.sinh(2 * k) / mp.cosh(2 * k) ** 2
    integral = mp.quad(lambda phi: mp.log((1 + mp.sqrt(1 - (kappa * mp.sin(phi)) ** 2)) / 2), [0, mp.pi / 4, mp.pi / 2])
    return mp.log(2 * mp.cosh(2 * k)) + integral / mp.pi


@pytest.mark.parametrize("k", [0.01, 0.2, 0.43, 0.45, 0.8, 2.0])
def test_free_energy_and_derivatives_in_many_digits(k: float) -> None:
    with mp.workdps(50):
        log_z, first, second = (mp.diff(mp_log_z, mp.mpf(k), n, h=mp.mpf(10) ** -12) for n in range(3))
    assert onsager_free_energy_per_site(k) == pytest.approx(-float(log_z), rel=1e-14)
    assert onsager_energy_per_site(k) == pytest.approx(-float(first), rel=1e-12, abs=1e-14)
    assert onsager_specific_heat(k) == pytest.approx(float(second) * k**2, rel=1e-11, abs=1e-13)
    assert onsager_entropy_per_site(k) == pytest.approx(float(log_z - k * first), rel=1e-12, abs=1e-13)


def test_criticality() -> None:
    with mp.workdps(30):
        log_z = float(mp.log(2) / 2 + 2 * mp.catalan / mp.pi)
        entropy = float(mp.log(2) / 2 + 2 * mp.catalan / mp.pi - mp.log(1 + mp.sqrt(2)) / mp.sqrt(2))
    assert onsager_free_energy_per_site(CRITICAL_COUPLING) == pytest.approx(-log_z, rel=1e-15)
    assert onsager_energy_per_site(CRITICAL_COUPLING) == pytest.approx(-math.sqrt(2), rel=1e-15)
    assert onsager_entropy_per_site(CRITICAL_COUPLING) == pytest.approx(entropy, rel=1e-15)
    assert onsager_specific_heat(CRITICAL_COUPLING) == math.inf
    assert correlation_length(CRITICAL_COUPLING) == math.inf
    assert spontaneous_magnetization(CRITICAL_COUPLING) == 0


def test_logarithm_of_the_specific_heat_at_criticality() -> None:
    near = CRITICAL_COUPLING * (1 + np.array([1e-6, 1e-7, -1e-6, -1e-7]))
    heat = np.asarray(onsager_specific_heat(near))
    amplitude = 8 * CRITICAL_COUPLING**2 / math.pi  # C = -amplitude ln|1 - K/Kc| + constant
    assert heat[1] - heat[0] == pytest.approx(amplitude * math.log(10), rel=1e-4)
    assert heat[3] - heat[2] == pytest.approx(amplitude * math.log(10), rel=1e-4)


@pytest.mark.parametrize("k", [0.1, 0.3, 0.42, 0.5, 0.9])
def test_large_tori_off_criticality(k: float) -> None:
    """Corrections are of order exp(-L / xi): below rounding at L = 1024 but for ln 2 of the two ordered phases."""
    phases = math.log(2) if k > CRITICAL_COUPLING else 0.0
    assert -onsager_free_energy_per_site(k) == pytest.approx((log_partition(1024, 1024, k) - phases) / 2**20, rel=1e-14)
    assert onsager_energy_per_site(k) == pytest.approx(energy_per_site(1024, 1024, k), rel=1e-13)
    assert onsager_specific_heat(k) == pytest.approx(specific_heat(1024, 1024, k), rel=1e-12)
    assert onsager_entropy_per_site(k) == pytest.approx(entropy_per_site(1024, 1024, k) - phases / 2**20, rel=1e-12)


@pytest.mark.parametrize("k", [0.05, 0.2, 0.4, 0.44])
def test_duality(k: float) -> None:
    dual = -0.5 * math.log(math.tanh(k))
    difference = onsager_free_energy_per_site(k) - onsager_free_energy_per_site(dual)
    assert difference == pytest.approx(-math.log(math.sinh(2 * k)), abs=1e-14)
    assert correlation_length(k) == pytest.approx(2 * correlation_length(dual), rel=1e-11)


def test_magnetization() -> None:
    assert spontaneous_magnetization(0.5) == pytest.approx((1 - math.sinh(1.0) ** -4) ** 0.125, rel=1e-14)
    assert spontaneous_magnetization(0.3) == 0
    assert spontaneous_magnetization(20.0) == 1
    assert np.asarray(spontaneous_magnetization([0.3, 0.5])).shape == (2,)


def test_ends_of_the_range() -> None:
    assert onsager_energy_per_site(0.0) == 0 and onsager_specific_heat(0.0) == 0
    assert onsager_entropy_per_site(0.0) == pytest.approx(math.log(2), rel=1e-15)
    assert correlation_length(0.0) == 0
    assert onsager_energy_per_site(30.0) == pytest.approx(-2, rel=1e-14)
    for function in (onsager_energy_per_site, onsager_free_energy_per_site, correlation_length):
        with pytest.raises(ValueError, match="sublattices"):
            function(-0.1)
