"""`veridical resume`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from veridical.cli.options import Positional
from veridical.cli.parse import is_terminal, parse, say


@dataclass(frozen=True)
class Resume:
    """Continue a run from its newest undamaged checkpoint.

    Without options, the result equals that of a run that never stopped.
    """

    run: Positional[Path]
    """Run directory."""

    steps: int | None = None
    """Train to this step instead of the last step in the configuration."""

    lr_scale: float | None = None
    """Multiply the step size of every player by this from here on."""

    clip_norm: float | None = None
    """Largest norm of a player's gradient from here on."""

    precision: Literal["fp32", "bf16"] | None = None
    """Arithmetic of the networks from here on."""

    source: str | None = field(default=None, metadata={"flag": "data"})
    """New path of the data, if they have moved."""

    device: str | None = None
    """Device for the remaining steps: auto, cpu, cuda, cuda:N or mps."""

    processes: int | None = None
    """Number of processes on this machine from here on; they share the same batches."""


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
    resume(
        options.run,
        steps=options.steps,
        lr_scale=options.lr_scale,
        clip_norm=options.clip_norm,
        precision=options.precision,
        device=options.device,
        processes=options.processes,
        data=options.source,
        say=say,
        progress=progress,
    )
