"""`veridical train`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from veridical.cli import UsageError
from veridical.cli.parse import is_terminal, parse, say
from veridical.config import DataConfig, RunConfig, TrainingConfig
from veridical.config.files import Origins, origins_of, preset_origins, read
from veridical.config.presets import PRESETS, find_preset

ABOUT = "Train a model. PRESET is one of: " + "; ".join(f"{name} ({p.summary})" for name, p in PRESETS.items())


@dataclass(frozen=True)
class Options:
    """Options of the command itself."""

    preset: tyro.conf.Positional[str] = "gan"
    """Where to start from."""

    config: Path | None = None
    """A YAML file to start from instead of a preset."""

    out: Path | None = None
    """Run directory, which must not exist; runs/NNNN-family-data if left out."""

    start: Annotated[Path | None, tyro.conf.arg(name="from")] = None
    """Another run, whose weights this one starts from (fine-tuning); same family and sizes."""

    dry_run: bool = False
    """Do a few steps, write nothing, and say how long the whole would take."""


def run(arguments: list[str]) -> None:
    """Start a training."""
    base, origins = starting_point(arguments)
    options, config = parse_options(arguments, base)
    if not config.data.source:
        raise UsageError("which data? Add --data NAME, FOLDER or FILE; names: veridical data list")
    from veridical.workflows.progress import LiveProgress, quiet_unless_first
    from veridical.workflows.start import train

    progress = None
    if is_terminal() and quiet_unless_first(say) is say:
        from rich.console import Console

        progress = LiveProgress(Console(), config.training.batch_size)
    done = train(
        config,
        out=options.out,
        origins=origins_of(config, base, origins, "command line"),
        say=say,
        progress=progress,
        start=options.start,
        dry_run=options.dry_run,
    )
    if not options.dry_run:
        quiet_unless_first(say)(
            f"Next:\n  veridical evaluate {done.path}\n  veridical sample {done.path} -n 64\n"
            f"  veridical report {done.path}"
        )


def starting_point(arguments: list[str]) -> tuple[RunConfig, Origins]:
    """Read the preset or the file that the other options change."""
    preset = arguments[0] if arguments and not arguments[0].startswith("-") else None
    file = _value_of("--config", arguments)
    if preset is not None and file is not None:
        raise UsageError(
            f"both a preset ({preset}) and --config {file}; write `preset: {preset}` into the file instead."
        )
    if file is not None:
        return read(file)
    try:
        return find_preset(preset or "gan"), preset_origins(preset or "gan")
    except ValueError as error:
        raise UsageError(str(error)) from error


def parse_options(arguments: list[str], base: RunConfig) -> tuple[Options, RunConfig]:
    """Let the command line change the starting point."""
    flat: Any = tyro.conf.arg(name="")
    fields: list[Any] = [
        ("command", Annotated[Options, flat]),
        ("model", Annotated[type(base.model), flat]),
        ("data", Annotated[DataConfig, flat]),
        ("training", Annotated[TrainingConfig, flat]),
    ]
    kind = dataclasses.make_dataclass("Train", fields, frozen=True)
    kind.__doc__ = ABOUT
    got: Any = parse(kind, "train", arguments, kind(Options(), base.model, base.data, base.training))
    return got.command, RunConfig(got.model, got.data, got.training)


def _value_of(option: str, arguments: list[str]) -> str | None:
    for i, argument in enumerate(arguments):
        if argument == option and i + 1 < len(arguments):
            return arguments[i + 1]
        if argument.startswith(f"{option}="):
            return argument.partition("=")[2]
    return None
