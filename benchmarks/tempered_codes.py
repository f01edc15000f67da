"""Whether plug and play draws distant modes in their shares, with and without temperatures.

    python benchmarks/tempered_codes.py

Two cases. *Closed form*: the condition is a mixture of two Gaussians of width 0.1 at +-1.5 of the first of D
components, with weights .2 and .8; under a standard normal prior these are the shares, while each basin has half of it.
*A generator*: `gan-2d` on the ring, 2,000 steps; the condition is "mode 0 with probability .2, mode 4 with .8" by the
responsibilities of the ring's mixture, and the reference is what 200,000 weighted draws of the prior give. One line for
each number of temperatures: the share of the rarer mode with its standard error over chains, renewals of a chain, the
mean exchange, and evaluations of the generator per chain.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from veridical.config import DataConfig
from veridical.config.presets import find_preset
from veridical.latent.guidance import decoder, latent_of
from veridical.latent.plug_and_play import plug_and_play
from veridical.noise import SampleNoise
from veridical.targets import GaussianMixture, ring
from veridical.workflows.load import load
from veridical.workflows.start import train

WEIGHTS, FAR, WIDTH = torch.tensor([0.2, 0.8]), 1.5, 0.1
PAIR = [0, 4]
"""Opposite modes of the ring."""


def quiet(line: str) -> None:
    """Say nothing."""


def two_modes(z: Tensor) -> Tensor:
    """Return the log of the condition in closed form."""
    means = FAR * torch.eye(2, z.shape[1])[:1] * torch.tensor([[1.0], [-1.0]])
    return (WEIGHTS.log() - (z[:, None] - means).square().sum(dim=2) / (2 * WIDTH**2)).logsumexp(dim=1)


def in_pair(target: GaussianMixture) -> Callable[[Tensor], Tensor]:
    """Return the log-probability of the condition on examples of the ring."""

    def log_condition(x: Tensor) -> Tensor:
        logits = -(x[:, None] - target.means.to(x)).square().sum(dim=2) / (2 * target.sigma**2)
        return (logits.log_softmax(dim=1)[:, PAIR] + WEIGHTS.log()).logsumexp(dim=1)

    return log_condition


def line(name: str, found: Tensor, expected: float, guided: object, cost: int) -> str:
    """Return a row of the table."""
    share = float(found.double().mean())
    error = math.sqrt(expected * (1 - expected) / len(found))
    renewals, exchange = guided.renewals.double(), guided.exchange  # type: ignore[attr-defined]
    mean = f"{float(exchange.mean()):.2f}" if exchange.shape[1] else "-"
    never = float((renewals == 0).double().mean())
    return f"| {name} | {share:.3f} ± {error:.3f} | {float(renewals.mean()):.1f} | {never:.3f} | {mean} | {cost:,} |"


def closed_form(dimension: int, n: int, temperatures: int, n_steps: int) -> str:
    """Draw and compare in closed form."""
    noise = SampleNoise(0, 0, n)
    z = noise.normal(dimension)
    found = plug_and_play(lambda z: z, two_modes, z, n_steps=n_steps, temperatures=temperatures, noise=noise)
    name = f"D = {dimension} | .200 | {temperatures} | {n_steps}"
    return line(name, found.z[:, 0] > 0, 0.2, found, temperatures * n_steps)


def generator(steps: int, n: int, every: list[tuple[int, int]]) -> list[str]:
    """Train a generator, draw and compare."""
    config = find_preset("gan-2d")
    training = replace(config.training, steps=steps, seed=0, precision="fp32")
    config = replace(config, data=DataConfig(source="ring"), training=training)
    with TemporaryDirectory() as folder:
        model = load(train(config, out=Path(folder) / "run", say=quiet).path, say=quiet).eval()
    target = ring()
    latent, decode, log_condition = latent_of(model), decoder(latent_of(model), None), in_pair(target)
    with torch.no_grad():
        x = decode(torch.randn(200_000, *latent.prior(1).shape[1:]))
        weights = log_condition(x).double().exp()
        expected = float(weights[nearest(x, target) == PAIR[0]].sum() / weights.sum())
    rows = []
    for temperatures, n_steps in every:
        noise = SampleNoise(0, 0, n)
        z = latent.prior(n, noise)
        found = plug_and_play(decode, log_condition, z, n_steps=n_steps, temperatures=temperatures, noise=noise)
        with torch.no_grad():
            first = nearest(decode(found.z), target) == PAIR[0]
        name = f"`gan-2d`, ring | {expected:.3f} | {temperatures} | {n_steps}"
        rows.append(line(name, first, expected, found, temperatures * n_steps))
    return rows


def nearest(x: Tensor, target: GaussianMixture) -> Tensor:
    """Return the mode of each example."""
    return torch.cdist(x, target.means.to(x)).argmin(dim=1)


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2_000)
    parser.add_argument("-n", type=int, default=1_000)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print("| case | share | temperatures | steps | found | renewals | without one | exchange | evaluations |")
    print("|---|---|---|---|---|---|---|---|---|")
    for dimension, temperatures, n_steps in (
        (2, 1, 200), (2, 1, 1_000), (2, 5, 200), (8, 1, 1_600), (8, 8, 200), (8, 8, 600), (32, 24, 600),
    ):  # fmt: skip
        print(closed_form(dimension, given.n, temperatures, n_steps), flush=True)
    for row in generator(given.steps, given.n, [(1, 200), (1, 1_600), (8, 200), (8, 600)]):
        print(row, flush=True)


if __name__ == "__main__":
    main()
