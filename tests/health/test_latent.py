"""The monitor of the latent code on synthetic rows: what it must say, and what it must not."""

from tests.health.rows import feed

from veridical.health import (
    PosteriorCollapse,
)


def test_posterior_collapse_by_units_or_by_kl() -> None:
    n = 20
    (by_both,) = feed(PosteriorCollapse(), posterior_kl=[0.01] * n, active_units=[0.0] * n)
    assert by_both.step == 550 and by_both.severity == "error"  # 500 steps after the first row
    assert (
        "the KL divergence of the posterior from the prior is 0.01 nats and the number of active units is 0"
        in by_both.message
    )
    assert len(feed(PosteriorCollapse(), posterior_kl=[0.01] * n)) == 1
    assert len(feed(PosteriorCollapse(), active_units=[0.2] * n)) == 1


def test_posterior_collapse_waits_for_a_code_that_is_being_learned() -> None:
    kl = [0.02] * 8 + [1.0, 5.0, 12.0] + [15.0] * 20
    active = [0.0] * 8 + [1.0, 4.0, 9.0] + [12.0] * 20
    assert feed(PosteriorCollapse(), posterior_kl=kl, active_units=active) == []


def test_one_active_unit_is_enough_where_the_data_have_one_dimension() -> None:
    assert feed(PosteriorCollapse(), posterior_kl=[3.0] * 30, active_units=[1.0] * 30) == []
