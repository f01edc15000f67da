"""Does a tiny GAN find the thousand modes of Stacked MNIST with a discriminator too small to see them?

    VERIDICAL_DATA=FOLDER python benchmarks/gan_stacked_mnist.py [--discriminator quarter|half] [--seeds 0 1]
    VERIDICAL_DATA=FOLDER python benchmarks/gan_stacked_mnist.py --steps 20000 --generator-schedule trapezoid

The discriminating protocol of unrolled GANs (Metz et al. 2017, App. C) as PacGAN's code has it: the generator has 64,
32, 16, 8 channels, z has 256 components, the discriminator has 2, 4, 8 channels ("D = 1/4 G", 557 parameters) or 4, 8,
16 ("D = 1/2 G", 1,833 parameters), kernels are 3x3, the leak is 0.3; packing widens the first layer.

Ours: the default recipe (relativistic pairing with R1 and R2, steps relative to the weights, their average), no batch
normalisation in the discriminator (penalties allow none), a discriminator whose steps are five times the generator's
and stay when the generator's fall, since it is too small to know more than it was told lately, a generator that comes
to rest (`settle`), and 100,000 steps of 64 where the papers train 500,000 of 128: a processor hour for a seed. Measured
at the last step, not at the best one, from 26,000 samples, once per seed; on one thread in fp32.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from veridical.config import DataConfig, GANConfig, OptimizerConfig
from veridical.data.dataset import ArrayData
from veridical.data.loader import Loader
from veridical.data.sources import load
from veridical.evaluation.measurement import Measurement
from veridical.evaluation.stacked import kl_to_uniform, measure_stacks
from veridical.families.gan import GAN
from veridical.nn.conv import start
from veridical.sampling import draw
from veridical.training.fit import Callback, State, fit

SAMPLES = 26_000
LATENT_DIM = 256
CHANNELS = {"quarter": (2, 4, 8), "half": (4, 8, 16)}
"""Channels of the discriminator, a quarter or half of the generator's mirrored ones."""


def tiny_generator() -> nn.Module:
    """Return 4x4x64 → 7x7x32 → 14x14x16 → 28x28x8 → 28x28x3; 287,875 parameters."""
    layers: list[nn.Module] = [linear := nn.Linear(LATENT_DIM, 4 * 4 * 64), nn.Unflatten(1, (64, 4, 4))]
    start(linear)
    for c_in, c_out, extra in ((64, 32, 0), (32, 16, 1), (16, 8, 1)):
        up = nn.ConvTranspose2d(c_in, c_out, 3, stride=2, padding=1, output_padding=extra)
        start(up, taps=2)  # of the 9 weights 9/4 meet at an output on average
        layers += [nn.BatchNorm2d(c_in), nn.ReLU(inplace=True), up]
    last = nn.Conv2d(8, 3, 3, padding=1)
    start(last)
    return nn.Sequential(*layers, nn.BatchNorm2d(8), nn.ReLU(inplace=True), last, nn.Tanh())


def tiny_discriminator(channels: tuple[int, ...], pack: int) -> nn.Module:
    """Return three convolutions of stride 2 and a linear layer, for `pack` images on top of each other."""
    layers: list[nn.Module] = []
    for c_in, c_out in zip((3 * pack, *channels), channels, strict=False):
        down = nn.Conv2d(c_in, c_out, 3, stride=2, padding=1)
        start(down)
        layers += [down, nn.LeakyReLU(0.3)]
    head = nn.Linear(4 * 4 * channels[-1], 1)
    start(head)
    return nn.Sequential(*layers, nn.Flatten(), head)


def configure(given: argparse.Namespace) -> GANConfig:
    """Return the recipe."""
    generator = OptimizerConfig(
        lr=given.generator_lr, trust=given.generator_lr, betas=(0.0, 0.99), schedule=given.generator_schedule
    )
    lr = given.discriminator_lr
    return GANConfig(
        latent_dim=LATENT_DIM,
        pack=given.pack,
        r1=given.penalty,
        r2=given.penalty,
        generator_optimizer=generator,
        discriminator_optimizer=replace(generator, lr=lr, trust=lr, schedule=given.discriminator_schedule),
        discriminator_turns=given.discriminator_turns,
    )


