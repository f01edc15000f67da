"""`veridical experiment`."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path

from veridical.cli import UsageError
from veridical.cli.options import Positional
from veridical.cli.parse import parse, say


@dataclass(frozen=True)
class Options:
    """Run an experiment, which leaves figures, numbers and a verdict in a folder; without a name, list them."""

    name: Positional[str | None] = None
    """Which."""

    out: Path | None = None
    """Folder, which must not exist; experiments/NAME-DATE if left out."""

    seed: int = 0
    """Seed of all random numbers."""

    quick: bool = False
    """A small version in seconds, to see that it works; its numbers are no results."""


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
