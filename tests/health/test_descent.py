"""Monitors of any optimisation on synthetic rows: what each must say, and what it must not."""

import math

import numpy as np
import pytest
from tests.health.rows import feed

from veridical.health import (
    GradientExplosion,
    LossDivergence,
    NonFinite,
)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nonfinite_names_step_player_and_term(value: float) -> None:
    (found,) = feed(NonFinite(), model__loss=[1.0, 1.0, value, value], model__kl=[1.0, 1.0, 2.0, value])
    assert (found.step, found.severity, found.name) == (150, "error", "non-finite")
    assert "loss of player model is" in found.message and "step 150" in found.message


def test_nonfinite_names_the_other_terms_and_counts() -> None:
    (found,) = feed(NonFinite(), generator__loss=[math.nan], generator__grad_norm=[math.inf])
    assert "so are generator/grad_norm" in found.message
    (found,) = feed(NonFinite(), nonfinite=[0, 3])
    assert "3 steps had values that are not finite" in found.message
    assert feed(NonFinite(), nonfinite=[0, 0], model__loss=[1.0, None]) == []


def test_gradient_explosion_by_jump_and_by_growth() -> None:
    jump = [1.0] * 15 + [40.0] * 5
    (found,) = feed(GradientExplosion("model"), model__grad_norm=jump)
    assert found.step == 900 and "since step 800" in found.message
    slow = [1.15**i for i in range(80)]  # 1.15^20 = 16 per window: no jump, but a thousandfold in the end
    (found,) = feed(GradientExplosion("model"), model__grad_norm=slow)
    assert found.step / 50 > math.log(1000) / math.log(1.15)


@pytest.mark.parametrize(
    "norms",
    [[100.0] + [1.0] * 30, [1.0] * 20 + [500.0] + [1.0] * 20, [10.0] * 12 + [1e-3] * 30 + [0.5] * 9],
    ids=["a steep first row", "one bad row", "back to normal after a quiet time"],
)
def test_gradient_explosion_is_silent(norms: list[float]) -> None:
    assert feed(GradientExplosion("model"), model__grad_norm=norms) == []


def test_explosion_remedy_speaks_of_the_discriminator_only_in_a_gan() -> None:
    (model,) = feed(GradientExplosion("model"), model__grad_norm=[1.0] * 15 + [40.0] * 5)
    (generator,) = feed(GradientExplosion("generator", game=True), generator__grad_norm=[1.0] * 15 + [40.0] * 5)
    assert "--r1" not in model.remedy and "--r1" in generator.remedy


def test_loss_divergence_of_a_negative_loss() -> None:
    loss = [100.0 - 20.0 * min(i, 10) for i in range(20)] + [40.0] * 10  # 100 -> -100 -> 40
    (found,) = feed(LossDivergence("model"), model__loss=loss)
    assert "it is 40; its best value was -100, and it started at 100" in found.message
    shallow = [*loss[:20], *[-40.0] * 10]  # lost 60 of 200
    assert feed(LossDivergence("model"), model__loss=shallow) == []


def test_noise_is_no_divergence() -> None:
    wiggle = [1.0 + 0.3 * (-1) ** i for i in range(60)]
    assert feed(LossDivergence("model"), model__loss=wiggle) == []
    assert feed(LossDivergence("model"), model__loss=[1.0 + 0.01 * i for i in range(60)]) == []  # never gained anything


def test_a_loss_that_only_fluctuates_does_not_diverge() -> None:
    noise = np.random.default_rng(0).normal(size=400).tolist()
    assert feed(LossDivergence(), model__loss=[0.5, *noise]) == []
