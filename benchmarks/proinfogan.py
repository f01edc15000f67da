"""What the codes of every scale change: `python benchmarks/proinfogan.py RUN [RUN ...] [--figure FILE.png]`.

A sample's image is split into orthogonal bands: the coarsest image, and what every finer stage adds to the mean of
2x2 pixels. The share of a part of the latent in a band is its total effect (Homma & Saltelli, 1996),

    E Var(band | all but the part) / Var(band) = E |band(z) - band(z')|^2 / 2 Var(band),

where z' is z with this part drawn anew (Jansen, 1999). Shares add up to 1 if the parts do not interact; they sum to
more where they do. Beside them the nats that the discriminator reads back per code (a bound; a continuous code has no
ceiling).
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from veridical.families.progressive_gan import ProgressiveGAN
from veridical.nn.progressive import Pyramid
from veridical.workflows.load import load


def parts(model: ProgressiveGAN) -> dict[str, slice]:
    """Return where the noise and every stage's codes stand in the latent."""
    noise, codes = model.generator.noise, model.generator.codes
    scales = {f"codes {s}": slice(noise + s * codes, noise + (s + 1) * codes) for s in range(len(model.pyramid.sizes))}
    return {"noise": slice(0, noise)} | (scales if codes else {})


def bands(x: Tensor, pyramid: Pyramid) -> list[Tensor]:
    """Split images into the coarsest one and the detail of every finer stage; they add up to x."""
    blocks = replace(pyramid, upsampling="nearest")  # means of blocks are a projection, hence the bands orthogonal
    seen = [blocks.enlarge(blocks.reduce(x, stage), stage) for stage in range(blocks.last + 1)]
    return [seen[0], *(fine - coarse for coarse, fine in pairwise(seen))]


@torch.no_grad()
def shares(model: ProgressiveGAN, n: int, seed: int = 0) -> dict[str, list[float]]:
    """Return the total effect of every part of the latent on every band, from coarse to fine."""
    torch.manual_seed(seed)
    z, anew = model.prior(n), model.prior(n)
    x = bands(model.decode(z), model.pyramid)
    variance = [band.var(0).sum() for band in x]
    table: dict[str, list[float]] = {}
    for name, where in parts(model).items():
        other = z.clone()
        other[:, where] = anew[:, where]
        changed = bands(model.decode(other), model.pyramid)
        table[name] = [
            float((a - b).square().flatten(1).sum(1).mean() / 2 / v)
            for a, b, v in zip(x, changed, variance, strict=True)
        ]
    return table


@torch.no_grad()
def information(model: ProgressiveGAN, n: int, seed: int = 1) -> list[float]:
    """Return the nats per code that the discriminator reads back, of every stage."""
    torch.manual_seed(seed)
    z, now = model.prior(n), model.growth()
    return model.information(z, model.generator(z, now), now).tolist()


@torch.no_grad()
def figure(model: ProgressiveGAN, path: Path, seed: int = 0, columns: int = 11) -> None:
    """Vary two codes of every stage from -2.5 to 2.5, one per row, on two samples; last column: where it changed."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    torch.manual_seed(seed)
    noise, codes, samples = model.generator.noise, model.generator.codes, model.prior(2)
    rows = [(stage, k) for stage in range(len(model.pyramid.sizes)) for k in range(min(2, codes))]
    fig, axes = plt.subplots(len(rows), 1, figsize=(12, 0.55 * len(rows)), layout="constrained")
    for axis, (stage, k) in zip(axes, rows, strict=True):
        strips = []
        for z in samples:
            line = z.repeat(columns, 1)
            line[:, noise + stage * codes + k] = torch.linspace(-2.5, 2.5, columns)
            x = model.decode(line)
            strips += [*x, (x[-1] - x[0]).abs() - 1]
        axis.imshow(torch.cat(strips, -1).mean(0), cmap="gray", vmin=-1, vmax=1)
        height, width = model.pyramid.sizes[stage]
        axis.set_ylabel(f"{height}x{width}", rotation=0, ha="right", va="center", fontsize=8)
        axis.set_xticks([])
        axis.set_yticks([])
    fig.savefig(path, dpi=100)


def main() -> None:
    """Print the tables, and draw the figure of the first run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--n", type=int, default=4096)
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    for number, run in enumerate(options.runs):
        model = load(run)
        assert isinstance(model, ProgressiveGAN)
        sizes = [f"{height}x{width}" for height, width in model.pyramid.sizes]
        print(f"{run}: {model.growth()}\n{'':10}" + "".join(f"{name:>9}" for name in sizes))
        for name, row in shares(model, options.n).items():
            print(f"{name:10}" + "".join(f"{value:9.3f}" for value in row))
        if model.generator.codes:
            print(f"{'nats/code':10}" + "".join(f"{value:9.2f}" for value in information(model, options.n)))
        if options.figure and number == 0:
            figure(model, options.figure)


if __name__ == "__main__":
    main()
