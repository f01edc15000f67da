"""`veridical latent-dim`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from veridical.cli.options import Mark, Positional, Section
from veridical.cli.parse import parse_sections, say
from veridical.config import checks
from veridical.config.reading import Reading


@dataclass(frozen=True)
class LatentDim:
    """Find the smallest dimension of codes from which a decoder restores images to a stated accuracy.

    One decoder with a learned code for each image is trained for every dimension that is tried. The number of
    principal components for the same accuracy and the intrinsic dimension of the images are stated with the answer.
    """

    source: Positional[str]
    """Data set, folder or file; its training part."""

    psnr: float = 35.0
    """Peak signal-to-noise ratio in dB from which an image counts as restored."""

    share: float = 1.0
    """Share of the images that must be restored."""

    n: Annotated[int, Mark(alias="-n")] = 100
    """Number of images, chosen at random by the seed."""

    steps: int = 2_000
    """Steps of every training."""

    batch_size: int = 50
    """Images per step."""

    most: int = 128
    """Largest dimension that is tried."""

    network: Literal["auto", "mlp", "conv"] = "mlp"
    """Decoder: a perceptron, which is the fastest on small images, or convolutions."""

    width: int = 512
    """Units of the perceptron's layers, or channels of the finest convolution."""

    depth: int = 2
    """Hidden layers of the perceptron."""

    seed: int = 0
    """Seed of the choice of images, the weights and the order."""

    device: str = "auto"
    """auto, cpu, cuda, cuda:N or mps."""

    out: Path | None = None
    """New folder for latent-dim.json, latent-dim.png and restored.png; latent-dim/DATA-nN if omitted."""

    def __post_init__(self) -> None:
        checks.positive("psnr", self.psnr)
        if not 0 < self.share <= 1:
            raise ValueError(f"share is {self.share}; expected a number above 0 and at most 1.")
        checks.at_least("n", self.n, 2, checks.MOST_SAMPLES)
        checks.at_least("batch_size", self.batch_size, 1, checks.MOST_BATCH)
        checks.at_least("steps", self.steps, 1)
        for name in ("most", "width"):
            checks.at_least(name, getattr(self, name), 1, checks.MOST_UNITS)
        checks.at_least("depth", self.depth, 0, checks.MOST_LAYERS)
        checks.seed("seed", self.seed)


SECTIONS = (Section("options", LatentDim), Section("reading of the data", Reading, Reading()))


def run(arguments: list[str]) -> int:
    """Search and print; return 1 if no dimension suffices."""
    options, reading = parse_sections(SECTIONS, "latent-dim", arguments, about=LatentDim.__doc__ or "")
    from veridical.config import DataConfig
    from veridical.config.families.glo import GLOConfig
    from veridical.data.sources import load
    from veridical.training.engine import choose_device
    from veridical.workflows.latent_dim import Goal, default_output, find_latent_dim, summary

    data = load(reading.apply(DataConfig(source=options.source)), "train")
    out = options.out or default_output(data.name, min(options.n, len(data)))
    device, why = choose_device(options.device)
    say(f"device {device} ({why}), seed {options.seed}")
    found = find_latent_dim(
        data,
        Goal(options.psnr, options.share),
        config=GLOConfig(network=options.network, width=options.width, depth=options.depth),
        n=options.n,
        steps=options.steps,
        batch_size=options.batch_size,
        most=options.most,
        seed=options.seed,
        device=device,
        out=out,
        say=say,
    )
    for sentence in summary(found):
        say(sentence)
    say(f"wrote {out}")
    return 0 if found.dim is not None else 1
