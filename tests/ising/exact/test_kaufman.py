"""Kaufman's torus against enumeration, transfer matrices, and two independent formulae in 60 digits or more."""

import math
from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest

from veridical.ising.exact.enumeration import enumerate_density_of_states, enumerate_lattice
from veridical.ising.exact.kaufman import (
    bond_correlations,
    energy_per_site,
    entropy_per_site,
    exact_table,
    free_energy_per_site,
    log_partition,
    specific_heat,
)
from veridical.ising.exact.lattice import CRITICAL_COUPLING, uniform_couplings
from veridical.ising.exact.transfer import transfer_log_partition

Real = Any  # mpmath has no types
SMALL = [(h, w) for h in range(1, 21) for w in range(h, 21) if h * w <= 20]


@pytest.mark.parametrize("shape", SMALL)
def test_every_torus_of_up_to_twenty_sites_one_configuration_at_a_time(shape: tuple[int, int]) -> None:
    sites = shape[0] * shape[1]
    counts, energies = enumerate_density_of_states(*shape), 4.0 * np.arange(sites + 1) - 2 * sites
    for k in (0.0, 0.05, 0.2, 1 / 3, CRITICAL_COUPLING, 0.6, 1.2):
        weight = counts * np.exp(-k * (energies - energies[0]))
        p = weight / weight.sum()
        log_z, mean = math.log(weight.sum()) - k * energies[0], p @ energies
        variance = p @ (energies - mean) ** 2
        for height, width in (shape, shape[::-1]):
            assert log_partition(height, width, k) == pytest.approx(log_z, abs=1e-13)
            assert energy_per_site(height, width, k) == pytest.approx(mean / sites, abs=1e-13)
            assert specific_heat(height, width, k) == pytest.approx(k**2 * variance / sites, abs=1e-13)
            assert entropy_per_site(height, width, k) == pytest.approx((log_z + k * mean) / sites, abs=1e-13)


@pytest.mark.parametrize("coupling", [(0.3, 0.9), (1.1, 0.1), (0.0, 0.5), (0.5, 0.0), (0.0, 0.0), (0.2, 1.5)])
@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (2, 2), (2, 5), (3, 3), (3, 4), (5, 2)])
def test_couplings_that_differ_by_direction(shape: tuple[int, int], coupling: tuple[float, float]) -> None:
    truth = enumerate_lattice(*uniform_couplings(*shape, coupling))
    site, right, below = 0, 1 % shape[1], (1 % shape[0]) * shape[1]
    across, down = bond_correlations(*shape, coupling)
    sites = shape[0] * shape[1]
    assert log_partition(*shape, coupling) == pytest.approx(truth.log_partition, abs=1e-12)
    assert across == pytest.approx(truth.correlations[site, right], abs=1e-12)
    assert down == pytest.approx(truth.correlations[site, below], abs=1e-12)
    assert energy_per_site(*shape, coupling) == pytest.approx(-across - down, abs=1e-12)
    assert specific_heat(*shape, coupling) == pytest.approx(truth.energy_variance / sites, abs=1e-12)
    assert entropy_per_site(*shape, coupling) == pytest.approx(
        (truth.log_partition + truth.mean_energy) / sites, abs=1e-12
    )


@pytest.mark.parametrize("coupling", [0.3, CRITICAL_COUPLING, (0.2, 0.7), (-0.4, -0.4), (-0.3, 0.8)])
@pytest.mark.parametrize("shape", [(7, 10), (8, 8), (20, 6), (9, 7)])
def test_transfer_matrices_on_tori_beyond_enumeration(shape: tuple[int, int], coupling: float) -> None:
    across, down = np.broadcast_to(coupling, 2)
    if (across < 0 and shape[1] % 2) or (down < 0 and shape[0] % 2):
        with pytest.raises(ValueError, match="frustrated"):
            log_partition(*shape, coupling)
        return
    truth = transfer_log_partition(*uniform_couplings(*shape, coupling))
    assert log_partition(*shape, coupling) == pytest.approx(truth, rel=1e-13)


