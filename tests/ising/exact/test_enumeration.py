"""The first twin, checked by arithmetic that fits on paper."""

import math

import numpy as np
import pytest

from veridical.ising.exact.enumeration import enumerate_density_of_states, enumerate_lattice, enumerate_spins
from veridical.ising.exact.lattice import uniform_couplings


def test_one_spin_in_a_field() -> None:
    result = enumerate_lattice(np.empty((1, 0)), np.empty((0, 1)), field=0.7)
    assert result.log_partition == pytest.approx(math.log(2 * math.cosh(0.7)), abs=1e-15)
    assert result.magnetizations[0] == pytest.approx(math.tanh(0.7), abs=1e-15)
    assert result.mean_energy == pytest.approx(-0.7 * math.tanh(0.7), abs=1e-15)


def test_a_bond_between_two_spins() -> None:
    result = enumerate_lattice(np.array([[0.5]]), np.empty((0, 2)))
    assert result.log_partition == pytest.approx(math.log(4 * math.cosh(0.5)), abs=1e-15)
    assert result.correlations[0, 1] == pytest.approx(math.tanh(0.5), abs=1e-15)
    assert result.energy_variance == pytest.approx(0.25 / math.cosh(0.5) ** 2, abs=1e-15)
    assert result.magnetization_distribution == pytest.approx([1 / (2 + 2 * math.exp(-1))] * 1 + [
        1 / (1 + math.e), 1 / (2 + 2 * math.exp(-1))], abs=1e-15)  # fmt: skip


@pytest.mark.parametrize("length", [3, 6, 9])
def test_ring_is_the_trace_of_a_two_by_two_matrix(length: int) -> None:
    horizontal, vertical = uniform_couplings(1, length, (0.6, 0.0), wrap=(True, False))
    ring = (2 * math.cosh(0.6)) ** length + (2 * math.sinh(0.6)) ** length
    assert enumerate_lattice(horizontal, vertical).log_partition == pytest.approx(math.log(ring), abs=1e-14)


def test_bonds_of_a_site_with_itself_and_doubled_bonds() -> None:
    one = enumerate_lattice(*uniform_couplings(1, 1, 0.3))
    assert one.log_partition == pytest.approx(math.log(2) + 2 * 0.3, abs=1e-15)
    two = enumerate_lattice(*uniform_couplings(1, 2, 0.3))  # two self-bonds, one doubled bond
    assert two.log_partition == pytest.approx(2 * 0.3 + math.log(4 * math.cosh(2 * 0.3)), abs=1e-15)


def test_known_counts_of_small_tori() -> None:
    assert enumerate_density_of_states(2, 2).tolist() == [2, 0, 12, 0, 2]
    assert enumerate_density_of_states(3, 3).tolist() == [2, 0, 18, 48, 198, 144, 102, 0, 0, 0]
    assert enumerate_density_of_states(4, 4)[:9].tolist() == [2, 0, 32, 64, 424, 1728, 6688, 13568, 20524]


def test_counts_and_sums_agree() -> None:
    counts = enumerate_density_of_states(3, 4)
    energies = 4 * np.arange(13) - 24
    assert enumerate_lattice(*uniform_couplings(3, 4, 0.37)).log_partition == pytest.approx(
        math.log(counts @ np.exp(-0.37 * energies)), abs=1e-13
    )


def test_too_many_spins_are_refused() -> None:
    with pytest.raises(ValueError, match="transfer_log_partition"):
        enumerate_lattice(*uniform_couplings(5, 5, 0.3))
    with pytest.raises(ValueError, match="up to 22"):
        enumerate_spins(23)
    with pytest.raises(ValueError, match="density_of_states"):
        enumerate_density_of_states(5, 5)
