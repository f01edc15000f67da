"""The choices of `HierarchicalVAEConfig`: what is refused."""

from typing import Any

import pytest

from veridical.config.families.hierarchical_vae import FAMILY, HierarchicalVAEConfig


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"likelihood": "poisson"}, "likelihood is 'poisson'"),
        ({"network": "dcgan"}, "network is 'dcgan'"),
        ({"kl_weight": -1.0}, "kl_weight"),
        ({"importance_samples": 0}, "importance_samples"),
        ({"upper_dim": 0}, "upper_dim"),
        ({"features": 0}, "features"),
        ({"dropout": 1.0}, "dropout"),
        ({"free_bits": -0.5}, "free_bits"),
        ({"free_bits": 0.5, "importance_samples": 2}, "free_bits is 0.5 with importance_samples 2"),
    ],
)
def test_choices_that_mean_nothing_are_refused(choices: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        HierarchicalVAEConfig(**choices)


def test_the_default_is_the_bound_itself() -> None:
    """Weight one on the KL, one sample, no free bits, all features."""
    default = HierarchicalVAEConfig()
    assert (default.kl_weight, default.importance_samples, default.free_bits, default.dropout) == (1.0, 1, 0.0, 0.0)
    assert FAMILY.presets["hierarchical-vae"].model == default
