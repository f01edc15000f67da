"""The choices of `InfoGANConfig`: what is refused, and the values that its papers state."""

from typing import Any

import pytest

from veridical.config.families.infogan import FAMILY, InfoGANConfig


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"categorical": (10, 1)}, "at least 2 values"),
        ({"categorical": (), "continuous": 0}, "categorical"),
        ({"pack": 2}, "pack is 2"),
        ({"code_resolution": 0.0}, "code_resolution"),
        ({"continuous_weight": -0.1}, "continuous_weight"),
    ],
)
def test_choices_that_mean_nothing_are_refused(choices: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        InfoGANConfig(**choices)


def test_one_kind_of_code_is_enough() -> None:
    InfoGANConfig(categorical=(), continuous=1)
    InfoGANConfig(categorical=(2,), continuous=0)


def test_the_default_is_the_recipe_for_mnist() -> None:
    """Chen et al. 2016, App. C.1: one code of ten values and two continuous ones, whose weight is smaller."""
    default = InfoGANConfig()
    assert (default.categorical, default.continuous) == ((10,), 2)
    assert (default.information_weight, default.continuous_weight) == (1.0, 0.1)
    assert FAMILY.purpose == "codes"
