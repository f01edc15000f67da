"""What is said of the presets."""

import importlib.util
from pathlib import Path

from veridical.config.presets import PRESETS

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
