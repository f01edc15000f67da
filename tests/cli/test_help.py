"""The help: a name beside its explanation or above it, options under the headings of their sections."""

import textwrap
from dataclasses import dataclass

from veridical.cli.help import COLUMN, entry, help_text
from veridical.cli.options import Positional, Section, vocabulary


@dataclass(frozen=True)
class Kiln:
    """A kiln."""

    pot: Positional[str]
    """What is fired."""

    heat: int = 900
    """Degrees."""

    slow: bool = False
    """Take a day."""


def test_a_short_name_stands_beside_its_explanation_and_a_long_one_above() -> None:
    assert entry("--heat N", "Degrees.", 60, 14) == ["  --heat N    Degrees."]
    assert entry("--temperature N", "Degrees.", 60, 14) == ["  --temperature N", "              Degrees."]
    text = "word " * 40
    lines = entry("-x", text, 60, 14)
    assert max(map(len, lines)) <= 60 and [line[14:] for line in lines] == textwrap.wrap(text, 46)


def test_a_command_shows_its_usage_and_every_option_with_its_default() -> None:
    options = vocabulary([Section("kiln", Kiln)])
    shown = help_text("fire", options, "Fire a pot.\n\nSlowly.", ["note"]).splitlines()
    assert shown[0] == "usage: veridical fire POT [options]"
    assert shown[2:7] == ["Fire a pot.", "", "Slowly.", "", "note"]
    assert "kiln:" in shown
    (heat,) = [line for line in shown if line.lstrip().startswith("--heat")]
    assert heat[COLUMN:] == "Degrees. (default: 900)"
    (slow,) = [line for line in shown if line.lstrip().startswith("--slow")]
    assert "--no-slow" not in slow and "(default: off)" in slow
