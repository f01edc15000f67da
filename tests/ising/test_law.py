"""What a law is, and that turning spins over changes the sign of couplings."""

import numpy as np
import pytest

from veridical.ising.exact import enumerate_spins
from veridical.ising.law import CRITICAL_COUPLING, Law, law


def log_weights(of: Law) -> np.ndarray:
    s = enumerate_spins(of.sites).reshape(-1, of.height, of.width).astype(np.float64)
    across, down = (s * np.roll(s, -1, 2)).sum((1, 2)), (s * np.roll(s, -1, 1)).sum((1, 2))
    return of.horizontal * across + of.vertical * down + of.field * s.sum((1, 2))


@pytest.mark.parametrize("coupling", [(-0.3, 0.4), (0.3, -0.4), (-0.3, -0.4)])
def test_a_staggered_law_gives_turned_spins_the_same_weights(coupling: tuple[float, float]) -> None:
    one = law((2, 4), coupling)
    free, turned = one.staggered()
    assert free.horizontal > 0 and free.vertical > 0
    s = enumerate_spins(8)
    signs = np.where(turned.ravel(), -1, 1)
    order = [int(np.flatnonzero((s == row).all(1))[0]) for row in s * signs]
    assert log_weights(free)[order] == pytest.approx(log_weights(one))
    assert not np.allclose(log_weights(free), log_weights(one))


@pytest.mark.parametrize(("size", "coupling", "field"), [((3, 3), (-0.3, 0.2), 0.0), ((2, 4), (-0.3, 0.2), 0.1)])
def test_what_cannot_be_staggered_stays(size: tuple[int, int], coupling: tuple[float, float], field: float) -> None:
    one = law(size, coupling, field)
    free, turned = one.staggered()
    assert free == one and not turned.any()


def test_the_square_lattice_is_critical_where_the_dual_is_itself() -> None:
    assert np.sinh(2 * CRITICAL_COUPLING) == pytest.approx(1)


@pytest.mark.parametrize("wrong", [{"size": 1}, {"size": 2.5}, {"size": (2, 2, 2)}, {"coupling": np.inf}])
def test_what_is_no_law_is_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match="expected"):
        law(**{"size": 4, **wrong})
