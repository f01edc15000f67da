"""The density of states against enumeration, Kaufman's sums, combinatorics; the law of the energy in both its forms."""

import math

import numpy as np
import pytest

from veridical.ising.exact import energy
from veridical.ising.exact.energy import density_of_states, energy_distribution, energy_levels
from veridical.ising.exact.enumeration import enumerate_density_of_states
from veridical.ising.exact.kaufman import energy_per_site, log_partition, specific_heat
from veridical.ising.exact.lattice import CRITICAL_COUPLING, uniform_couplings
from veridical.ising.exact.transfer import transfer_expectation


@pytest.mark.parametrize("sites", range(1, 21))
def test_every_torus_of_up_to_twenty_sites(sites: int) -> None:
    for height in (h for h in range(1, sites + 1) if sites % h == 0):
        assert (
            list(density_of_states(height, sites // height))
            == enumerate_density_of_states(height, sites // height).tolist()
        )


@pytest.mark.parametrize("shape", [(6, 6), (8, 8), (16, 16), (12, 10), (6, 32)])
def test_identities_of_tori_with_even_sides(shape: tuple[int, int]) -> None:
    counts, sites = density_of_states(*shape), shape[0] * shape[1]
    assert sum(counts) == 2**sites
    assert counts == counts[::-1]
    # one spin turned over; two neighbours; two or three in a row, an L, or two apart
    assert counts[:4] == (2, 0, 2 * sites, 4 * sites)
    assert counts[4] == sites * (sites + 9)
    # the second moment of E at infinite temperature is the number of bonds
    assert sum(g * int(e) ** 2 for g, e in zip(counts, energy_levels(*shape), strict=True)) == 2 * sites * 2**sites


def test_odd_sides_in_a_large_torus() -> None:
    counts, energies = density_of_states(15, 13), energy_levels(15, 13)
    assert sum(counts) == 2**195
    assert sum(g * int(e) for g, e in zip(counts, energies, strict=True)) == 0
    assert counts[-14:] == (0,) * 14  # each row and column keeps at least one satisfied bond: 28 of them
    assert counts[-15] > 0


@pytest.mark.parametrize("k", [0.05, 0.3, CRITICAL_COUPLING, 0.7, 1.5])
@pytest.mark.parametrize("shape", [(16, 16), (9, 20), (15, 13)])
def test_moments_are_kaufmans(shape: tuple[int, int], k: float) -> None:
    energies, p = energy_distribution(*shape, k)
    sites = shape[0] * shape[1]
    mean = p @ energies
    assert p.sum() == pytest.approx(1, abs=1e-12)
    assert mean / sites == pytest.approx(energy_per_site(*shape, k), rel=1e-12)
    assert k**2 * (p @ (energies - mean) ** 2) / sites == pytest.approx(specific_heat(*shape, k), rel=1e-10)
    log_z = math.log(density_of_states(*shape)[0]) - k * energies[0] - math.log(p[0])
    assert log_z == pytest.approx(log_partition(*shape, k), rel=1e-13)


def test_law_on_the_four_by_four_torus_one_configuration_at_a_time() -> None:
    counts = enumerate_density_of_states(4, 4)
    for k in (-0.3, 0.0, 0.44, 2.0):
        weight = counts * np.exp(-k * (energy_levels(4, 4) + 32 * np.sign(k)))
        assert energy_distribution(4, 4, k).probabilities == pytest.approx(weight / weight.sum(), rel=1e-12)


@pytest.mark.parametrize("k", [CRITICAL_COUPLING, 0.2, -0.4, 0.0])
@pytest.mark.parametrize("shape", [(7, 9), (16, 16), (12, 15), (31, 32)])
def test_both_ways_to_the_law_agree(shape: tuple[int, int], k: float, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = energy_distribution(*shape, k).probabilities
    monkeypatch.setattr(energy, "_EXACT_SITES", 0)
    assert energy_distribution(*shape, k).probabilities == pytest.approx(exact, abs=2e-13)


def test_law_of_a_lattice_too_large_for_exact_integers() -> None:
    energies, p = energy_distribution(100, 90, CRITICAL_COUPLING)
    mean = p @ energies
    assert mean / 9000 == pytest.approx(energy_per_site(100, 90, CRITICAL_COUPLING), rel=1e-10)
    variance = p @ (energies - mean) ** 2 / 9000
    assert CRITICAL_COUPLING**2 * variance == pytest.approx(specific_heat(100, 90, CRITICAL_COUPLING), rel=1e-8)


def test_frustrated_tori_of_odd_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their law stays with the integers at any size: the transform loses all digits to cancelling sectors."""
    monkeypatch.setattr(energy, "_EXACT_SITES", 0)
    energies, p = energy_distribution(7, 9, -0.9)
    couplings = uniform_couplings(7, 9, -0.9)
    across = transfer_expectation(*couplings, [(0, 0), (0, 1)])
    down = transfer_expectation(*couplings, [(0, 0), (1, 0)])
    assert p @ energies / 63 == pytest.approx(-across - down, rel=1e-12)
    # each of 7 + 9 odd rings keeps at least one pair of equal spins
    assert energies[p > 0].max() == 2 * 63 - 2 * 16
    large = energy_distribution(25, 45, -2.0)
    assert large.probabilities.sum() == pytest.approx(1, abs=1e-12)
    assert large.energies[large.probabilities > 0].max() == 2 * 25 * 45 - 2 * 70


def test_results_are_kept_and_shared_with_the_transposed_torus() -> None:
    assert density_of_states(5, 7) is density_of_states(7, 5)


def test_what_cannot_be_answered_is_refused() -> None:
    with pytest.raises(ValueError, match="energy_distribution"):
        density_of_states(127, 127)
    with pytest.raises(ValueError, match="one finite number"):
        energy_distribution(4, 4, (0.3, 0.4))  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="at least 1"):
        density_of_states(4, 0)


def test_counts_of_beale() -> None:
    """Beale (1996) printed the leading coefficients of 32 x 32; here every coefficient is held by Kaufman's sums."""
    counts, energies = density_of_states(32, 32), energy_levels(32, 32)
    assert sum(counts) == 2**1024 and counts == counts[::-1]
    assert counts[:5] == (2, 0, 2048, 4096, 1024 * 1033)
    log_g = np.array([math.log(g) if g else -math.inf for g in counts])
    for k in np.linspace(0, 1, 11):
        assert np.logaddexp.reduce(log_g - k * energies) == pytest.approx(log_partition(32, 32, k), rel=1e-13)
