"""`veridical resume`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from veridical.cli.parse import is_terminal, parse, say


@dataclass(frozen=True)
class Resume:
    """Continue a run from its newest undamaged checkpoint, as if it had never stopped."""

    run: tyro.conf.Positional[Path]
    """Run directory."""

    steps: int | None = None
    """Train to this step instead of the run's own last one."""


def run(arguments: list[str]) -> None:
    """Continue a run."""
    options = parse(Resume, "resume", arguments)
    from veridical.run import Run

    Run.open(options.run)
    from veridical.config.files import read
    from veridical.workflows.progress import LiveProgress, quiet_unless_first
    from veridical.workflows.resume import resume

    progress = None
    if is_terminal() and quiet_unless_first(say) is say:
        from rich.console import Console

        progress = LiveProgress(Console(), read(Run(options.run).config_file)[0].training.batch_size)
    resume(options.run, steps=options.steps, say=say, progress=progress)
