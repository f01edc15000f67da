"""Times measured on chains against those of the tables."""

import pytest

from veridical.ising import plan
from veridical.ising.autocorrelation import measure


@pytest.mark.parametrize("method", ["metropolis", "cluster", "wolff", "swendsen-wang"])
def test_tabulated_times_are_those_of_the_chains(method):
    """Within a quarter, at side 16; the estimates have standard errors of a few per cent."""
    chosen = plan(16, method=method)
    steps = 20_000 if method == "swendsen-wang" else 600
    assert measure(chosen, steps, chosen.burn_in, seed=1).slower == pytest.approx(chosen.tau, rel=0.25)


@pytest.mark.parametrize("coupling", [0.3, 0.41, 0.435, 0.46, 0.6])
@pytest.mark.parametrize("size", [24, (12, 40)])
def test_tabulated_times_hold_off_criticality_and_on_rectangles(size, coupling):
    chosen = plan(size, coupling, "cluster")
    assert measure(chosen, 200, chosen.burn_in, seed=2).slower < 1.15 * chosen.tau


def test_perfect_samples_are_independent():
    assert measure(plan(4, method="perfect"), 200, 0).slower == pytest.approx(0.5, abs=0.05)
