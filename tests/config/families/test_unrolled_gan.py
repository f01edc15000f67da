"""The choices of `UnrolledGANConfig`: what is refused, and the values that its papers state."""

from typing import Any

import pytest

from veridical.config.families.unrolled_gan import FAMILY, UnrolledGANConfig


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"unrolled_steps": -1}, "unrolled_steps"),
        ({"unrolled_lr": 0.0}, "unrolled_lr"),
        ({"unrolled_optimizer": "lion"}, "expected one of adam, sgd"),
        ({"r1": 1.0}, "r1 is 1.0"),
        ({"gradient_penalty": 1.0}, "gradient_penalty is 1.0"),
    ],
)
def test_choices_that_mean_nothing_are_refused(choices: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        UnrolledGANConfig(**choices)


def test_the_preset_is_that_of_the_paper() -> None:
    """Metz et al. 2017, App. A: tanh networks of 128 units, 256 latents, five to ten steps, Adam at 1e-3 and 1e-4."""
    model = FAMILY.presets["unrolled"].model
    assert (model.network, model.width, model.latent_dim, model.unrolled_steps) == ("tanh-mlp", 128, 256, 5)
    assert (model.generator_optimizer.lr, model.discriminator_optimizer.lr) == (1e-3, 1e-4)
    assert UnrolledGANConfig(unrolled_steps=0).unrolled_steps == 0  # the plain game
