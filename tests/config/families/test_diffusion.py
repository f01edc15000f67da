"""The choices of `DiffusionConfig` and its sampling: what is refused."""

from typing import Any

import pytest

from veridical.config.families.diffusion import DiffusionConfig, DiffusionSampling


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"sigma_max": 0.0}, "sigma_max is 0.0"),
        ({"sigma_min": 2.0, "sigma_max": 1.0}, "expected the first smaller"),
        ({"rho": 0.0}, "rho is 0.0"),
        ({"noise_std": -1.0}, "noise_std is -1.0"),
        ({"evaluations": 35}, "evaluations is 35; heun takes two"),
    ],
)
def test_choices_that_mean_nothing_are_refused(choices: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        DiffusionConfig(**choices)


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"method": "dpm"}, "method is 'dpm'"),
        ({"method": "sde", "evaluations": 7}, "sde takes two"),
        ({"eta": 1.5}, "eta is 1.5"),
        ({"churn": -1.0}, "churn is -1"),
    ],
)
def test_samplers_that_mean_nothing_are_refused(choices: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        DiffusionSampling(**choices)


def test_one_evaluation_for_each_step_is_any_number() -> None:
    assert DiffusionSampling(method="euler", evaluations=7).evaluations == 7
