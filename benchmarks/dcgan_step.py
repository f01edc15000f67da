"""A DCGAN step at 64x64, batch 64, against the same step written plainly, in one run.

    python benchmarks/dcgan_step.py

*Plain* is the step of the well-known PyTorch tutorial, written out here: eager, fp32, images as (N, C, H, W), binary
cross-entropy after a sigmoid, D on real and on fake in two batches, G's turn with D's weights still collecting
gradients, five numbers read back per step. *veridical* is `fit` with the preset `dcgan`: the same networks (checked:
equal parameter counts), batches, optimisers and order of play. Steps of the two alternate; the ratio is taken step by
step. Both also train for `--curve` steps on the same images from the same weights, to show that the losses are alike.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from veridical.config import DataConfig
from veridical.config.presets import PRESETS
from veridical.data.loader import Loader
from veridical.data.sources import load
from veridical.families.gan import GAN
from veridical.training.arithmetic import Arithmetic
from veridical.training.engine import Engine
from veridical.training.fit import Callback, State, fit

Losses = tuple[float, float]


def plain(model: GAN, loader: Loader) -> Callable[[int], Losses]:
    """Return the tutorial's step on a model's networks."""
    discriminator, generator = model.discriminator, model.generator
    criterion, sigmoid = nn.BCELoss(), nn.Sigmoid()
    optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    optimizer_g = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))

    def step(number: int) -> Losses:
        real = loader.batch(number).x
        ones, zeros = torch.ones(len(real)), torch.zeros(len(real))
        discriminator.zero_grad()
        output = sigmoid(discriminator(real)).view(-1)
        loss_real = criterion(output, ones)
        loss_real.backward()
        output.mean().item()
        fake = generator(torch.randn(len(real), 100))
        output = sigmoid(discriminator(fake.detach())).view(-1)
        loss_fake = criterion(output, zeros)
        loss_fake.backward()
        output.mean().item()
        optimizer_d.step()
        generator.zero_grad()
        output = sigmoid(discriminator(fake)).view(-1)
        loss_g = criterion(output, ones)
        loss_g.backward()
        output.mean().item()
        optimizer_g.step()
        return (loss_real + loss_fake).item(), loss_g.item()

    return step


class Keep(Callback):
    """Keeps the losses of the last line."""

    losses: Losses = (0.0, 0.0)

    def on_log(self, state: State, row: dict[str, float]) -> None:
        """Keep them."""
        self.losses = row["discriminator/loss"], row["generator/loss"]


def ours(model: GAN, loader: Loader, arithmetic: Arithmetic) -> Callable[[int], Losses]:
    """Return a step through `fit`, with the average of the weights and a line of metrics at every step."""
    engine = Engine("cpu", arithmetic=arithmetic)
    engine.place(model)
    state, keep = State(model, steps=0, ema=0.999), Keep()

    def step(number: int) -> Losses:
        state.steps = state.step + 1
        fit(state, loader, engine, log_every=1, callbacks=[keep])
        return keep.losses

    return step


def main() -> None:
    """Time, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--curve", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    data = load(DataConfig(source="fashion-mnist-10k", size=64, channels="colour"))
    loader = Loader(data, 64)
    torch.manual_seed(0)
    first = GAN(PRESETS["dcgan"].model, data.space)  # type: ignore[arg-type]
    print({name: sum(p.numel() for p in first.get_submodule(name).parameters()) for name in first.players})
    chosen, why = Engine.plain().choose_arithmetic(first, loader.batch(0).x.shape)
    print(f"veridical chose {chosen}: {why}")
    fp32 = Arithmetic("fp32", channels_last=chosen.channels_last)
    variants = {
        "plain": plain(copy.deepcopy(first), loader),
        f"veridical, {fp32}": ours(copy.deepcopy(first), loader, fp32),
        f"veridical, {chosen} (default)": ours(copy.deepcopy(first), loader, chosen),
    }
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(given.rounds + 2):
        for name, step in variants.items():
            started = time.perf_counter()
            step(number)
            seconds[name].append(time.perf_counter() - started)
    print(f"| step | s (median of {given.rounds}) | images/s | times plain's images/s (quartiles) |\n|---|---|---|---|")
    for name, times in seconds.items():
        ratios = [b / a for a, b in zip(times[2:], seconds["plain"][2:], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        median = statistics.median(times[2:])
        print(f"| {name} | {median:.3f} | {64 / median:.0f} | {middle:.2f} ({low:.2f} to {high:.2f}) |")
    if given.curve:
        print_curves(first, loader, chosen, given.curve)


def print_curves(first: GAN, loader: Loader, chosen: Arithmetic, steps: int) -> None:
    """Print losses of both, averaged over tenths of the run."""
    curves = {}
    for name, step in (("plain", plain(copy.deepcopy(first), loader)), ("veridical", ours(first, loader, chosen))):
        torch.manual_seed(1)
        curves[name] = [step(number) for number in range(steps)]
    print("| steps | plain D | veridical D | plain G | veridical G |\n|---|---|---|---|---|")
    size = steps // 10
    for start in range(0, size * 10, size):
        means = {
            name: [statistics.fmean(pair[i] for pair in curve[start : start + size]) for i in (0, 1)]
            for name, curve in curves.items()
        }
        (pd, pg), (vd, vg) = means["plain"], means["veridical"]
        print(f"| {start}-{start + size} | {pd:.3f} | {vd:.3f} | {pg:.3f} | {vg:.3f} |")


if __name__ == "__main__":
    main()
