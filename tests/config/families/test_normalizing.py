"""The choices that all normalizing flows share."""

from typing import Any

import pytest

from veridical.config.families.normalizing import NormalizingConfig, NormalizingSampling


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"dequantisation": "none"}, "dequantisation is 'none'"),
        ({"units": "pixels"}, "units is 'pixels'"),
        ({"margin": 0.5}, "margin is 0.5"),
        ({"noise_width": 0}, "noise_width"),
        ({"noise_steps": -1}, "noise_steps"),
    ],
)
def test_choices_that_mean_nothing_are_refused(choices: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        NormalizingConfig(**choices)


def test_a_temperature_is_positive() -> None:
    with pytest.raises(ValueError, match="temperature"):
        NormalizingSampling(temperature=0.0)
