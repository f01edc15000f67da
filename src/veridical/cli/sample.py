"""`veridical sample`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from veridical.cli.parse import parse, say


@dataclass(frozen=True)
class Sample:
    """Draw pictures from a trained model. The same seed gives the same pixels, however many are drawn."""

    run: tyro.conf.Positional[Path]
    """Run directory."""

    n: Annotated[int, tyro.conf.arg(aliases=("-n",))] = 64
    """How many."""

    out: Path | None = None
    """FILE.png (one grid), FILE.npz (an array x in data space) or a folder (one PNG each); in the run if left out."""

    seed: int = 0
    """Seed of the samples."""

    label: int | None = None
    """Class to draw, for models that learned labels."""

    truncation: float | None = None
    """Draw latent components beyond this many standard deviations again: safer, less varied pictures."""

    refine: Literal["kl", "js", "logd"] | None = None
    """Let samples flow along the model's own discriminator, down this divergence, for models that have one."""

    refine_in: Literal["auto", "data", "latent"] = "auto"
    """Where they flow; auto: vectors in data space, pictures in latent space."""

    refine_steps: int = 25
    """Steps of the flow."""

    condition: str | None = None
    """Draw codes under a condition: the number of a class of Fashion-MNIST, for models of grey 28x28 pictures, or
    "data": of looking like the data to the model's own discriminator."""

    condition_steps: int = 200
    """Length of the chains that draw the codes."""

    device: str = "auto"
    """auto, cpu, cuda, cuda:N or mps."""

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ValueError(f"n is {self.n}; expected at least 1.")


def run(arguments: list[str]) -> None:
    """Draw and save."""
    options = parse(Sample, "sample", arguments)
    from veridical.run import Run

    Run.open(options.run)
    from veridical.training.engine import choose_device
    from veridical.workflows import sample
    from veridical.workflows.guide import Guidance
    from veridical.workflows.load import load

    guidance = Guidance(
        options.refine, options.refine_in, options.refine_steps, options.condition, options.condition_steps
    )
    out = options.out or sample.default_output(options.run, options.n, options.seed)
    sample.require_free(out)
    device, why = choose_device(options.device)
    model = load(options.run, say=say).to(device)
    say(f"device {device} ({why}), seed {options.seed}")
    blocks = sample.draw_blocks(
        model,
        options.n,
        seed=options.seed,
        label=options.label,
        truncation=options.truncation,
        guidance=guidance,
    )
    say(f"wrote {sample.save(blocks, options.n, model, out, say)}")
