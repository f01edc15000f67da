"""`veridical experiment`."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path

from veridical.cli import UsageError
from veridical.cli.options import Positional
from veridical.cli.parse import parse, say
from veridical.config import checks


@dataclass(frozen=True)
class Options:
    """Run an experiment and write its figures, numbers and verdict to a folder; without a name, list all."""

    name: Positional[str | None] = None
    """Name of the experiment."""

    out: Path | None = None
    """New folder; experiments/NAME-DATE if omitted."""

    seed: int = 0
    """Seed of all random numbers."""

    quick: bool = False
    """Run a small version of a few seconds as a test; its numbers are not results."""

    def __post_init__(self) -> None:
        checks.seed("seed", self.seed)


def run(arguments: list[str]) -> None:
    """List experiments, or run one."""
    options = parse(Options, "experiment", arguments)
    from veridical.experiments import NAMES, find, perform

    if options.name is None:
        for name in NAMES:
            found = find(name)
            say(f"{name}  (about {found.minutes:g} minute{'s' * (found.minutes != 1)} on two cores)")
            say(textwrap.fill(found.question, 100, initial_indent="    ", subsequent_indent="    "))
        say(f"\nRun one: veridical experiment {NAMES[0]}")
        return
    try:
        experiment = find(options.name)
    except ValueError as error:
        raise UsageError(str(error)) from error
    say(f"{experiment.question}\nExpected on two cores: {experiment.minutes:g} min; {experiment.expected}.")
    say(f"wrote {perform(experiment, options.out, options.seed, quick=options.quick, say=say)}")
