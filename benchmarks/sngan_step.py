"""A step of SNGAN (one turn of each player) at 32x32, batch 8, against mimicry's, in one run.

    python benchmarks/sngan_step.py --mimicry FOLDER

FOLDER is a checkout of mimicry (github.com/kwotsin/mimicry), whose networks and `train_step` are used as they are; of
its package only the networks are imported, since the rest pulls TensorFlow. *veridical* is `fit` on `network = "sngan"`
with hinge loss, spectral normalisation, Adam (2e-4; 0, 0.9) and the paper's widths: the same numbers of parameters
(checked). Two differences remain: mimicry does one power iteration per use of a layer and ours are carried until they
have converged, and mimicry's turn of the generator lets the discriminator's weights collect gradients that nobody uses.
Steps of the two alternate; the ratio is taken step by step.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from veridical.config import DataConfig, GANConfig, OptimizerConfig
from veridical.data.loader import Loader
from veridical.data.sources import load
from veridical.families.gan import GAN
from veridical.training.arithmetic import Arithmetic
from veridical.training.engine import Engine
from veridical.training.fit import State, fit

BATCH = 8


class Log:
    """Takes mimicry's log entries, reading each number back as its own does."""

    def add_metric(self, name: str, value: Any, **unused: Any) -> None:
        """Read a number back."""
        float(value.detach() if isinstance(value, torch.Tensor) else value)


def mimicry_step(folder: Path, loader: Loader) -> tuple[Callable[[int], None], dict[str, int]]:
    """Return its step and its numbers of parameters."""
    for name in ("torch_mimicry", "torch_mimicry.nets"):
        package = types.ModuleType(name)
        package.__path__ = [str(folder / name.replace(".", "/"))]  # the packages' own __init__ imports everything
        sys.modules[name] = package
    from torch_mimicry.nets.sngan.sngan_32 import (  # pyright: ignore[reportMissingImports]
        SNGANDiscriminator32,
        SNGANGenerator32,
    )

    generator, discriminator = SNGANGenerator32(), SNGANDiscriminator32()
    optimizers = {
        id(net): torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.0, 0.9)) for net in (generator, discriminator)
    }

    def step(number: int) -> None:
        batch = (loader.batch(number).x, None)
        for net, other in ((discriminator, generator), (generator, discriminator)):
            opponents = {"netG": other} if net is discriminator else {"netD": other}
            opts = {"optD": optimizers[id(net)]} if net is discriminator else {"optG": optimizers[id(net)]}
            net.train_step(batch, **opponents, **opts, log_data=Log(), device=torch.device("cpu"))

    count = {"discriminator": discriminator, "generator": generator}
    return step, {name: sum(p.numel() for p in net.parameters()) for name, net in count.items()}


def our_step(loader: Loader, arithmetic: Arithmetic) -> tuple[Callable[[int], None], dict[str, int]]:
    """Return a step through `fit`, with the average of the weights and a line of metrics at every step."""
    optimizer = OptimizerConfig(lr=2e-4, betas=(0.0, 0.9))
    config = GANConfig(
        objective="hinge",
        relativistic=False,
        r1=0.0,
        r2=0.0,
        network="sngan",
        spectral_norm=True,
        latent_dim=128,
        generator_optimizer=optimizer,
        discriminator_optimizer=optimizer,
    )
    model = GAN(config, loader.data.space)
    engine = Engine("cpu", arithmetic=arithmetic)
    engine.place(model)
    state = State(model, steps=0, ema=0.999)

    def step(number: int) -> None:
        state.steps = state.step + 1
        fit(state, loader, engine, log_every=1)

    return step, {name: sum(p.numel() for p in model.get_submodule(name).parameters()) for name in model.players}


def main() -> None:
    """Time and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mimicry", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    data = load(DataConfig(source="fashion-mnist-10k", size=32, channels="colour"))
    loader = Loader(data, BATCH)
    fp32, bf16 = Arithmetic("fp32", channels_last=True), Arithmetic("bf16", channels_last=True)
    variants = {
        "mimicry": mimicry_step(given.mimicry, loader),
        f"veridical, {fp32}": our_step(loader, fp32),
        f"veridical, {bf16}": our_step(loader, bf16),
    }
    print({name: counts for name, (_, counts) in variants.items()})
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(given.rounds + 2):
        for name, (step, _) in variants.items():
            started = time.perf_counter()
            step(number)
            seconds[name].append(time.perf_counter() - started)
    print(f"| step | s (median of {given.rounds}) | images/s | times mimicry's (quartiles) |\n|---|---|---|---|")
    for name, times in seconds.items():
        ratios = [b / a for a, b in zip(times[2:], seconds["mimicry"][2:], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        median = statistics.median(times[2:])
        print(f"| {name} | {median:.3f} | {BATCH / median:.1f} | {middle:.2f} ({low:.2f} to {high:.2f}) |", flush=True)


if __name__ == "__main__":
    main()
