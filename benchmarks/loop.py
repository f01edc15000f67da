"""What `fit` costs over the bare step, on the smallest network there is: the 2-D MLP GAN.

    python benchmarks/loop.py

The bare step is what one would write by hand with the same losses and optimisers: loss, backward, step for each of the
two players, the other frozen; no average, no logging, no checks. Rounds of the variants alternate and the ratio is
taken round by round, so that a drifting machine cancels. Medians of the ratios, with their quartiles.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from veridical.config import DataConfig, GANConfig, OptimizerConfig
from veridical.data.loader import Loader
from veridical.data.sources import load
from veridical.data.space import Space
from veridical.families.gan import GAN
from veridical.health.callback import Health
from veridical.run import Run
from veridical.training.callbacks import MetricsFile
from veridical.training.engine import Engine
from veridical.training.fit import State, fit
from veridical.training.optim import build_optimizer

OPTIMIZER = OptimizerConfig(lr=1e-3, betas=(0.0, 0.99))
CONFIG = GANConfig(
    network="mlp",
    latent_dim=2,
    width=128,
    depth=1,
    discriminator_depth=2,
    fourier_octaves=0,
    generator_optimizer=OPTIMIZER,
    discriminator_optimizer=OPTIMIZER,
)
PLAIN = dataclasses.replace(CONFIG, relativistic=False, r1=0.0, r2=0.0)


def new_model(config: GANConfig, space: Space) -> GAN:
    """Build the same model every time."""
    torch.manual_seed(0)
    return GAN(config, space)


def bare(config: GANConfig, loader: Loader) -> Callable[[int], None]:
    """Return the hand-written loop."""
    model = new_model(config, loader.data.space)
    parts = {name: list(model.get_submodule(name).parameters()) for name in model.players}
    optimizers = {name: build_optimizer(model.optimizer(name), parts[name]) for name in model.players}

    def run(steps: int) -> None:
        for step in range(steps):
            batch = loader.batch(step)
            for name, optimizer in optimizers.items():
                for other, parameters in parts.items():
                    for parameter in parameters:
                        parameter.requires_grad_(other == name)
                loss = model.loss(batch, player=name, step=step).loss
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()

    return run


def through_fit(config: GANConfig, loader: Loader, everything: bool, folder: Path) -> Callable[[int], None]:
    """Return the loop of the library, alone or with average, metrics file and health monitors."""
    state = State(new_model(config, loader.data.space), steps=0, ema=0.999 if everything else 0.0)
    run_directory = Run.create(folder / "run") if everything else None
    callbacks = (
        [MetricsFile(run_directory), Health(GAN.term_kinds, run_directory.health_file, print)] if run_directory else []
    )
    engine = Engine.plain()

    def run(steps: int) -> None:
        state.steps = state.step + steps
        fit(state, loader, engine, callbacks=callbacks)

    return run


def main() -> None:
    """Time the three in turn and print the ratios."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=25)
    arguments.add_argument("--steps", type=int, default=100)
    arguments.add_argument("--batch-size", type=int, default=256)
    given = arguments.parse_args()
    torch.set_num_threads(1)
    loader = Loader(load(DataConfig(source="grid")), given.batch_size)
    for name, config in (("with R1 and R2", CONFIG), ("without penalties", PLAIN)):
        print(f"\n2-D MLP GAN {name}, batch {given.batch_size}, one thread\n")
        with tempfile.TemporaryDirectory() as folder:
            variants = {
                "bare": bare(config, loader),
                "fit": through_fit(config, loader, False, Path(folder)),
                "fit with average, logging, health": through_fit(config, loader, True, Path(folder)),
            }
            compare(variants, given.rounds, given.steps)


def compare(variants: dict[str, Callable[[int], None]], rounds: int, steps: int) -> None:
    """Time the variants in turn and print the ratios."""
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds + 1):
        for name, run in variants.items():
            started = time.perf_counter()
            run(steps)
            seconds[name].append((time.perf_counter() - started) / steps)
    print(f"| variant | ms per step (median of {rounds}) | ratio to bare | quartiles |\n|---|---|---|---|")
    for name, times in seconds.items():
        ratios = [a / b for a, b in zip(times[1:], seconds["bare"][1:], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(f"| {name} | {1e3 * statistics.median(times[1:]):.3f} | {middle:.3f} | {low:.3f} to {high:.3f} |")


if __name__ == "__main__":
    main()
