"""Nats of missing pixels, and pictures of completions, by a model of all orders on held-out digits.

    python benchmarks/completions.py --figure docs/assets/completions.png

A MADE with `order="any"` is trained on the shipped digits; for three shapes of the missing part the script prints the
nats per missing pixel of the true pixels given the known ones, and those of the same pixels given nothing (under the
same model). The figure shows held-out images, their known part (the rest grey), and six completions of each.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import torch
from torch import Tensor

from veridical.config import DataConfig, MADEConfig, OptimizerConfig
from veridical.data.loader import Loader
from veridical.data.sources import load
from veridical.families.autoregressive import log_mean_exp
from veridical.families.made import MADE
from veridical.noise import SampleNoise
from veridical.training.fit import State, fit
from veridical.workflows.images import grid, pixels, write


def masks() -> dict[str, Tensor]:
    """Return which pixels (1, 8, 8) are known, by the name of the missing part."""
    lower, centre = torch.ones(1, 8, 8, dtype=torch.bool), torch.ones(1, 8, 8, dtype=torch.bool)
    lower[:, 4:] = False
    centre[:, 2:6, 2:6] = False
    scattered = torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(0)) < 0.5
    return {"lower half": lower, "centre": centre, "scattered half": scattered}


def train(steps: int, seed: int) -> tuple[MADE, Tensor, float]:
    """Return a trained model, the held-out images, and the processor seconds."""
    data, test = load(DataConfig(source="digits"), "train"), load(DataConfig(source="digits"), "test")
    torch.manual_seed(seed)
    optimizer = OptimizerConfig(name="adamw", lr=1e-3, weight_decay=0.1, schedule="cosine")
    model = MADE(MADEConfig(width=500, depth=2, order="any", masks=8, optimizer=optimizer), data.space)
    state, began = State(model, steps=steps, ema=0.995), time.process_time()
    fit(state, Loader(data, 64, seed=seed), log_every=steps)
    assert state.ema is not None
    state.ema.swap()
    return model.eval(), test.batch(torch.arange(len(test)), "cpu").x, time.process_time() - began


@torch.no_grad()
def nats(model: MADE, x: Tensor, known: Tensor) -> dict[str, float]:
    """Return the mean nats of a missing pixel's level given the known ones, with its error, and given nothing."""
    missing = int((~known).sum())
    given = (model.log_prob_missing(x, known) + missing * model.log_bin) / missing
    first = model.known_sites(~known)  # the same pixels, drawn before all others
    chains = [model.site_log_probs(chain, x, None)[:, first].sum(1) for chain in model.chains_after(first)]
    alone = (log_mean_exp(torch.stack(chains)) + missing * model.log_bin) / missing
    return {
        "given": round(float(given.mean()), 4),
        "error": round(float(given.std()) / math.sqrt(len(x)), 4),
        "alone": round(float(alone.mean()), 4),
    }


@torch.no_grad()
def figure(model: MADE, x: Tensor, path: Path, images: int = 8) -> None:
    """Draw a block of rows for every shape: the image, its known part, six completions."""
    rows = []
    for known in masks().values():
        for image in x[:images]:
            drawn = model.complete(image.expand(6, *image.shape), known, noise=SampleNoise(0, 0, 6))
            rows.append(torch.cat([image[None], torch.where(known, image, 0.0)[None], drawn]))
    write(grid(pixels(torch.cat(rows), model.space), columns=8), path)


def main() -> None:
    """Train, print a line of JSON for every shape, draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--figure", type=Path, help="PNG file to write")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    model, x, seconds = train(chosen.steps, chosen.seed)
    for name, known in masks().items():
        row = {"missing": name, "pixels": int((~known).sum()), **nats(model, x, known)}
        print(json.dumps(row | {"images": len(x), "steps": chosen.steps, "seconds": round(seconds, 1)}), flush=True)
    if chosen.figure is not None:
        figure(model, x, chosen.figure, images=4)


if __name__ == "__main__":
    main()
