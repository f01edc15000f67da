"""The choices of `AutoencoderConfig`: what is refused, and the values of the papers."""

from typing import Any

import pytest

from veridical.config.families.autoencoder import FAMILY, AutoencoderConfig


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"code": "sparse"}, "code is 'sparse'"),
        ({"reconstruction": "hinge"}, "reconstruction is 'hinge'"),
        ({"network": "dcgan"}, "network is 'dcgan'"),
        ({"linear_layers": -1}, "linear_layers"),
        ({"perceptual_weight": -1.0}, "perceptual_weight"),
        ({"latent_dim": 0}, "latent_dim"),
        ({"kept": 0}, "kept"),
        ({"code": "one-hot", "linear_layers": 2}, "choose one"),
    ],
)
def test_choices_that_mean_nothing_are_refused(choices: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        AutoencoderConfig(**choices)


def test_presets_differ_in_what_their_names_say() -> None:
    assert FAMILY.presets["autoencoder"].model == AutoencoderConfig()
    assert FAMILY.presets["autoencoder-one-hot"].model.code == "one-hot"
    irmae = FAMILY.presets["irmae"].model
    assert irmae.linear_layers > 0 and irmae.latent_dim == 128 and irmae.reconstruction == "squared"