def mp_branch_free(size: int, k: Real) -> Real:
    """ln Z of an even torus from the polynomial form of the density of states, no square root in it."""
    x = mp.exp(-2 * k)
    sigma, m = x * (1 - x * x), size
    twice = 2 * sigma**m
    plus, minus = [mp.mpf(1), mp.mpf(1)], [mp.mpf(1), mp.mpf(1)]
    even, other = (1 - x * x) ** m * (1 + x ** (2 * m)), x**m * ((1 + x) ** (2 * m) + (1 - x) ** (2 * m))
    plus[1], minus[1] = even + other, even - other
    for l in range(1, size):  # noqa: E741
        trace = (1 + x * x) ** 2 - 2 * sigma * mp.cospi(mp.mpf(l) / size)
        root = mp.sqrt((trace / 2) ** 2 - sigma**2)
        v = (trace / 2 + root) ** m + (trace / 2 - root) ** m
        plus[1 - l % 2] *= v + twice
        minus[1 - l % 2] *= v - twice
    return mp.log(sum(plus) + sum(minus)) - mp.log(2) + 2 * k * size * size


def mp_pfaffian(size: int, k: Real) -> Real:
    """ln Z from the four Pfaffians of Kasteleyn, each a product over both momenta (McCoy & Wu, IV.3.11)."""
    z = mp.tanh(k)
    cosines = [mp.cospi(mp.mpf(l) / size) for l in range(2 * size)]  # noqa: E741
    total = mp.mpf(0)
    for down in (0, 1):
        for across in (0, 1):
            product = mp.mpf(1)
            for i in range(size):
                for j in range(size):
                    if (i, j, down, across) == (0, 0, 0, 0):
                        continue
                    c = cosines[2 * i + down] + cosines[2 * j + across]
                    product *= (1 + z * z) ** 2 - 2 * z * (1 - z * z) * c
            pfaffian = mp.sqrt(product)
            total += pfaffian if down or across else -(1 - 2 * z - z * z) * pfaffian
    return mp.log(total / 2) + size * size * mp.log(2 * mp.cosh(k) ** 2)


def mp_thermodynamics(log_z: Callable[[int, Real], Real], size: int, k: Real) -> tuple[Real, Real, Real]:
    """ln Z, energy and specific heat per site, by differences so small that they are exact to 35 digits."""
    h = mp.mpf(10) ** -20
    below, here, above = (log_z(size, k + s * h) for s in (-1, 0, 1))
    sites = size * size
    return here, -(above - below) / (2 * h) / sites, k**2 * (above - 2 * here + below) / h**2 / sites


TABLE = [  # side, ln Z, energy, specific heat, bits; independent 40-digit computation, rounded
    (4, 15.52191545875528, -1.56562378764, 0.783266826, 0.404199854249),
    (16, 238.6422566351329, -1.45306485281, 1.49870496, 0.421050294105),
    (64, 3808.672283419809, -1.42393838983, 2.19221139, 0.436185556261),
    (512, 243714.7104151204, -1.41542926291, 3.22290795, 0.441373585126),
]


@pytest.mark.parametrize("row", TABLE)
def test_published_critical_values(row: tuple[int, float, float, float, float]) -> None:
    size, log_z, energy, heat, bits = row
    (got,) = exact_table([size], CRITICAL_COUPLING)
    assert got.size == size
    assert got.log_partition == pytest.approx(log_z, rel=1e-13)
    assert got.energy == pytest.approx(energy, abs=1e-11)
    assert got.specific_heat == pytest.approx(heat, abs=1e-8)
    assert got.entropy_bits == pytest.approx(bits, abs=1e-12)
    assert got.entropy_nats == pytest.approx(bits * math.log(2), abs=1e-12)


@pytest.mark.parametrize("size", [4, 8, 16, 32, 64, 128, 256, 512])
def test_criticality_to_twelve_digits(size: int) -> None:
    with mp.workdps(90):
        log_z, energy, heat = mp_thermodynamics(mp_branch_free, size, mp.log(1 + mp.sqrt(2)) / 2)
        entropy = log_z / size**2 + mp.log(1 + mp.sqrt(2)) / 2 * energy
    (got,) = exact_table([size], CRITICAL_COUPLING)
    assert got.log_partition == pytest.approx(float(log_z), rel=1e-14)
    assert got.energy == pytest.approx(float(energy), rel=1e-13)
    assert got.specific_heat == pytest.approx(float(heat), rel=1e-12)
    assert got.entropy_nats == pytest.approx(float(entropy), rel=1e-12)


