"""Steps that change nothing, and steps that change everything."""

import pytest
from tests.health.rows import feed

from veridical.health import LargeSteps, NoMovement


def test_a_frozen_player_is_named_with_its_option() -> None:
    (found,) = feed(NoMovement("generator"), generator__update=[0.0] * 20)
    assert found.step == 250 and found.severity == "error" and "do not move" in found.message
    assert "--generator-optimizer.lr" in found.remedy


def test_tiny_steps_are_summed_over_the_run() -> None:
    (found,) = feed(NoMovement("model"), model__update=[1e-8] * 20)
    assert "hardly move" in found.message and "--lr-scale 100000)" in found.remedy and "--optimizer.lr" in found.remedy
    # 400 steps of 1e-4 are 0.04 of the weights: enough to change a model; 300 of 5e-5 are 0.015, too little.
    assert feed(NoMovement("model"), model__update=[1e-4] * 20) == []
    assert len(feed(NoMovement("model"), model__update=[5e-5] * 6)) == 1


def test_a_schedule_that_ends_at_zero_is_no_fault() -> None:
    assert feed(NoMovement("model"), model__update=[1e-3] * 20 + [1e-9] * 30) == []
    (stopped,) = feed(NoMovement("model"), model__update=[1e-3] * 20 + [0.0] * 30)
    assert stopped.step == 25 * 50


def test_rows_of_earlier_versions_are_not_judged() -> None:
    assert feed(NoMovement("model"), model__update=[None] * 20) == []


@pytest.mark.parametrize(("update", "reported"), [(0.02, 0), (0.08, 1)])
def test_large_steps(update: float, reported: int) -> None:
    assert len(feed(LargeSteps("model"), model__update=[update] * 20)) == reported


def test_state_survives() -> None:
    first, second = NoMovement("model"), NoMovement("model")
    feed(first, model__update=[1e-3] * 20)
    second.load(first.state())
    assert second.path == first.path > 0.9 and second.last == 1000
