"""What a family declares: a preset is complete, and its purpose is a group of the help."""

import dataclasses

import pytest

from veridical.config.families.family import PURPOSES, Family, Preset
from veridical.config.families.table import FAMILIES, find_family
from veridical.config.training import TrainingConfig


@pytest.mark.parametrize("name", FAMILIES)
def test_declarations_are_of_one_family(name: str) -> None:
    declared = find_family(name)
    assert isinstance(declared, Family) and declared.about.endswith(".")
    assert type(declared.smallest) is declared.config
    assert declared.purpose in PURPOSES and declared.good_at and declared.weak_at
    for preset in declared.presets.values():
        assert type(preset.model) is declared.config and preset.purpose in ("", *PURPOSES)


def test_a_preset_has_the_default_training_unless_it_states_another() -> None:
    assert Preset("about", model=None, paper="p", published="n", measured="m").training == TrainingConfig()
    with pytest.raises(dataclasses.FrozenInstanceError):
        Preset("about", model=None, paper="p", published="n", measured="m").about = "else"  # type: ignore[misc]
