"""The coupling by the energy: the inverse of the exact energy, within its range."""

import numpy as np
import pytest

from veridical.ising import exact
from veridical.ising.comparisons import Order
from veridical.ising.estimates import coupling_of, estimate_coupling
from veridical.ising.files import as_configurations
from veridical.ising.measurements import measure


@pytest.mark.parametrize("coupling", [-0.3, 0.0, 0.4, 1.0])
def test_the_coupling_of_an_energy_inverts_the_energy_of_a_coupling(coupling: float) -> None:
    energy = float(exact.energy_per_site(6, 8, coupling))
    assert coupling_of(6, 8, energy) == pytest.approx(coupling, abs=1e-6)


def test_couplings_beyond_the_range_and_odd_sides():
    m = measure(as_configurations(np.tile([[1, -1], [-1, 1]], (30, 2, 2))))
    assert str(estimate_coupling(m, Order(1))).startswith("K of -3 or less")
    odd = measure(as_configurations(np.random.default_rng(0).choice([-1, 1], (200, 3, 3))))
    assert estimate_coupling(odd, Order(1)).low >= 0
