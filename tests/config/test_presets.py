"""What is said of the presets."""

import importlib.util
from dataclasses import fields
from pathlib import Path

import pytest

from veridical.config import DataConfig, TrainingConfig
from veridical.config.presets import PRESETS
from veridical.config.run import FAMILY_CONFIGS

ROOT = Path(__file__).parents[2]


def test_the_page_of_presets_is_the_table_of_presets() -> None:
    spec = importlib.util.spec_from_file_location("list_presets", ROOT / "scripts" / "list_presets.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (ROOT / "docs" / "presets.md").read_text() == module.page()


def test_every_preset_says_in_a_sentence_what_it_is_for() -> None:
    for preset in PRESETS.values():
        assert preset.summary.endswith(".") and "\n" not in preset.summary


def test_every_preset_of_a_game_names_its_paper_its_number_and_ours() -> None:
    for name, preset in PRESETS.items():
        if preset.config.family != "vae":
            assert all((preset.paper, preset.published, preset.measured)), name


@pytest.mark.parametrize("name", FAMILY_CONFIGS)
def test_no_choice_of_a_family_has_the_name_of_one_of_the_data_or_the_training(name: str) -> None:
    own = {field.name for field in fields(FAMILY_CONFIGS[name])}
    others = {field.name for config in (DataConfig, TrainingConfig) for field in fields(config)}
    assert not own & others  # they share the flags of one command line
