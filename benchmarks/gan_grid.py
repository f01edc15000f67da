"""Does a model find all 25 modes of the grid, and are they the right modes?

    python benchmarks/gan_grid.py
    python benchmarks/gan_grid.py --preset diffusion-2d --seeds 0 1 2

A preset (`gan-2d` by default) on the data set `grid` (VEEGAN and PacGAN: 25 Gaussians of width 0.05 on
{-4,-2,0,2,4}^2, 100,000 examples), once per seed, in fp32 on one thread; measured at the last step, not at the best
one. The metric of PacGAN counts 2,500 samples (modes reached, share of high quality within three widths, reverse KL of
the shares of the modes); the same numbers from 100,000 samples, and the width of the modes, follow. Below every number
stands what a perfect model scores.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace

import torch

from veridical.config import DataConfig
from veridical.config.presets import find_preset
from veridical.data.loader import Loader
from veridical.data.sources import load
from veridical.evaluation.coverage import measure_modes
from veridical.evaluation.measurement import Measurement
from veridical.model import Facts, Sampler
from veridical.targets.law import HasModes
from veridical.training.fit import State, fit
from veridical.workflows.load import build_model

BLOCK = 5_000
"""Samples drawn together."""

NAMES = ("modes", "high_quality", "mode_kl", "mode_width")


def train(preset: str, source: str, seed: int, steps: int | None) -> tuple[Sampler, float]:
    """Train with the averaged weights in place; return the model and the processor seconds it took."""
    config = find_preset(preset)
    settings = replace(config.training, steps=steps or config.training.steps)
    data = load(DataConfig(source=source))
    torch.manual_seed(seed)
    model = build_model(config, Facts(data.space, len(data)))
    state = State(model, steps=settings.steps, ema=settings.ema)
    started = time.process_time()
    fit(state, Loader(data, settings.batch_size, seed=seed), clip_norm=settings.clip_norm)
    seconds = time.process_time() - started
    if state.ema is not None:
        state.ema.swap()
    trained = model.eval()
    assert isinstance(trained, Sampler)
    return trained, seconds


def measure(model: Sampler, target: HasModes, n: int, seed: int) -> dict[str, Measurement]:
    """Measure n samples."""
    torch.manual_seed(1_000 + seed)
    x = torch.cat([model.sample(min(BLOCK, n - start)) for start in range(0, n, BLOCK)])
    return {m.name: m for m in measure_modes(x, target)}


def line(label: str, values: list[float]) -> str:
    """Return one row of the table."""
    return f"| {label} | " + " | ".join(f"{value:.4g}" for value in values) + " |"


def main() -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="gan-2d")
    parser.add_argument("--data", default="grid", choices=["grid", "ring"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--steps", type=int, default=None)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--samples", type=int, default=100_000, help="of the second measurement")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    target = load(DataConfig(source=given.data)).target
    assert isinstance(target, HasModes)
    sizes = (2_500, given.samples)
    print("| seed | " + " | ".join(f"{name}, {n:,}" for n in sizes for name in NAMES) + " | CPU seconds |")
    print("|---" * (2 + 2 * len(NAMES)) + "|", flush=True)
    rows: list[list[float]] = []
    perfect: list[float] = []
    for seed in given.seeds:
        model, seconds = train(given.preset, given.data, seed, given.steps)
        found = [measure(model, target, n, seed)[name] for n in sizes for name in NAMES]
        rows.append([m.value for m in found] + [seconds])
        perfect = [m.reference if m.reference is not None else float("nan") for m in found]
        print(line(str(seed), rows[-1]), flush=True)
    print(line("mean", [statistics.fmean(column) for column in zip(*rows, strict=True)]))
    print(line("a perfect model", perfect) + " |")


if __name__ == "__main__":
    main()
