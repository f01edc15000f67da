"""Monitors of a game on synthetic rows: what each must say, and what it must not."""

import pytest
from tests.health.rows import feed

from veridical.health import (
    Finding,
    GradientVanishing,
    LossRunaway,
    ModeCollapse,
    SampleCollapse,
    Saturation,
)


def test_saturation_at_log_2() -> None:
    js = [0.3] * 4 + [0.69] * 20
    (found,) = feed(Saturation(), divergence=js, accuracy=[0.8] * 4 + [1.0] * 20)
    assert found.step == 450  # five rows from step 250, 200 steps later
    assert "since step 250" in found.message and "0.690 nats (maximum: log 2 = 0.693)" in found.message


@pytest.mark.parametrize(
    ("js", "accuracy"),
    [([0.5] * 40, [0.95] * 40), ([0.69] * 40, [0.9] * 40), ([0.69, 0.69, 0.69, 0.5] * 10, [1.0] * 40)],
    ids=["strong but not saturated", "confident but often wrong", "in bursts"],
)
def test_saturation_is_silent(js: list[float], accuracy: list[float]) -> None:
    assert feed(Saturation(), divergence=js, accuracy=accuracy) == []


def test_saturation_lasts_in_steps_not_in_rows() -> None:
    first = feed(Saturation(), every=1, divergence=[0.69] * 100)
    assert first == []  # 100 steps: the head start of every discriminator
    assert len(feed(Saturation(), every=1, divergence=[0.69] * 300)) == 1


def test_gradient_vanishing_against_its_early_median() -> None:
    norms = [5.0] + [1.0] * 10 + [0.009] * 15
    (found,) = feed(GradientVanishing("generator"), generator__grad_norm=norms, divergence=[0.65] * 26)
    assert "0.009" in found.message and "9.0e-03 of the value at the start, 1." in found.message
    above = [5.0] + [1.0] * 10 + [0.02] * 15
    assert feed(GradientVanishing("generator"), generator__grad_norm=above, divergence=[0.65] * 26) == []


def test_gradient_vanishing_at_equilibrium_is_no_sickness() -> None:
    norms = [5.0] + [1.0] * 10 + [1e-4] * 15
    assert feed(GradientVanishing("generator"), generator__grad_norm=norms, divergence=[0.01] * 26) == []


def test_sample_collapse_far_below_the_diversity_of_the_data() -> None:
    (found,) = feed(SampleCollapse(), diversity=[0.9] * 5 + [0.02] * 20)
    assert found.step == 800 and "2.0% of the mean distance between two examples" in found.message
    assert feed(SampleCollapse(), diversity=[0.9] * 5 + [0.3] * 40) == []
    assert feed(SampleCollapse(), diversity=[0.01] * 8 + [0.8] * 40) == []  # an untrained generator


def modes(crowding: list, coverage: list, energy: list) -> list[Finding]:
    return feed(
        ModeCollapse(),
        crowding=crowding,
        coverage=coverage,
        energy_distance=energy,
    )


def test_mode_collapse_where_samples_meet_too_often_and_leave_data_out() -> None:
    (found,) = modes([0.6] * 20 + [2.0] * 30, [0.3] * 10 + [0.9] * 10 + [0.3] * 30, [0.1] * 50)
    # Levels are medians of five rows: they follow at row 23, of step 1150, and four rows later it is certain.
    assert found.step == 1350 and found.severity == "warning"
    assert "since step 1150: 30% of the examples" in found.message and "2 times as often" in found.message


def test_mode_collapse_where_samples_have_left_the_data() -> None:
    (found,) = modes([0.1] * 30, [0.0] * 30, [5.0] * 30)
    assert found.step == 650  # five rows from the ninth on
    assert "energy distance is 5 of the width" in found.message
    assert modes([0.8] * 30, [0.1] * 30, [0.2] * 30) and not modes([0.8] * 30, [0.4] * 30, [0.2] * 30)


@pytest.mark.parametrize(
    ("crowding", "coverage", "energy"),
    [
        ([2.0] * 60, [0.8] * 60, [0.0] * 60),
        ([0.8] * 60, [0.1] * 60, [0.1] * 60),
        ([2.0] * 7 + [0.5] * 53, [0.2] * 60, [9.0] * 7 + [0.1] * 53),
        ([0.6, 0.6, 3.0] * 20, [0.2] * 60, [0.1] * 60),
        ([None] * 60, [0.2] * 60, [5.0] * 60),
    ],
    ids=["smoother than the data", "imprecise", "an untrained generator", "now and then", "not measured"],
)
def test_mode_collapse_is_silent(crowding: list, coverage: list, energy: list) -> None:
    assert modes(crowding, coverage, energy) == []


def test_mode_collapse_takes_no_notice_of_rows_without_its_terms() -> None:
    (found,) = modes(*([value for _ in range(30) for value in (level, None)] for level in (2.0, 0.3, 0.1)))
    assert found.step == 50 * (2 * 13 - 1)  # the thirteenth row that says anything


def test_loss_runaway_in_a_game() -> None:
    assert len(feed(LossRunaway("generator"), generator__loss=[0.7] * 12 + [-500.0] * 10)) == 1
    assert feed(LossRunaway("generator"), generator__loss=[0.7] * 12 + [15.0] * 30) == []
    assert len(feed(LossRunaway("generator"), generator__loss=[2000.0] * 12 + [-20000.0] * 10)) == 1
