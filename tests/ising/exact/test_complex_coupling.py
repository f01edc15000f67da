"""ln Z at complex couplings against the polynomial of the density of states, many digits, and enumeration."""

import itertools

import mpmath as mp
import numpy as np
import pytest

from veridical.ising.exact.complex_coupling import log_partition_complex
from veridical.ising.exact.energy import density_of_states
from veridical.ising.exact.kaufman import log_partition
from veridical.ising.exact.lattice import CRITICAL_COUPLING


def test_the_sum_over_all_configurations() -> None:
    k = np.array([0.3 + 0.2j, -0.5 - 0.1j])
    spins = np.array(list(itertools.product((-1, 1), repeat=9))).reshape(-1, 3, 3)
    pairs = (spins * (np.roll(spins, -1, 1) + np.roll(spins, -1, 2))).sum((1, 2))
    enumerated = np.exp(k[:, None] * pairs).sum(1)
    assert np.exp(log_partition_complex(3, 3, k)) == pytest.approx(enumerated, rel=1e-12)


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (5, 4), (7, 7), (16, 12)])
def test_complex_couplings_are_sums_over_the_density_of_states(shape: tuple[int, int]) -> None:
    k = np.array([0.3 + 0.1j, -0.2 + 0.4j, 0.44 + 0.01j, 1.0 + 0j, -0.7 + 0j, 0.0])
    counts = density_of_states(*shape)[::-1]
    with mp.workdps(150):  # the terms of the sum cancel
        z = [complex(mp.log(mp.polyval(counts, mp.exp(-4 * mp.mpc(c))))) for c in k]
    difference = log_partition_complex(*shape, k) - 2 * shape[0] * shape[1] * k - z
    assert np.exp(difference) == pytest.approx(np.ones(6), abs=1e-9)  # equal but for multiples of 2 pi i


def test_complex_form_agrees_on_the_real_axis_at_size_512() -> None:
    for k in (0.3, CRITICAL_COUPLING, 0.6):
        value = log_partition_complex(512, 512, np.array([k + 0j]))[0]
        assert value.real == pytest.approx(log_partition(512, 512, k), rel=1e-14)
