"""Does the recipe work whatever the optimiser and its step size?

    python benchmarks/gan_optimizers.py --log docs/logs/gan_optimizers.jsonl

Three recipes on the data set `grid` (25 Gaussians of width 0.05), each with five update rules, several step sizes and
three seeds; 6,000 steps of 256, fp32, one thread; measured at the last step from 2,500 samples of the
averaged weights, as PacGAN does: a mode counts when a sample lies within three of its widths.

- *default*: the library's recipe (relativistic pairing, R1 and R2, steps relative to the weights). The step sizes are
  relative ones, 0.002, 0.01, 0.02 and 0.2, the same for every rule.
- *2014*: Goodfellow et al.'s Algorithm 1 with the non-saturating loss on perceptrons of the same width.
- *dcgan*: Radford et al.'s recipe on perceptrons: batch normalisation in both but in the discriminator's input, and
  for the rules that have them their beta of 0.5.

The classical recipes have a step per rule: the customary one, a tenth, and ten times that. Every finished run is a line
of the log, and is not run again; the tables are printed from it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from veridical.config import DataConfig, GANConfig, OptimizerConfig
from veridical.data.dataset import ArrayData
from veridical.data.loader import Loader
from veridical.data.sources import load
from veridical.evaluation.coverage import measure_modes
from veridical.families.gan import GAN
from veridical.nn.adversarial import ToDataSpace, ToStandardUnits
from veridical.statistics import wilson_interval
from veridical.targets.law import HasModes
from veridical.training.fit import State, fit
from veridical.training.terms import NonFiniteError

RULES = ("adam", "adamw", "rmsprop", "sgd", "lion")
CUSTOMARY = {"adam": 2e-4, "adamw": 2e-4, "rmsprop": 2e-4, "sgd": 1e-2, "lion": 6e-5}
"""Step sizes of the classical recipes: the papers' for Adam, a third of it for Lion as its authors advise."""
RELATIVE = 0.01
DECADES = (0.1, 1.0, 10.0)
FACTORS = {"default": (0.2, 1.0, 2.0, 20.0), "2014": DECADES, "dcgan": DECADES}
RECIPES = tuple(FACTORS)
PLAIN: dict[str, Any] = {"relativistic": False, "r1": 0.0, "r2": 0.0}


def optimizer(recipe: str, rule: str, factor: float, player: str) -> OptimizerConfig:
    """Return what a player descends with."""
    momentum = 0.9 if rule == "sgd" else 0.0
    decay = 0.01 if rule == "adamw" else 0.0
    if recipe == "default":
        own: OptimizerConfig = getattr(GANConfig(), f"{player}_optimizer")
        return replace(own, name=rule, lr=RELATIVE * factor, momentum=momentum, weight_decay=decay)
    betas = (0.9, 0.99) if rule == "lion" else (0.5, 0.999) if recipe == "dcgan" else (0.9, 0.999)
    lr = CUSTOMARY[rule] * factor
    return OptimizerConfig(name=rule, lr=lr, betas=betas, momentum=momentum, weight_decay=decay)  # type: ignore[arg-type]


def perceptron(inputs: int, outputs: int, slope: float, normed: list[bool], width: int = 128) -> nn.Sequential:
    """Return hidden layers, batch-normalised where told, and a linear output."""
    layers: list[nn.Module] = []
    for norm in normed:
        layers += [nn.Linear(inputs, width), *([nn.BatchNorm1d(width)] if norm else []), nn.LeakyReLU(slope)]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))


def build(recipe: str, rule: str, factor: float, data: ArrayData) -> GAN:
    """Return the untrained game."""
    config = GANConfig(
        generator_optimizer=optimizer(recipe, rule, factor, "generator"),
        discriminator_optimizer=optimizer(recipe, rule, factor, "discriminator"),
    )
    if recipe == "default":
        return GAN(config, data.space)
    normed = recipe == "dcgan"
    generator = nn.Sequential(perceptron(2, 2, 0.0, [normed] * 3), ToDataSpace(data.space))
    discriminator = nn.Sequential(ToStandardUnits(data.space), perceptron(2, 1, 0.2, [False, normed, normed]))
    return GAN(replace(config, **PLAIN), data.space, generator=generator, discriminator=discriminator)


