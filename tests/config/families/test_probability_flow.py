"""The choices that the families of a probability flow share."""

from typing import Any

import pytest

from veridical.config.families.probability_flow import (
    ProbabilityFlowConfig,
    ProbabilityFlowSampling,
    require_even,
)


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"network": "conv"}, "network is 'conv'"),
        ({"width": 0}, "width is 0"),
        ({"blocks": 0}, "blocks is 0"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"label_dropout": 1.0}, "label_dropout is 1.0"),
        ({"sigma_min": 0.0}, "sigma_min is 0.0"),
        ({"likelihood_steps": 0}, "likelihood_steps is 0"),
        ({"probes": 0}, "probes is 0"),
    ],
)
def test_choices_that_mean_nothing_are_refused(choices: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ProbabilityFlowConfig(**choices)


def test_guidance_is_not_negative() -> None:
    with pytest.raises(ValueError, match="guidance is -1"):
        ProbabilityFlowSampling(guidance=-1.0)


def test_two_evaluations_for_each_step_are_an_even_number() -> None:
    require_even(8, "heun")
    with pytest.raises(ValueError, match="choose 8"):
        require_even(7, "heun")
