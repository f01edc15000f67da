"""The choices of `VAEConfig`: what is refused, and the values that its papers state."""

from typing import Any

import pytest

from veridical.config.families.vae import FAMILY, VAEConfig, VAESampling


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"likelihood": "poisson"}, "likelihood is 'poisson'"),
        ({"network": "dcgan"}, "network is 'dcgan'"),
        ({"kl_weight": -1.0}, "kl_weight"),
        ({"importance_samples": 0}, "importance_samples"),
        ({"latent_dim": 0}, "latent_dim"),
    ],
)
def test_choices_that_mean_nothing_are_refused(choices: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        VAEConfig(**choices)


def test_a_temperature_and_a_condition_exclude_each_other() -> None:
    VAESampling(condition="1")
    VAESampling(temperature=0.7, output="mean")
    with pytest.raises(ValueError, match="choose one"):
        VAESampling(condition="1", temperature=0.7)


def test_the_default_is_the_bound_itself() -> None:
    """Weight one on the KL and one sample: the elbo of Kingma & Welling (2014)."""
    assert (VAEConfig().kl_weight, VAEConfig().importance_samples) == (1.0, 1)
    assert FAMILY.presets["vae"].model == VAEConfig()