class Watch(Callback):
    """Prints what the averaged weights reach on the way, from few samples and from a generator of its own."""

    def __init__(self, data: ArrayData, every: int) -> None:
        self.data, self.every, self.began = data, every, time.perf_counter()

    def on_log(self, state: State, row: dict[str, float]) -> None:
        """Print a line."""
        if state.step % self.every or state.step == state.steps or state.ema is None:
            return
        state.ema.swap()
        assert isinstance(state.model, GAN)
        training = state.model.training
        modes, kl = measure(state.model.eval(), self.data, 5_000, seed=0)
        state.model.train(training)
        state.ema.swap()
        seconds = time.perf_counter() - self.began
        print(f"  step {state.step}: {modes.value:.0f} modes, KL {kl.value:.3f} (5,000 samples), {seconds:.0f} s; "
              f"accuracy {row['discriminator/accuracy']:.3f}", flush=True)  # fmt: skip


def play(data: ArrayData, given: argparse.Namespace, seed: int) -> State:
    """Play the game; return its last state, the average beside the weights."""
    torch.manual_seed(seed)
    discriminator = tiny_discriminator(CHANNELS[given.discriminator], given.pack)
    model = GAN(configure(given), data.space, generator=tiny_generator(), discriminator=discriminator)
    model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    state = State(model, steps=given.steps, ema=0.999)
    fit(state, Loader(data, given.batch, seed=seed), log_every=500, callbacks=[Watch(data, given.watch)])
    return state


def averaged(state: State) -> GAN:
    """Return the model with its averaged weights in place, ready to be measured."""
    assert state.ema is not None and isinstance(state.model, GAN)
    state.ema.swap()
    return state.model.eval()


def measure(model: GAN, data: ArrayData, n: int, seed: int) -> tuple[Measurement, Measurement]:
    """Return the modes and the KL to uniform of n samples."""
    modes, kl = measure_stacks(draw(model, n, seed=1_000 + seed), data)
    return modes, kl


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--discriminator", choices=list(CHANNELS), default="quarter")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--pack", type=int, default=1, help="images that the discriminator judges together (PacGAN)")
    parser.add_argument("--penalty", type=float, default=0.01, help="gamma of R1 and of R2")
    parser.add_argument("--generator-lr", type=float, default=0.01)
    parser.add_argument("--discriminator-lr", type=float, default=0.05)
    parser.add_argument("--discriminator-schedule", choices=["constant", "trapezoid"], default="constant")
    parser.add_argument("--generator-schedule", choices=["settle", "trapezoid"], default="settle")
    parser.add_argument("--discriminator-turns", type=int, default=1, help="steps for each turn of the generator")
    parser.add_argument("--watch", type=int, default=10_000, help="steps between lines on the way")
    return parser.parse_args(arguments)


def main() -> None:
    """Train, measure, print."""
    given = parse()
    torch.set_num_threads(1)
    data = load(DataConfig(source="stacked-mnist"))
    print(given)
    rows: list[tuple[float, float, float]] = []
    for seed in given.seeds:
        started = time.process_time()
        model = averaged(play(data, given, seed))
        seconds = time.process_time() - started
        modes, kl = measure(model, data, SAMPLES, seed)
        rows.append((modes.value, kl.value, seconds))
        low, high = kl.interval or (kl.value, kl.value)
        channels = kl_to_uniform(np.array(modes.detail["digit_shares"])).round(3).tolist()
        print(f"  KL of the digits of each channel alone: {channels}, together {sum(channels):.3f}")
        print(f"| {seed} | {modes.value:.0f} | {kl.value:.4f} ({low:.4f} to {high:.4f}) | {seconds:.0f} |", flush=True)
        print(
            f"a perfect model: {modes.reference:.2f} modes, KL {kl.reference:.4f} {kl.reference_interval}", flush=True
        )
    means = [statistics.fmean(column) for column in zip(*rows, strict=True)]
    spread = [statistics.stdev(column) if len(rows) > 1 else 0.0 for column in zip(*rows, strict=True)]
    print(f"mean of {len(rows)}: modes {means[0]:.1f} ± {spread[0]:.1f}, KL {means[1]:.4f} ± {spread[1]:.4f}, "
          f"{means[2]:.0f} s of processor time")  # fmt: skip


if __name__ == "__main__":
    main()
