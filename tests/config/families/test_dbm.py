"""The choices of `DBMConfig`: what is refused."""

from typing import Any

import pytest

from veridical.config.families.dbm import FAMILY, DBMConfig, DBMSampling


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"visible": "gaussian"}, "visible is 'gaussian'"),
        ({"hidden": "gaussian"}, "hidden is 'gaussian'"),
        ({"negative": "cd"}, "negative is 'cd'"),
        ({"width": 0}, "width is 0"),
        ({"upper_width": 0}, "upper_width is 0"),
        ({"updates": 0}, "updates is 0"),
        ({"pretrain": -1}, "pretrain is -1"),
        ({"chains": 0}, "chains is 0"),
    ],
)
def test_choices_that_mean_nothing_are_refused(choices: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        DBMConfig(**choices)


def test_sampling_that_means_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="steps is 0"):
        DBMSampling(steps=0)


def test_no_preset_has_momentum() -> None:
    assert all(preset.model.optimizer.betas[0] == 0 for preset in FAMILY.presets.values())
