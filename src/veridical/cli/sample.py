"""`veridical sample`: the options are those of the run's family, so the run is found before they are parsed."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, make_dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from veridical.cli import UsageError
from veridical.cli.parse import parse, say
from veridical.config.sampling import SamplingOptions
from veridical.nearest import did_you_mean


@dataclass(frozen=True)
class Sample:
    """Draw samples from a trained model. Sample i of a seed is the same, however many are drawn and on every device.

    `veridical sample RUN --help` shows the options of the run's family too.
    """

    run: tyro.conf.Positional[Path]
    """Run directory."""

    n: Annotated[int, tyro.conf.arg(aliases=("-n",))] = 64
    """How many."""

    out: Path | None = None
    """FILE.png (one grid), FILE.npz (an array x in data space) or a folder (one PNG each); in the run if left out."""

    seed: int = 0
    """Seed of the samples."""

    first: int = 0
    """Index of the first sample; --first 64 goes on after the first 64."""

    device: str = "auto"
    """auto, cpu, cuda, cuda:N or mps."""

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ValueError(f"n is {self.n}; expected at least 1.")
        if self.first < 0:
            raise ValueError(f"first is {self.first}; expected at least 0.")


@dataclass(frozen=True)
class Labelled:
    """Options of models that learned labels."""

    label: str | None = None
    """Class to draw: its number, or its name where the data have names; all classes if left out."""


def run(arguments: list[str]) -> None:
    """Draw and save."""
    kind = family_options(run_in(arguments))
    asks_help = [a for a in arguments if a in ("-h", "--help")]
    refuse_unknown(arguments, kind)
    options: Any = parse(with_options(kind), "sample", asks_help or arguments)
    from veridical.run import Run

    Run.open(options.run)
    from veridical.sampling import draw_blocks
    from veridical.training.engine import choose_device
    from veridical.workflows import sample
    from veridical.workflows.load import load

    out = options.out or sample.default_output(options.run, options.n, options.seed)
    sample.require_free(out)
    device, why = choose_device(options.device)
    model = load(options.run, say=say).to(device)
    say(f"device {device} ({why}), seed {options.seed}")
    blocks = draw_blocks(
        model,
        options.n,
        seed=options.seed,
        label=sample.label_of(model.space, options.labelled.label) if kind.labels else None,
        options=options.options,
        first=options.first,
        classifier=sample.classifier_for(model, options.options),
    )
    say(f"wrote {sample.save(blocks, options.n, model, out, say)}")


def run_in(arguments: list[str]) -> Path | None:
    """Return the run directory that the arguments name: the first word that is no option and no option's value."""
    before = ""
    for argument in arguments:
        if not argument.startswith("-") and (not before.startswith("-") or "=" in before or before in ("-h", "--help")):
            return Path(argument)
        before = argument
    return None


def family_options(run: Path | None) -> type[SamplingOptions]:
    """Return the sampling options of a run's family; without a run, none."""
    if run is None:
        return SamplingOptions
    from veridical.config.families.table import FAMILIES, find_family
    from veridical.config.files import read
    from veridical.run import Run

    family = read(Run.open(run).config_file)[0].family
    return find_family(family).sampling if family in FAMILIES else SamplingOptions


def refuse_unknown(arguments: list[str], kind: type[SamplingOptions]) -> None:
    """Refuse options that neither the command nor the family has.

    Raises:
        UsageError: with the nearest that there is, or all.
    """
    parts = [Sample, kind, *([Labelled] if kind.labels else [])]
    names = ["--" + f.name.replace("_", "-") for part in parts for f in fields(part) if f.name != "run"]
    for argument in arguments:
        name = argument.split("=")[0].replace("_", "-")
        if name.startswith("--") and name not in (*names, "--help"):
            raise UsageError(f"this run is not sampled with {name}. {did_you_mean(name, names)}")


def with_options(kind: type[SamplingOptions]) -> type[Sample]:
    """Return the command's options together with those of a family."""
    more: list[tuple[str, Any, Any]] = [("options", Annotated[kind, tyro.conf.arg(name="")], field(default=kind()))]
    if kind.labels:
        more.append(("labelled", Annotated[Labelled, tyro.conf.arg(name="")], field(default=Labelled())))
    made = make_dataclass("Sample", more, bases=(Sample,), frozen=True)
    made.__doc__ = Sample.__doc__
    return made
