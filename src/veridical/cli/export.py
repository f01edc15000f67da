"""`veridical export`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from veridical.cli.options import Mark, Positional
from veridical.cli.parse import parse, say
from veridical.config import checks


@dataclass(frozen=True)
class Export:
    """Write the sampler of a run to one file that works without veridical: with torch (.pt2) or ONNX (.onnx).

    Random numbers and class labels become inputs; the command prints Python code that draws samples from the file.
    """

    run: Positional[Path]
    """Run directory."""

    out: Path | None = None
    """FILE.pt2 (torch.export) or FILE.onnx (needs the packages onnx and onnxscript); sampler.pt2 in the run directory
    if omitted."""

    which: Literal["newest", "best"] = "newest"
    """Checkpoint: the newest, or the best if the run was evaluated during training."""

    n: Annotated[int, Mark(alias="-n")] = 64
    """Samples per call, for samplers that need a fixed number; most samplers accept any number."""

    def __post_init__(self) -> None:
        checks.at_least("n", self.n, 1, checks.MOST_BATCH)


def run(arguments: list[str]) -> None:
    """Export."""
    options = parse(Export, "export", arguments)
    from veridical.run import Run

    run = Run.open(options.run)
    from veridical.workflows.export import export_sampler
    from veridical.workflows.load import load

    out = options.out or run.path / "sampler.pt2"
    manifest = export_sampler(load(run, which=options.which, say=say), out, rows=options.n, say=say)
    say(f"wrote {out} ({out.stat().st_size / 1e6:.1f} MB). It draws {manifest.family} examples {manifest.shape}:")
    say(manifest.usage(out))
