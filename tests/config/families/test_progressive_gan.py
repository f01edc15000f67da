"""The choices of `ProgressiveGANConfig`: what is refused, and the values that its papers state."""

from typing import Any

import pytest

from veridical.config.families.progressive_gan import ProgressiveGANConfig, growing_optimizer


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"upsampling": "cubic"}, "upsampling is 'cubic'"),
        ({"stage_steps": 0}, "stage_steps"),
        ({"network": "dcgan"}, "network is 'dcgan'"),
        ({"spectral_norm": True}, "spectral_norm is"),
        ({"minibatch": "discrimination"}, "spectral_norm is"),
        ({"scale_weights": (1.0, 0.5)}, "codes_per_scale 0"),
        ({"codes_per_scale": 2, "latent": "uniform"}, "latent is 'uniform'"),
    ],
)
def test_choices_that_mean_nothing_are_refused(choices: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ProgressiveGANConfig(**choices)


def test_weights_of_scales_belong_to_codes() -> None:
    assert ProgressiveGANConfig(codes_per_scale=2, scale_weights=(1.0, 0.0)).scale_weights == (1.0, 0.0)
    with pytest.raises(ValueError, match="scale_weights"):
        ProgressiveGANConfig(codes_per_scale=2, scale_weights=(-1.0,))


def test_both_players_grow_at_one_pace() -> None:
    default = ProgressiveGANConfig()
    assert default.generator_optimizer == default.discriminator_optimizer == growing_optimizer()
