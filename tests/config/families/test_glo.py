"""The choices of `GLOConfig`: what is refused, and the values of the paper."""

from typing import Any

import pytest

from veridical.config.families.glo import FAMILY, GLOConfig


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"reconstruction": "hinge"}, "reconstruction is 'hinge'"),
        ({"codes": "cube"}, "codes is 'cube'"),
        ({"start": "zero"}, "start is 'zero'"),
        ({"network": "dcgan"}, "network is 'dcgan'"),
        ({"latent_dim": 0}, "latent_dim"),
        ({"width": 0}, "width"),
        ({"depth": -1}, "depth"),
        ({"code_lr": 0.0}, "code_lr"),
    ],
)
def test_choices_that_mean_nothing_are_refused(choices: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        GLOConfig(**choices)


def test_the_preset_is_the_papers_form() -> None:
    """Codes in the ball, started from principal components (Bojanowski et al., Sec. 3)."""
    assert FAMILY.presets["glo"].model == GLOConfig(codes="ball", start="pca")
    assert FAMILY.needs == ("number",)