def run(recipe: str, rule: str, factor: float, seed: int, steps: int, data: ArrayData) -> dict[str, Any]:
    """Train and measure; a run that is no longer finite reaches no mode."""
    torch.manual_seed(seed)
    model = build(recipe, rule, factor, data)
    state = State(model, steps=steps, ema=0.999)
    row: dict[str, Any] = {"recipe": recipe, "rule": rule, "factor": factor, "seed": seed, "steps": steps}
    row["lr"] = model.config.generator_optimizer.lr
    started = time.perf_counter()
    try:
        fit(state, Loader(data, 256, seed=seed), log_every=250)
    except NonFiniteError as error:
        return row | {"modes": 0, "high_quality": 0.0, "mode_kl": None, "ended": f"{error.name} at {error.step}"}
    row["seconds"] = round(time.perf_counter() - started, 1)
    assert state.ema is not None and isinstance(data.target, HasModes)
    state.ema.swap()
    torch.manual_seed(1_000 + seed)
    found = {m.name: m.value for m in measure_modes(model.eval().sample(2_500), data.target)}
    return row | {name: found.get(name) for name in ("modes", "high_quality", "mode_kl", "mode_width")}


def choices(recipes: Sequence[str], factors: Sequence[float] | None) -> list[tuple[str, str, float]]:
    """Return every recipe with every rule and every step of it, or with those steps that are named."""
    return [(r, rule, f) for r in recipes for rule in RULES for f in FACTORS[r] if factors is None or f in factors]


def read(log: Path) -> list[dict[str, Any]]:
    """Return the finished runs."""
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def report(rows: list[dict[str, Any]]) -> None:
    """Print, per recipe, how many seeds reach all 25 modes, and with what share of high quality."""
    for recipe in RECIPES:
        own = [row for row in rows if row["recipe"] == recipe]
        if not own:
            continue
        won = sum(row["modes"] == 25 for row in own)
        low, high = wilson_interval(won, len(own))
        print(
            f"\n{recipe}: {won} of {len(own)} runs end with 25 modes ({won / len(own):.0%}, {low:.2f} to {high:.2f})\n"
        )
        steps = [f for f in FACTORS[recipe] if any(row["factor"] == f for row in own)]
        print("| rule | " + " | ".join(f"{f:g} times the step" for f in steps) + " |\n|---" + "|---" * len(steps) + "|")
        for rule in RULES:
            cells = [cell([row for row in own if row["rule"] == rule and row["factor"] == f]) for f in steps]
            print(f"| {rule} | " + " | ".join(cells) + " |")


def cell(rows: list[dict[str, Any]]) -> str:
    """Say the modes of every seed and the mean share of high quality."""
    if not rows:
        return ""
    quality = sum(row["high_quality"] for row in rows) / len(rows)
    return ", ".join(str(int(row["modes"])) for row in rows) + f" (high quality {quality:.2f})"


def main() -> None:
    """Run what the log lacks, then print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES), choices=RECIPES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=6_000)
    parser.add_argument("--factors", type=float, nargs="+", default=None, help="times the step; default: all")
    parser.add_argument("--report", action="store_true", help="only print the tables")
    given = parser.parse_args()
    torch.set_num_threads(1)
    data = load(DataConfig(source="grid"))
    done = {(row["recipe"], row["rule"], row["factor"], row["seed"]) for row in read(given.log)}
    plan = [(seed, *choice) for seed, choice in itertools.product(given.seeds, choices(given.recipes, given.factors))]
    for seed, recipe, rule, factor in [] if given.report else plan:
        if (recipe, rule, factor, seed) not in done:
            row = run(recipe, rule, factor, seed, given.steps, data)
            with given.log.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(row, flush=True)
    report(read(given.log))


if __name__ == "__main__":
    main()
