"""The choices of `FlowConfig`: what is refused, and the values that its papers state."""

from typing import Any

import pytest

from veridical.config.families.flow import FAMILY, FlowConfig, FlowSampling


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"layers": "iaf"}, "layers is 'iaf'"),
        ({"couplings": 0}, "couplings"),
        ({"scales": 0}, "scales"),
        ({"depth": -1}, "depth"),
    ],
)
def test_choices_that_mean_nothing_are_refused(choices: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        FlowConfig(**choices)


def test_scales_that_are_hidden_are_counted() -> None:
    with pytest.raises(ValueError, match="hide_scales"):
        FlowSampling(hide_scales=-1)


def test_nice_is_that_of_its_paper() -> None:
    """Four additive couplings and logistic codes, Dinh et al. (2015), Sec. 5.1."""
    nice = FAMILY.presets["nice"].model
    assert (nice.layers, nice.couplings, nice.dequantisation) == ("nice", 4, "uniform")
