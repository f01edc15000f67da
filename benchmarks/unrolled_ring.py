"""Does foreseeing the discriminator's answers keep a generator from losing modes?

    python benchmarks/unrolled_ring.py

The toy of Metz et al. (2017): eight Gaussians of width 0.01 on a circle of radius 1 (all eight distinct), tanh networks
of two layers of 128 units, z of 256 components. Preset `unrolled` with K foreseen steps beside the same game with
K = 0, from the same weights and on the same batches, for every seed; measured with the weights of the moment at every
`--every` steps, not at the best. Modes and high quality as in PacGAN, from 2,500 samples.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from itertools import product

import torch

from veridical.config import DataConfig, OptimizerConfig, UnrolledGANConfig
from veridical.config.presets import PRESETS
from veridical.data.dataset import ArrayData
from veridical.data.loader import Loader
from veridical.data.sources import load
from veridical.evaluation.coverage import measure_modes
from veridical.families.unrolled_gan import UnrolledGAN
from veridical.targets import GaussianMixture
from veridical.targets.law import HasModes
from veridical.training.fit import Callback, State, fit


class Watch(Callback):
    """Measures the samples of the moment, beside the random numbers of the training."""

    def __init__(self, label: str, target: HasModes, every: int) -> None:
        self.label, self.target, self.every = label, target, every

    def on_step(self, state: State) -> None:
        """Print a row at every so many steps."""
        if state.step % self.every:
            return
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1_000)
            found = {m.name: m.value for m in measure_modes(state.module.sample(2_500), self.target)}  # type: ignore[operator]
        numbers = f"{found['modes']:.0f} | {found['high_quality']:.3f} | {found['mode_kl']:.3f}"
        print(f"| {self.label} | {state.step} | {numbers} | {state.seconds:.0f} |", flush=True)


def ring(width: float | None) -> ArrayData:
    """Return the data set `ring`, or one of 100,000 examples with wider modes."""
    data = load(DataConfig(source="ring"))
    if width is None:
        return data
    assert isinstance(data.target, HasModes)
    target = GaussianMixture(data.target.modes, width, name=f"ring of width {width}")
    return ArrayData(target.sample(100_000, generator=torch.Generator().manual_seed(0)).float(), target=target)


def train(config: UnrolledGANConfig, data: ArrayData, seed: int, steps: int, batch_size: int, every: int) -> None:
    """Train once, printing on the way."""
    assert isinstance(data.target, HasModes)
    torch.manual_seed(seed)
    model = UnrolledGAN(config, data.space)
    watch = Watch(f"{config.unrolled_steps} | {seed}", data.target, every)
    started = time.process_time()
    fit(State(model, steps=steps), Loader(data, batch_size, seed=seed), callbacks=[watch])
    print(f"processor: {1e3 * (time.process_time() - started) / steps:.1f} ms per step", flush=True)


def main() -> None:
    """Train with and without, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--k", type=int, nargs="+", default=[0, 5])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=PRESETS["unrolled"].training.steps)
    parser.add_argument("--batch-size", type=int, default=PRESETS["unrolled"].training.batch_size)
    parser.add_argument("--every", type=int, default=500)
    parser.add_argument("--discriminator-lr", type=float, default=None, help="of the preset if not given")
    parser.add_argument("--mode-width", type=float, default=None, help="0.01 if not given")
    given = parser.parse_args()
    torch.set_num_threads(1)
    config = PRESETS["unrolled"].model
    assert isinstance(config, UnrolledGANConfig)
    if given.discriminator_lr is not None:
        optimizer = OptimizerConfig(lr=given.discriminator_lr, betas=config.discriminator_optimizer.betas)
        config = replace(config, discriminator_optimizer=optimizer)
    print(
        "| K | seed | step | modes | high quality | KL of the shares | s |\n|---|---|---|---|---|---|---|", flush=True
    )
    data = ring(given.mode_width)
    for seed, k in product(given.seeds, given.k):
        train(replace(config, unrolled_steps=k), data, seed, given.steps, given.batch_size, given.every)


if __name__ == "__main__":
    main()
