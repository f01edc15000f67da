"""The choices of `DiscreteGANConfig`: what is refused, and the values that its papers state."""

from typing import Any

import pytest

from veridical.config.families.discrete_gan import FAMILY, DiscreteGANConfig, DiscreteGANSampling


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"estimator": "score"}, "estimator is 'score'"),
        ({"temperature": 0.0}, "temperature is 0.0"),
        ({"temperature_half_life": 10, "final_temperature": 2.0}, "final_temperature is 2.0"),
        ({"estimator": "reinforce", "straight_through": False}, "reinforce"),
        ({"estimator": "reinforce", "temperature": 0.5}, "reinforce"),
        ({"estimator": "reinforce", "pack": 2}, "pack is 2"),
    ],
)
def test_choices_that_mean_nothing_are_refused(choices: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        DiscreteGANConfig(**choices)


def test_annealing_ends_at_or_below_its_beginning() -> None:
    DiscreteGANConfig(temperature_half_life=10, temperature=0.1, final_temperature=0.1)
    DiscreteGANConfig(final_temperature=2.0)  # without halving it is not reached


def test_presets_differ_in_the_estimator_alone() -> None:
    gumbel, reinforce = (FAMILY.presets[f"discrete-{name}"] for name in ("gumbel", "reinforce"))
    assert (gumbel.model.estimator, reinforce.model.estimator) == ("gumbel", "reinforce")
    assert gumbel.training == reinforce.training
    with pytest.raises(ValueError, match="temperature"):
        DiscreteGANSampling(temperature=-1.0)
