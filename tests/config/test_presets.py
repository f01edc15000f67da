"""What is said of the presets."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from veridical.config.families.table import FAMILIES, find_family, name_of
from veridical.config.presets import PRESETS, by_purpose, find_preset

ROOT = Path(__file__).parents[2]


def hooks() -> Any:
    spec = importlib.util.spec_from_file_location("hooks", ROOT / "docs" / "hooks.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_pages_list_every_preset_and_every_family() -> None:
    pytest.importorskip("mkdocs", reason="the documentation is built with the locked versions only")
    presets = hooks().on_page_markdown((ROOT / "docs" / "presets.md").read_text())
    assert all(f"| `{name}` | {preset.summary} |" in presets for name, preset in PRESETS.items())
    families = hooks().on_page_markdown((ROOT / "docs" / "index.md").read_text())
    assert all(find_family(name).about in families for name in FAMILIES)


def test_every_preset_says_in_a_sentence_what_it_is_for() -> None:
    for preset in PRESETS.values():
        assert preset.summary.endswith(".") and "\n" not in preset.summary


def test_every_preset_of_a_game_names_its_paper_its_number_and_ours() -> None:
    for name, preset in PRESETS.items():
        family = name_of(preset.model)
        assert family is not None
        if find_family(family).purpose != "likelihood":
            assert all((preset.paper, preset.published, preset.measured)), name


def test_every_preset_is_in_one_group_and_no_name_is_given_twice() -> None:
    grouped = [name for presets in by_purpose().values() for name in presets]
    assert sorted(grouped) == sorted(PRESETS)
    assert len(PRESETS) == sum(len(find_family(family).presets) for family in FAMILIES)


def test_a_preset_that_is_not_there_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"no preset 'VAE'\. Did you mean vae\?"):
        find_preset("VAE")
