"""The continuum limit against the exact lattice, with the accuracy that the documentation states."""

import numpy as np
import pytest

from veridical.ising.exact.conformal import conformal_torus_correlation, critical_finite_size_term
from veridical.ising.exact.correlations import CRITICAL_AMPLITUDE
from veridical.ising.exact.kaufman import log_partition
from veridical.ising.exact.lattice import CRITICAL_COUPLING
from veridical.ising.exact.onsager import onsager_free_energy_per_site
from veridical.ising.exact.torus import torus_correlation


@pytest.mark.parametrize("shape", [(400, 400), (300, 600), (600, 300), (200, 500)])
def test_finite_size_term_of_kaufman(shape: tuple[int, int]) -> None:
    sites = shape[0] * shape[1]
    bulk = -sites * onsager_free_energy_per_site(CRITICAL_COUPLING)
    assert log_partition(*shape, CRITICAL_COUPLING) - bulk == pytest.approx(
        critical_finite_size_term(*shape), abs=3 / sites
    )


def test_finite_size_term_is_modular_invariant() -> None:
    assert critical_finite_size_term(3, 7) == pytest.approx(critical_finite_size_term(7, 3), rel=1e-15)
    # a long cylinder: ln Z - N f -> (pi c / 6) h / w with central charge c = 1/2
    assert critical_finite_size_term(40, 1) == pytest.approx(np.pi / 12 * 40, abs=1e-3)


@pytest.mark.parametrize("shape", [(16, 16), (64, 64), (32, 64), (48, 24), (33, 33)])
def test_two_point_function_within_its_stated_error(shape: tuple[int, int]) -> None:
    exact, limit = torus_correlation(*shape, CRITICAL_COUPLING), conformal_torus_correlation(*shape)
    y, x = (np.minimum(np.arange(side), side - np.arange(side)) for side in shape)
    r_squared = (y[:, None] ** 2 + x**2).astype(float)
    r_squared[0, 0] = np.inf
    error = np.abs(limit / exact - 1)
    shortest = min(shape)
    assert (error <= 0.036 / r_squared + 0.35 / shortest**2).all()
    assert error[1, 1] > 0.01  # at short distance the lattice shows: an exact function is never the limit


def test_short_distances_on_a_large_torus_decay_as_in_the_plane() -> None:
    limit = conformal_torus_correlation(512, 512)
    assert limit[0, 4] * 4**0.25 == pytest.approx(CRITICAL_AMPLITUDE, rel=5e-3)  # off by O(R / L)
    assert limit[0, 0] == 1


def test_symmetries() -> None:
    limit = conformal_torus_correlation(12, 20)
    assert limit == pytest.approx(conformal_torus_correlation(20, 12).T, rel=1e-12)
    assert limit[1:] == pytest.approx(limit[1:][::-1], rel=1e-12)
    square = conformal_torus_correlation(12, 12)
    assert square == pytest.approx(square.T, rel=1e-12)


def test_sides_must_be_positive() -> None:
    with pytest.raises(ValueError, match="positive"):
        critical_finite_size_term(0, 3)
