"""The choices of `RBMConfig` and of its sampling: what is refused."""

from typing import Any

import pytest

from veridical.config.families.rbm import FAMILY, RBMConfig


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"visible": "real"}, "visible is 'real'"),
        ({"hidden": "relu"}, "hidden is 'relu'"),
        ({"negative": "exact"}, "negative is 'exact'"),
        ({"width": 0}, "width is 0"),
        ({"sweeps": 0}, "sweeps is 0"),
        ({"chains": 0}, "chains is 0"),
        ({"replicas": 1}, "replicas is 1; expected at least 2"),
        ({"replicas": 2, "negative": "trajectory"}, "replicas is 2; expected at least 3"),
        ({"tracked": -1}, "tracked is -1"),
    ],
)
def test_choices_that_mean_nothing_are_refused(choices: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        RBMConfig(**choices)


def test_no_preset_has_momentum() -> None:
    """It follows persistent chains the wrong way (`families/rbm.py`)."""
    for preset in FAMILY.presets.values():
        optimizer = preset.model.optimizer
        assert optimizer.momentum == 0 and (optimizer.betas[0] == 0 or optimizer.name == "sgd")
