"""`veridical config`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from veridical.cli import UsageError
from veridical.cli.parse import parse, say
from veridical.config.files import ConfigError, preset_origins, read, to_yaml
from veridical.config.presets import PRESETS, Preset, find_preset


@dataclass(frozen=True)
class Show:
    """Print a complete configuration with the origin of every value: of a preset, a file or a run."""

    what: tyro.conf.Positional[str] = "gan"
    """Preset, YAML file or run directory."""


@dataclass(frozen=True)
class Validate:
    """Check YAML files; every problem is listed with its file and line."""

    files: tyro.conf.Positional[tuple[Path, ...]]
    """Configuration files."""


def run(arguments: list[str]) -> int:
    """Show or validate."""
    if not arguments or arguments[0] not in ("show", "validate"):
        if arguments and arguments[0] not in ("-h", "--help"):
            raise UsageError(f"expected `config show WHAT` or `config validate FILE...`, got {arguments[0]!r}.")
        say("usage: veridical config show [PRESET|FILE|RUN]\n       veridical config validate FILE...\n")
        say("presets:\n" + "\n".join(f"  {name:<18} {preset.summary}" for name, preset in PRESETS.items()))
        return 0
    return show(arguments[1:]) if arguments[0] == "show" else validate(arguments[1:])


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
    """Return what is known of a preset, a line each."""
    known = {"paper": preset.paper, "published": preset.published, "measured": preset.measured}
    return [preset.summary, *(f"{name}: {text}" for name, text in known.items() if text)]


def validate(arguments: list[str]) -> int:
    """Check files; 0 if all are fine."""
    wrong = 0
    for file in parse(Validate, "config validate", arguments).files:
        try:
            config, _ = read(file)
            say(f"{file}: ok, {config.family}")
        except ConfigError as error:
            wrong += 1
            say(str(error))
    return 1 if wrong else 0
