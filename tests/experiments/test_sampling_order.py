"""Effects of the sampling order on numbers whose answer is known."""

import math

import pytest

from veridical.experiments.sampling_order import ORDERS, QUICK, RECIPES, compare, table, train, verdict


def runs(change: dict[str, list[float]]) -> list[dict]:
    """Runs of one recipe on one size: variety 0.5 and 0.7 by epochs, changed as told in the other orders."""
    base = [0.5, 0.7, 0.5, 0.7]
    return [
        {"recipe": "2014", "examples": 64, "order": order, "seed": i, "variety": value + delta}
        for order in ORDERS
        for i, (value, delta) in enumerate(zip(base, change.get(order, [0.0] * 4), strict=True))
    ]


def test_effects_are_paired_by_seed() -> None:
    iid, repeated = compare(runs({"iid": [0.1, 0.1, 0.2, 0.2], "repeated": [-0.1, 0.1, -0.1, 0.1]}))
    assert (iid["order"], repeated["order"], iid["seeds"]) == ("iid", "repeated", 4)
    assert iid["epoch"] == pytest.approx(0.6) and iid["change"] == pytest.approx(0.15)
    # Student, three degrees of freedom: 3.182446 at 95 %, 4.176535 at 97.5 %; the standard error is 0.1 / sqrt(12).
    half = 3.182446 * 0.1 / math.sqrt(12)
    assert iid["interval"] == pytest.approx([0.15 - half, 0.15 + half], abs=1e-6)
    half = 4.176535 * 0.1 / math.sqrt(12)
    assert iid["corrected"] == pytest.approx([0.15 - half, 0.15 + half], abs=1e-6)
    assert repeated["change"] == pytest.approx(0.0) and repeated["interval"][0] < 0 < repeated["interval"][1]


def test_verdict_says_what_is_beyond_chance_and_nothing_else() -> None:
    effects = compare(runs({"iid": [0.1, 0.1, 0.2, 0.2], "repeated": [-0.1, 0.1, -0.1, 0.1]}))
    said = verdict(effects)
    assert "iid changes the variety against epochs: +0.15 (+0.06 to +0.24) for 2014 on 64 examples" in said
    assert "repeated has no effect that 4 seeds can detect (the intervals reach 0.18)" in said
    assert len(table(effects).splitlines()) == 3


def test_runs_repeat_and_orders_differ() -> None:
    once, again = (train("2014", 64, "epoch", 3, QUICK) for _ in range(2))
    assert once == again
    assert once["variety"] != train("2014", 64, "iid", 3, QUICK)["variety"]
    assert 1 / 8 <= once["variety"] <= 1 and 0 <= once["high_quality"] <= 1


def test_recipes_are_frozen_and_none_is_called_default() -> None:
    """Their numbers are published: they must not change with the defaults."""
    assert set(RECIPES) == {"2014", "relativistic"}
    then = {"relativistic": (True, 0.1, 0.1, 7, 2e-3, None), "2014": (False, 0.0, 0.0, 0, 2e-3, None)}
    for name, config in RECIPES.items():
        optimizer = config.generator_optimizer
        assert optimizer is not None
        found = config.relativistic, config.r1, config.r2, config.fourier_octaves, optimizer.lr, optimizer.trust
        assert found == then[name]
