"""Sampling options refuse what has no meaning, in a sentence that says what to do."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from veridical.config.families.adversarial import AdversarialSampling
from veridical.config.families.noise_level import NoiseLevelSampling
from veridical.config.families.table import FAMILIES, find_family
from veridical.config.families.vae import VAESampling
from veridical.config.sampling import SamplingOptions, options_of


@pytest.mark.parametrize(
    ("kind", "choices", "message"),
    [
        (AdversarialSampling, {"refine": "kl", "condition": "3"}, "refine and condition are both given; choose one"),
        (AdversarialSampling, {"refine": "kl", "truncation": 1.0}, "truncation and refine are both given"),
        (AdversarialSampling, {"refine": "hellinger"}, "expected one of kl, js, logd"),
        (AdversarialSampling, {"condition": "boots"}, "number of a class"),
        (AdversarialSampling, {"refine_steps": 0}, "refine_steps is 0"),
        (AdversarialSampling, {"condition_steps": 1}, "condition_steps is 1"),
        (AdversarialSampling, {"truncation": float("nan")}, "truncation is nan"),
        (VAESampling, {"temperature": 0.0}, "temperature is 0"),
        (VAESampling, {"temperature": 0.5, "condition": "1"}, "choose one"),
        (NoiseLevelSampling, {"noise_levels": 1}, "at least 2"),
    ],
)
def test_what_has_no_meaning_is_refused(kind: type[SamplingOptions], choices: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(**choices)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_declares_options_with_defaults_that_no_flag_of_the_command_hides(name: str) -> None:
    kind = find_family(name).sampling
    kind()
    assert not {"run", "n", "out", "seed", "first", "device", "label"} & {field.name for field in fields(kind)}


def test_options_of_another_family_are_refused() -> None:
    assert options_of(VAESampling, None) == VAESampling()
    with pytest.raises(ValueError, match="options are NoiseLevelSampling; expected VAESampling"):
        options_of(VAESampling, NoiseLevelSampling())
