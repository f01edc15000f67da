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

ABOUT = """Train a model and write a run directory. The configuration starts from a preset, from the defaults of a
family, or from a file; every other option changes one value."""


@dataclass(frozen=True)
class Options:
    """Options of the command itself."""

    preset: Positional[str] = "gan"
    """Preset or family to start from (listed above)."""

    config: Path | None = None
    """A YAML file to start from instead of a preset."""

    out: Path | None = None
    """New run directory; runs/NNNN-family-data if omitted."""

    start: Path | None = field(default=None, metadata={"flag": "from"})
    """Run whose weights are the starting point (fine-tuning); it must have the same family and sizes."""

    lr: float | None = None
    """Learning rate of every optimiser, instead of that of the preset."""

    epochs: float | None = None
    """Passes over the data, instead of --steps."""

    dry_run: bool = False
    """Run a few steps, write nothing, and print an estimate of the total time."""

    def __post_init__(self) -> None:
        checks.positive("lr", self.lr)
        checks.positive("epochs", self.epochs)


def run(arguments: list[str]) -> None:
    """Train."""
    base, origins = starting_point(arguments)
    options, config = parse_options(arguments, base)
    if not config.data.source:
        raise UsageError("no data are given. Add --data NAME, FOLDER or FILE; to list the names: veridical data list")
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
    """Read the preset or the file that the other options change.

    Raises:
        UsageError: there is no such preset, or both a preset and a file are given.
    """
    presets, file = locate(arguments)
    if presets and file is not None:
        raise UsageError(
            f"both a preset ({presets[0]}) and --config {file} are given; write `preset: {presets[0]}` into the file "
            "instead."
        )
    if file is not None:
        config, origins = read(file)
        if isinstance(config.model, OwnModel):
            raise UsageError(
                f"{file} configures {config.family}, your own model, which is not in the table of families. Train it "
                "from Python: veridical.train(config, model=model)."
            )
        return config, origins
    name = presets[0] if presets else "gan"
    try:
        return find_preset(name), preset_origins(name)
    except ValueError as error:
        raise UsageError(str(error)) from error


def locate(arguments: list[str]) -> tuple[list[str], str | None]:
    """Return the positional words and the file after --config; the family need not be known yet."""
    families = [Section(name, find_family(name).config, prefix="model") for name in FAMILIES]
    shared = shared_sections(RunConfig())
    found, places = split_before([[*shared, family] for family in families], arguments, "train")
    files = [words for option, words in found if option.path == ("config",) and isinstance(words, list)]
    return places, files[-1][0] if files else None


def shared_sections(base: RunConfig) -> list[Section]:
    """Return the sections that every family has; their short names take precedence over those of a family."""
    return [
        Section("options", Options, Options()),
        Section("data", DataConfig, base.data, "data"),
        Section("training", TrainingConfig, base.training, "training"),
    ]


def parse_options(arguments: list[str], base: RunConfig) -> tuple[Options, RunConfig]:
    """Apply the command line to the starting configuration.

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
    """Check that no option of another family is given.

    Raises:
        UsageError: an option belongs to another family.
    """
    known = {flag for option in vocabulary(sections) for flag in (*option.flags, *option.negations)}
    for word in (name_of(word) for word in arguments if is_option(word)):
        if word in known:
            continue
        having = [name for name in FAMILIES if word in flags_of(name)]
        if having:
            raise UsageError(
                f"{family} has no option {word}; it is an option of {', '.join(having)}. "
                f"See: veridical train {family} --help"
            )


def flags_of(family: str) -> set[str]:
    """Return the options of a family's model."""
    options = vocabulary([Section(family, find_family(family).config, prefix="model")])
    return {flag for option in options for flag in (*option.flags, *option.negations)}


def with_lr(config: Any, lr: float, given: dict[str, float]) -> Any:
    """Return a model's configuration with the same learning rate for all of its optimisers.

    Raises:
        UsageError: there is no optimiser, or the command line also sets the learning rate of one of them.
    """
    now = dict(step_sizes(config))
    if not now:
        raise UsageError(f"--lr is {lr:g}, but {type(config).__name__} has no learning rate.")
    if now != given:
        changed = next(name for name in now if now[name] != given[name])
        raise UsageError(f"both --lr and --{changed.replace('_', '-')} are given; choose one.")
    return _set_lr(config, lr)


def step_sizes(config: Any, prefix: str = "") -> Iterator[tuple[str, float]]:
    """Yield the dotted name and the value of every learning rate in a configuration."""
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
    """Return help lines: the presets by purpose, then the families."""
    lines = ["presets (`veridical train PRESET --help` shows the options of its model):"]
    for purpose, presets in by_purpose().items():
        lines += [f"  {purpose}:"]
        lines += [line for name, p in presets.items() for line in entry(f"  {name}", p.summary, line_width(), 24)]
    lines += ["", "families (with their defaults):"]
    return lines + [line for name in FAMILIES for line in entry(f"  {name}", find_family(name).about, line_width(), 24)]