@pytest.mark.parametrize("offset", [0, 1e-9, -1e-6, 1e-3])
@pytest.mark.parametrize("size", [4, 12])
def test_two_formulae_in_many_digits_agree_near_criticality(size: int, offset: float) -> None:
    k = CRITICAL_COUPLING + offset
    with mp.workdps(90):
        first = mp_thermodynamics(mp_branch_free, size, mp.mpf(k))
        second = mp_thermodynamics(mp_pfaffian, size, mp.mpf(k))
        assert all(abs(a / b - 1) < mp.mpf(10) ** -30 for a, b in zip(first, second, strict=True))
    assert log_partition(size, size, k) == pytest.approx(float(first[0]), rel=1e-14)
    assert energy_per_site(size, size, k) == pytest.approx(float(first[1]), rel=1e-13)
    assert specific_heat(size, size, k) == pytest.approx(float(first[2]), rel=1e-12)


def test_the_sign_of_gamma_zero_where_a_published_table_lost_it() -> None:
    assert log_partition(16, 16, 1 / 2.4) == pytest.approx(230.3109564755, abs=1e-9)  # not 230.732
    assert log_partition(16, 16, 0.2) == pytest.approx(188.03988795598, abs=1e-9)  # not 188.733


def test_deep_in_both_phases() -> None:
    assert log_partition(64, 64, 50.0) == pytest.approx(2 * 64**2 * 50 + math.log(2), rel=1e-15)
    assert energy_per_site(64, 64, 50.0) == pytest.approx(-2, rel=1e-15)
    assert log_partition(64, 64, 1e-9) == pytest.approx(64**2 * math.log(2), rel=1e-14)
    assert specific_heat(64, 64, 0.0) == 0
    assert free_energy_per_site(64, 64, 0.0) == pytest.approx(-math.log(2), rel=1e-15)


def test_many_couplings_at_once_are_the_same_as_one_by_one() -> None:
    couplings = np.array([[0.0, 0.2], [CRITICAL_COUPLING, 0.9]])
    for function in (log_partition, energy_per_site, specific_heat, entropy_per_site):
        many = function(6, 7, couplings)
        assert isinstance(many, np.ndarray) and many.shape == (2, 2)
        assert many.ravel().tolist() == [function(6, 7, float(k)) for k in couplings.ravel()]
    pairs = log_partition(6, 7, (couplings, 0.3))
    assert pairs[1, 1] == log_partition(6, 7, (0.9, 0.3))  # pyright: ignore[reportIndexIssue]
    assert isinstance(log_partition(6, 7, 0.2), float)


def test_what_cannot_be_answered_is_refused_with_a_way_out() -> None:
    with pytest.raises(ValueError, match="energy_distribution"):
        log_partition(5, 4, -0.3)
    with pytest.raises(ValueError, match="at least 1"):
        log_partition(0, 4, 0.3)
    with pytest.raises(ValueError, match="whole number"):
        log_partition(4.5, 4, 0.3)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="at most 300"):
        log_partition(4, 4, 400.0)
    with pytest.raises(ValueError, match="one finite number"):
        exact_table([4], (0.1, 0.2))  # pyright: ignore[reportArgumentType]


WEAK = [1e-300, -1e-100, 1e-61, 1e-30, 1e-12, 1e-8, 4.9e-6, 5.1e-6, 1e-4]


@pytest.mark.parametrize("coupling", WEAK)
def test_a_weak_coupling_loses_no_digits_to_cancellation(coupling: float) -> None:
    """To second order in K, the error is of the fourth on these sides; an overflow would be an error, too."""
    assert log_partition(4, 6, coupling) == pytest.approx(24 * math.log(2), rel=1e-7)
    assert energy_per_site(4, 6, coupling) == pytest.approx(-2 * coupling, rel=1e-5, abs=0)
    assert specific_heat(4, 6, coupling) == pytest.approx(2 * coupling**2, rel=1e-4, abs=0)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (2, 4), (3, 3)])
@pytest.mark.parametrize("coupling", [1e-6, 4.9e-6, (1e-6, 3e-6)])
def test_weak_couplings_of_short_sides(shape: tuple[int, int], coupling: float | tuple[float, float]) -> None:
    """Bonds that are constant or doubled count as they do in the enumeration."""
    truth = enumerate_lattice(*uniform_couplings(*shape, coupling))
    assert log_partition(*shape, coupling) == pytest.approx(truth.log_partition, rel=1e-14)
    assert sum(bond_correlations(*shape, coupling)) == pytest.approx(
        float(
            truth.correlations[0].reshape(shape)[0, 1 % shape[1]]
            + truth.correlations[0].reshape(shape)[1 % shape[0], 0]
        ),
        rel=1e-5,
    )
