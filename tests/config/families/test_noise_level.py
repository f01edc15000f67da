"""The choices of `NoiseLevelConfig`: what is refused, and the values that its papers state."""

from typing import Any

import pytest

from veridical.config.families.noise_level import NoiseLevelConfig, NoiseLevelSampling


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"levels": 1}, "levels is 1; expected at least 2"),
        ({"sigma_min": 4.0}, "sigma_min is 4.0"),
        ({"sigma_min": 0.0}, "sigma_min"),
        ({"langevin_step": 0.0}, "langevin_step"),
        ({"network": "dcgan"}, "expected one of auto, mlp, conv"),
    ],
)
def test_choices_that_mean_nothing_are_refused(choices: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        NoiseLevelConfig(**choices)


def test_two_levels_and_no_correction_are_allowed() -> None:
    assert NoiseLevelConfig(levels=2, langevin_steps=0).levels == 2
    assert NoiseLevelSampling(noise_levels=2, langevin_steps=0).langevin_steps == 0
    for choices, words in (({"noise_levels": 1}, "at least 2"), ({"langevin_steps": -1}, "langevin_steps")):
        with pytest.raises(ValueError, match=words):
            NoiseLevelSampling(**choices)
