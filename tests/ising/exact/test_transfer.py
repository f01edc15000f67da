"""The second twin, against the first."""

import numpy as np
import pytest

from veridical.ising.exact.enumeration import enumerate_lattice
from veridical.ising.exact.lattice import CRITICAL_COUPLING, uniform_couplings
from veridical.ising.exact.transfer import magnetization_distribution, transfer_expectation, transfer_log_partition

SHAPES = [(1, 1), (1, 2), (2, 1), (1, 5), (2, 2), (2, 3), (3, 3), (4, 3), (2, 6)]
WRAPS = [(False, False), (True, False), (False, True), (True, True)]


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("shape", SHAPES)
def test_random_couplings_and_fields(shape: tuple[int, int], wrap: tuple[bool, bool]) -> None:
    rng = np.random.default_rng(7)
    height, width = shape
    horizontal = rng.normal(size=(height, width - (not wrap[0])))
    vertical = rng.normal(size=(height - (not wrap[1]), width))
    field = rng.normal(size=shape)
    truth = enumerate_lattice(horizontal, vertical, field)
    assert transfer_log_partition(horizontal, vertical, field) == pytest.approx(truth.log_partition, abs=1e-12)
    a, b = rng.integers(height * width, size=2)
    one, two = divmod(int(a), width), divmod(int(b), width)
    assert transfer_expectation(horizontal, vertical, [one], field) == pytest.approx(truth.magnetizations[a], abs=1e-12)
    pair = transfer_expectation(horizontal, vertical, [one, two], field)
    assert pair == pytest.approx(truth.correlations[a, b], abs=1e-12)


def test_imaginary_field_is_the_characteristic_function() -> None:
    couplings = uniform_couplings(3, 4, 0.3)
    truth = enumerate_lattice(*couplings)
    ratio = np.exp(transfer_log_partition(*couplings, field=0.4j) - truth.log_partition)
    magnetization = 2 * np.arange(13) - 12
    assert ratio == pytest.approx(truth.magnetization_distribution @ np.exp(0.4j * magnetization), abs=1e-13)


@pytest.mark.parametrize("shape", [(1, 4), (3, 3), (2, 5), (4, 4)])
def test_law_of_the_magnetization(shape: tuple[int, int]) -> None:
    law = magnetization_distribution(*shape, (0.4, 0.5))
    truth = enumerate_lattice(*uniform_couplings(*shape, (0.4, 0.5)))
    assert law.probabilities == pytest.approx(truth.magnetization_distribution, abs=1e-13)
    assert law.magnetizations[0] == -shape[0] * shape[1] and law.magnetizations[-1] == shape[0] * shape[1]


def test_published_moments_of_the_critical_four_by_four_torus() -> None:
    m, p = magnetization_distribution(4, 4, CRITICAL_COUPLING)
    second, fourth = (m / 16) ** 2 @ p, (m / 16) ** 4 @ p
    assert second == pytest.approx(0.7613589086, abs=1e-10)
    assert np.abs(m / 16) @ p == pytest.approx(0.8438604448, abs=1e-10)
    assert 1 - fourth / (3 * second**2) == pytest.approx(0.617199318, abs=1e-9)


def test_both_ways_to_lay_a_strip_agree() -> None:
    rng = np.random.default_rng(3)
    horizontal, vertical = rng.normal(size=(4, 10)), rng.normal(size=(3, 10))
    assert transfer_log_partition(horizontal, vertical) == pytest.approx(
        transfer_log_partition(vertical.T, horizontal.T), abs=1e-12
    )


def test_what_is_too_wide_or_off_the_lattice_is_refused() -> None:
    with pytest.raises(ValueError, match="kac_ward_log_partition"):
        transfer_log_partition(*uniform_couplings(24, 24, 0.3, wrap=(False, False)))
    with pytest.raises(ValueError, match="log_partition"):
        transfer_log_partition(*uniform_couplings(12, 12, 0.3))
    with pytest.raises(ValueError, match=r"site \(4, 0\) is not"):
        transfer_expectation(*uniform_couplings(4, 4, 0.3), [(4, 0)])
    with pytest.raises(ValueError, match="at most 10"):
        magnetization_distribution(11, 11, 0.3)
