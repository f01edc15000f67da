"""What a plan says, and whether it is true."""

import math

import pytest

from veridical.ising import CRITICAL_COUPLING, Law, plan
from veridical.ising.autocorrelation import pilot
from veridical.ising.exact import CRITICAL_COUPLING as EXACT_CRITICAL_COUPLING
from veridical.ising.law import law


def test_a_plan_names_its_method_its_times_and_its_reason():
    chosen = plan(32)
    assert chosen.method == "cluster" and "fastest" in chosen.reason and "table" in chosen.reason
    assert chosen.thinning == math.ceil(2 * chosen.tau) and chosen.burn_in >= 20 * chosen.tau
    assert chosen.law == Law(32, 32, CRITICAL_COUPLING, CRITICAL_COUPLING)


def test_both_halves_of_the_package_mean_the_same_coupling():
    assert CRITICAL_COUPLING == EXACT_CRITICAL_COUPLING


def test_the_method_depends_on_side_and_number():
    assert plan(8).method == "metropolis"
    assert plan(128).method == "cluster"
    assert plan(512, n=4).method == "swendsen-wang"
    assert plan(8, 0.3, field=0.1).method == "cluster"


def test_far_from_criticality_times_are_short():
    assert plan(64, 0.2, "metropolis").tau < plan(64, 0.35, "metropolis").tau < plan(64, method="metropolis").tau / 2
    assert plan(64, 0.6, "cluster").tau < plan(64, method="cluster").tau
    assert plan(64, 0.3, "cluster").seeds > 100 > plan(64, 0.6, "cluster").seeds == 3


def test_laws_outside_the_table_are_timed_by_a_pilot_run():
    chosen = plan((6, 8), (0.3, 0.5), field=0.1, method="cluster")
    assert "pilot" in chosen.reason and 0.5 <= chosen.tau < 10
    assert chosen.seeds == 1
    given = plan((6, 8), (0.3, 0.5), field=0.1, method="cluster", burn_in=7, thinning=3)
    assert (given.burn_in, given.thinning) == (7, 3) and "given" in given.reason


def test_a_chain_that_does_not_forget_is_refused():
    """Local sweeps cannot cross from one magnetization to the other in an ordered lattice."""
    draft = plan(16, 0.7, "metropolis", field=0.001, burn_in=1, thinning=1)
    with pytest.raises(ValueError, match="not forgotten"):
        pilot(draft, longest=256)


def test_blocks_do_not_depend_on_anything_but_the_number():
    chosen = plan(16, method="cluster")
    assert [chosen.blocks(n) for n in (1, 512, 513, 3000, 10**5, 10**6, 10**9)] == [1, 1, 2, 4, 4, 30, 64]


def test_negative_couplings_are_turned_into_positive_ones_where_that_is_exact():
    free, turned = law((4, 6), (-0.3, -0.5)).staggered()
    assert free == Law(4, 6, 0.3, 0.5) and turned[0].tolist() == [False, True] * 3 and turned[1, 0]
    frustrated = law((4, 5), (-0.3, 0.5))
    assert frustrated.frustrated and frustrated.staggered()[0] == frustrated
    in_field = law(4, -0.3, 0.1)
    assert not in_field.frustrated and in_field.staggered()[0] == in_field
