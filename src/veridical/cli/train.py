"""`veridical train`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from veridical.cli import UsageError
from veridical.cli.help import entry, line_width
from veridical.cli.options import Positional, Section, vocabulary
from veridical.cli.parse import asks_for_help, is_option, is_terminal, name_of, parse_sections, say, split_before
from veridical.config import DataConfig, OwnModel, RunConfig, TrainingConfig, checks
from veridical.config.families.table import FAMILIES, find_family
from veridical.config.files import Origins, origins_of, preset_origins, read
from veridical.config.presets import by_purpose, find_preset

ABOUT = """Train a model, and leave a run directory. The starting point is a preset, a family with its defaults, or a
file; every other option changes one value of it."""


@dataclass(frozen=True)
class Options:
    """Options of the command itself."""

    preset: Positional[str] = "gan"
    """Where to start: a preset or a family (listed above)."""

    config: Path | None = None
    """A YAML file to start from instead of a preset."""

    out: Path | None = None
    """Run directory, which must not exist; runs/NNNN-family-data if left out."""

    start: Path | None = field(default=None, metadata={"flag": "from"})
    """Another run, whose weights this one starts from (fine-tuning); same family and sizes."""

    lr: float | None = None
    """Step size of every player's optimiser, in place of the preset's."""

    epochs: float | None = None
    """Passes over the data, in place of --steps."""

    dry_run: bool = False
    """Do a few steps, write nothing, and say how long the whole would take."""

    def __post_init__(self) -> None:
        checks.positive("lr", self.lr)
        checks.positive("epochs", self.epochs)


def run(arguments: list[str]) -> None:
    """Train."""
    base, origins = starting_point(arguments)
    options, config = parse_options(arguments, base)
    if not config.data.source:
        raise UsageError("which data? Add --data NAME, FOLDER or FILE; names: veridical data list")
    if options.epochs is not None and any(name_of(word) in ("--steps", "--training.steps") for word in arguments):
        raise UsageError(f"both --steps {config.training.steps} and --epochs {options.epochs:g} are given; choose one.")
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
        epochs=options.epochs,
    )
    if not options.dry_run:
        quiet_unless_first(say)(
            f"Next:\n  veridical evaluate {done.path}\n  veridical sample {done.path} -n 64\n"
            f"  veridical report {done.path}"
        )


def starting_point(arguments: list[str]) -> tuple[RunConfig, Origins]:
    """Read the preset or the file that the other options change, wherever on the line it stands.

    Raises:
        UsageError: there is no such preset, or both are given.
    """
    presets, file = locate(arguments)
    if presets and file is not None:
        raise UsageError(
            f"both a preset ({presets[0]}) and --config {file}; write `preset: {presets[0]}` into the file instead."
        )
    if file is not None:
        config, origins = read(file)
        if isinstance(config.model, OwnModel):
            raise UsageError(
                f"{file} is of {config.family}, a model that is in no table of families; train it from Python: "
                "veridical.train(config, model=model)."
            )
        return config, origins
    name = presets[0] if presets else "gan"
    try:
        return find_preset(name), preset_origins(name)
    except ValueError as error:
        raise UsageError(str(error)) from error


def locate(arguments: list[str]) -> tuple[list[str], str | None]:
    """Return the words that are no option's, and the file after --config, before the family is known."""
    families = [Section(name, find_family(name).config, prefix="model") for name in FAMILIES]
    shared = shared_sections(RunConfig())
    found, places = split_before([[*shared, family] for family in families], arguments, "train")
    files = [words for option, words in found if option.path == ("config",) and isinstance(words, list)]
    return places, files[-1][0] if files else None


def shared_sections(base: RunConfig) -> list[Section]:
    """Return the sections that every family has; their names come before a family's own."""
    return [
        Section("options", Options, Options()),
        Section("data", DataConfig, base.data, "data"),
        Section("training", TrainingConfig, base.training, "training"),
    ]


def parse_options(arguments: list[str], base: RunConfig) -> tuple[Options, RunConfig]:
    """Let the command line change the starting point.

    Raises:
        UsageError: an option, a value or their number is wrong.
    """
    model = Section(f"model ({base.family}; also written --model.NAME)", type(base.model), base.model, "model")
    sections = [*shared_sections(base), model]
    if not asks_for_help(arguments):
        refuse_others(arguments, sections, base.family)
    options, data, training, chosen = parse_sections(sections, "train", arguments, about=ABOUT, notes=preset_lines())
    if options.lr is not None:
        chosen = with_lr(chosen, options.lr, given=dict(step_sizes(base.model)))
    return options, RunConfig(chosen, data, training)


def refuse_others(arguments: list[str], sections: list[Section], family: str) -> None:
    """Refuse options that other families have, and say which.

    Raises:
        UsageError: there is one.
    """
    known = {flag for option in vocabulary(sections) for flag in (*option.flags, *option.negations)}
    for word in (name_of(word) for word in arguments if is_option(word)):
        if word in known:
            continue
        having = [name for name in FAMILIES if word in flags_of(name)]
        if having:
            raise UsageError(
                f"{family} has no {word}, which is an option of {', '.join(having)}. "
                f"See: veridical train {family} --help"
            )


def flags_of(family: str) -> set[str]:
    """Return the options of a family's model."""
    options = vocabulary([Section(family, find_family(family).config, prefix="model")])
    return {flag for option in options for flag in (*option.flags, *option.negations)}


def with_lr(config: Any, lr: float, given: dict[str, float]) -> Any:
    """Return a model's configuration with one step size for every optimiser in it.

    Raises:
        UsageError: there is none, or one of them has a step size of its own on the command line.
    """
    now = dict(step_sizes(config))
    if not now:
        raise UsageError(f"--lr is {lr:g}, but {type(config).__name__} has no step size.")
    if now != given:
        changed = next(name for name in now if now[name] != given[name])
        raise UsageError(f"both --lr and --{changed.replace('_', '-')} are given; choose one.")
    return _set_lr(config, lr)


def step_sizes(config: Any, prefix: str = "") -> Iterator[tuple[str, float]]:
    """Yield the dotted name and the value of every step size in a configuration."""
    for part in fields(config):
        value = getattr(config, part.name)
        if is_dataclass(value):
            yield from step_sizes(value, f"{prefix}{part.name}.")
        elif part.name == "lr":
            yield f"{prefix}lr", value


def _set_lr(config: Any, lr: float) -> Any:
    changes: dict[str, Any] = {}
    for part in fields(config):
        value = getattr(config, part.name)
        if is_dataclass(value):
            changes[part.name] = _set_lr(value, lr)
        elif part.name == "lr":
            changes["lr"] = lr
    return replace(config, **changes)


def preset_lines() -> list[str]:
    """Return the presets under what they are for, and the families."""
    lines = ["presets (`veridical train PRESET --help` shows the options of its model):"]
    for purpose, presets in by_purpose().items():
        lines += [f"  {purpose}:"]
        lines += [line for name, p in presets.items() for line in entry(f"  {name}", p.summary, line_width(), 24)]
    lines += ["", "families (with their defaults):"]
    return lines + [line for name in FAMILIES for line in entry(f"  {name}", find_family(name).about, line_width(), 24)]
