"""`veridical config`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from veridical.cli import UsageError
from veridical.cli.options import Positional
from veridical.cli.parse import parse, run_verb, say
from veridical.cli.train import preset_lines
from veridical.config.files import ConfigError, preset_origins, read, to_yaml
from veridical.config.presets import PRESETS, Preset, find_preset


@dataclass(frozen=True)
class Show:
    """Print the complete configuration of a preset, a file or a run, with the origin of every value."""

    what: Positional[str] = "gan"
    """Preset, YAML file or run directory."""


@dataclass(frozen=True)
class Validate:
    """Check YAML files; every problem is listed with its file and line."""

    files: Positional[tuple[Path, ...]]
    """Configuration files."""


USAGE = """usage: veridical config show [PRESET|FAMILY|FILE|RUN]
       veridical config validate FILE...
"""


def run(arguments: list[str]) -> int:
    """Show or validate."""
    usage = "\n".join([USAGE, *preset_lines()])
    return run_verb("config", {"show": show, "validate": validate}, usage, arguments)


def show(arguments: list[str]) -> int:
    """Print one configuration."""
    what = parse(Show, "config show", arguments).what
    path = Path(what) / "config.yaml" if Path(what).is_dir() else Path(what)
    if path.suffix in (".yaml", ".yml") and path.is_file():
        config, origins = read(path)
    else:
        try:
            config, origins = find_preset(what), preset_origins(what)
        except ValueError as error:
            raise UsageError(str(error)) from error
    for line in about(PRESETS[what]) if what in PRESETS else []:
        print(f"# {line}")
    print(to_yaml(config, origins), end="")
    return 0


def about(preset: Preset) -> list[str]:
    """Return a preset's summary, paper, what differs from it, and results, one per line."""
    names = {"paper": "paper", "deviates": "differs from it", "published": "published", "measured": "measured"}
    known = {words: getattr(preset, name) for name, words in names.items()}
    return [preset.summary, *(f"{words}: {text}" for words, text in known.items() if text)]


def validate(arguments: list[str]) -> int:
    """Check files; return 0 if all are valid."""
    wrong = 0
    for file in parse(Validate, "config validate", arguments).files:
        try:
            config, _ = read(file)
            say(f"{file}: ok, {config.family}")
        except ConfigError as error:
            wrong += 1
            say(str(error))
    return 2 if wrong else 0
