"""Sets one after the other are seen; one set, and one chain in equilibrium, are not accused."""

import numpy as np
import pytest

from veridical.ising.files import as_configurations
from veridical.ising.measurements import Measured, measure
from veridical.ising.sets import one_set


def measured(energy: np.ndarray) -> Measured:
    """Measurements of an 8 x 8 lattice that have these energies."""
    m = measure(as_configurations(np.random.default_rng(0).choice([-1, 1], (20, 8, 8))), 1)
    half = -energy.round().astype(np.int64)
    return m._replace(across=half, down=np.zeros_like(half))


def test_three_sets_in_turn_are_cut_where_they_meet() -> None:
    rng = np.random.default_rng(1)
    found = one_set(measured(np.concatenate([rng.normal(mean, 40, 400) for mean in (-100, -80, -100)])))
    assert found is not None and found[0].p_value < 1e-6
    assert found[1].energies * 64 == pytest.approx([-100, -80, -100], abs=6)


def test_one_set_is_not_accused_chains_included() -> None:
    """200 files each of independent energies and of chains: more than 11 p-values below 2 % come by chance with
    probability 2e-3 where they are uniform, and they are larger."""
    for memory in (0.0, 0.5, 0.8):
        alarms = 0
        for seed in range(200):
            rng = np.random.default_rng(seed)
            steps, x = rng.normal(0, 40 * np.sqrt(1 - memory**2), 2000), np.zeros(2000)
            x[0] = rng.normal(0, 40)
            for t in range(1, 2000) if memory else ():
                x[t] = memory * x[t - 1] + steps[t]
            found = one_set(measured(x if memory else steps))
            alarms += found is not None and found[0].p_value < 0.02
        assert alarms <= 11, memory


def test_slow_chains_and_short_files_are_not_cut() -> None:
    rng = np.random.default_rng(0)
    assert one_set(measured(np.cumsum(rng.normal(size=1000)))) is None
    assert one_set(measured(rng.normal(0, 40, 50))) is None
