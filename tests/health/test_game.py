"""A discriminator that memorises, oscillation, growing singular values."""

import math
from typing import Any

from tests.health.rows import feed

from veridical.health.game import Memorising, Oscillation, SpectrumGrowth


def memorising(train: float, held_out: float, fake: float) -> int:
    logits: dict[str, Any] = {
        "probe__logit_train": [train] * 5,
        "probe__logit_held_out": [held_out] * 5,
        "probe__logit_fake": [fake] * 5,
    }
    return len(feed(Memorising(), **logits))


def test_held_out_examples_are_taken_for_samples() -> None:
    assert memorising(2.0, -1.5, -2.0) == 1  # r_v = 0.875
    assert memorising(2.0, 1.8, -2.0) == 0  # r_v = 0.05
    assert memorising(0.1, -0.1, -0.1) == 0  # a discriminator at chance
    assert memorising(-2.0, 3.0, 2.0) == 0  # worse than chance, which is another problem


def test_a_circle_is_an_oscillation() -> None:
    circle = [0.5 + 0.45 * math.sin(2.0 * i) for i in range(40)]
    (found,) = feed(Oscillation(), energy_distance=circle)
    assert "oscillates" in found.message
    assert feed(Oscillation(), energy_distance=[0.1 * v for v in circle]) == []  # within sampling noise
    assert feed(Oscillation(), energy_distance=[5.0 * 0.8**i for i in range(40)]) == []  # it converges
    assert feed(Oscillation(), energy_distance=[0.5] * 40) == []


def test_singular_values_against_the_untrained_weights() -> None:
    sigma = [2.0, None, 3.0, None, 11.0, None, 30.0, None]
    (found,) = feed(SpectrumGrowth("generator"), generator__sigma_max=sigma)
    assert found.step == 350 and "is 30; it was 2 at the start" in found.message
    assert feed(SpectrumGrowth("generator"), generator__sigma_max=[2.0, 4.0, 6.0, 9.0]) == []
