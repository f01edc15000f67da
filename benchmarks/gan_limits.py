r"""What stops the default recipe of vectors at many modes: its discriminator, or its generator?

    python benchmarks/gan_limits.py --side 5 10

Each player alone on the grid of `--side` x `--side` modes of width 0.05 at distance 2, fp32, one thread, one seed:

- *The discriminator* against fakes that stay as they are: the grid, with `BRIDGES` of its mass on the segments between
  neighbouring modes. The Jensen-Shannon divergence that it finds after `--steps` steps (a lower bound, from 20,000
  examples of each, its best threshold), beside the true one, by the weight gamma of R1 and R2. To
  second order in D the paired logistic loss with R1 and R2 is least where, with $\rho = (p + q) / 2$,
  $D - 4 \gamma \rho^{-1} \nabla \cdot (\rho \nabla D) = (p - q) / \rho$: what differs with a period a, in standard
  units, is damped by about $1 + 4 \gamma (2 \pi / a)^2$.
- *The generator* told where to go: it learns by least squares the map that takes every component of z by its quantile
  to the marginal distribution of the grid, which is exact. The share of high quality among 20,000 of its samples, by
  its width and the octaves of Fourier features of z.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from veridical.config import GANConfig
from veridical.config.presets import find_preset
from veridical.data.dataset import ArrayData
from veridical.data.loader import Loader
from veridical.evaluation.coverage import find_modes
from veridical.families.gan import GAN
from veridical.model import Facts
from veridical.nn.adversarial import build_generator
from veridical.targets import GaussianMixture
from veridical.training.fit import State, fit
from veridical.training.optim import Schedule, build_optimizer

WIDTH = 0.05
BRIDGES = 0.3
N = 20_000
GAMMAS = (0.1, 0.01, 0.001, 0.0001)
GENERATORS: tuple[dict[str, int], ...] = ({}, {"width": 128}, {"latent_octaves": 3}, {"latent_octaves": 5})


def grid(side: int) -> tuple[GaussianMixture, ArrayData]:
    """Return the law and 100,000 draws of it."""
    line = torch.arange(1 - side, side, 2, dtype=torch.float64)
    law = GaussianMixture(torch.cartesian_prod(line, line), WIDTH, name=f"grid-{side * side}")
    x = law.sample(100_000, torch.Generator().manual_seed(0)).float()
    return law, ArrayData(x, name=law.name, target=law)


class Bridged(nn.Module):
    """Fakes that do not change: the grid, and uniform segments along its lines, as wide as the modes.

    Args:
        side: modes of a line.
        law: the grid.
    """

    def __init__(self, side: int, law: GaussianMixture) -> None:
        super().__init__()
        self.side, self.law, self.idle = side, law, nn.Parameter(torch.ones(2, 2))

    def forward(self, z: Tensor) -> Tensor:
        """Return as many fakes as there are codes."""
        return self.draw(len(z)) + 0 * self.idle.sum()

    def draw(self, n: int) -> Tensor:
        """Draw (n, 2) fakes."""
        along = (self.side - 1) * (2 * torch.rand(n) - 1)
        across = 2.0 * torch.randint(self.side, (n,)) - (self.side - 1)
        x = torch.stack([along, across], dim=1)
        turned = torch.rand(n) < 0.5
        x[turned] = x[turned].flip(1)
        modes = self.law.means[torch.randint(len(self.law.means), (n,))].float()
        return torch.where(torch.rand(n, 1) < BRIDGES, x, modes) + WIDTH * torch.randn(n, 2)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return (n,) log densities of x (n, 2), float64."""
        lines = [self._segments(x[:, i], x[:, 1 - i]) for i in (0, 1)]
        bridges = torch.logaddexp(*lines) - math.log(2)
        return torch.logaddexp(self.law.log_prob(x) + math.log1p(-BRIDGES), bridges + math.log(BRIDGES))

    def _segments(self, along: Tensor, across: Tensor) -> Tensor:
        end, normal = self.side - 1, torch.distributions.Normal(along.new_zeros(()), along.new_ones(()))
        inside = normal.cdf((along + end) / WIDTH) - normal.cdf((along - end) / WIDTH)
        line = torch.arange(1 - self.side, self.side, 2, dtype=across.dtype)
        rows = normal.log_prob((across[:, None] - line) / WIDTH).logsumexp(1) - math.log(self.side * WIDTH)
        return inside.clamp(min=1e-300).log() - math.log(2 * end) + rows


def divergence(at_real: Tensor, at_fake: Tensor) -> float:
    """Return the Jensen-Shannon divergence that logits show at the best threshold, in nats."""
    losses = [softplus(c - at_real).mean() + softplus(at_fake - c).mean() for c in torch.linspace(-3, 3, 121)]
    return math.log(2) - float(torch.stack(losses).min()) / 2


def seen(side: int, gamma: float, steps: int) -> tuple[float, float, float]:
    """Return the divergence that the discriminator finds, the true one, and the processor seconds."""
    law, data = grid(side)
    torch.manual_seed(0)
    fakes = Bridged(side, law)
    config = find_preset("gan-2d")
    assert isinstance(config.model, GANConfig)
    model = GAN(replace(config.model, r1=gamma, r2=gamma), Facts(data.space, len(data)), generator=fakes)
    state, started = State(model, steps=steps, ema=0.99), time.process_time()
    fit(state, Loader(data, config.training.batch_size, seed=0), log_every=steps)
    seconds = time.process_time() - started
    assert state.ema is not None
    state.ema.swap()
    x, x_fake = law.sample(N, torch.Generator().manual_seed(1)), fakes.draw(N)
    ratios = [law.log_prob(v.double()) - fakes.log_prob(v.double()) for v in (x, x_fake)]
    with torch.no_grad():
        logits = [model.logits(v.float()) for v in (x, x_fake)]
    return divergence(*logits), divergence(*ratios), seconds


def told(side: int, change: dict[str, int], steps: int) -> tuple[float, float]:
    """Return the share of high quality of a generator that learns the exact map, and the processor seconds."""
    law, data = grid(side)
    torch.manual_seed(0)
    model = find_preset("gan-2d").model
    assert isinstance(model, GANConfig)
    config = replace(model, **{"latent_octaves": 0, **change})  # type: ignore[arg-type]
    generator = build_generator(config, data.space, 2)
    optimizer = build_optimizer(config.generator_optimizer, list(generator.parameters()))
    schedule, started = Schedule(config.generator_optimizer, optimizer, steps, 1.0), time.process_time()
    for step in range(steps):
        z = torch.randn(256, 2)
        loss = (generator(z) - exact(z, side)).square().mean() / data.space.std**2
        slopes = torch.autograd.grad(loss, optimizer.parameters)
        for parameter, slope in zip(optimizer.parameters, slopes, strict=True):
            parameter.grad = slope
        schedule.set(step)
        optimizer.step(optimizer.gradients())
    seconds = time.process_time() - started
    with torch.no_grad():
        x = generator(torch.randn(N, 2))
    return float(find_modes(x, law).high_quality.sum() / N), seconds


def exact(z: Tensor, side: int) -> Tensor:
    """Return (n, 2) the quantiles of the grid's marginals for codes (n, 2)."""
    place = side * torch.special.ndtr(z)
    mode = place.floor().clamp(0, side - 1)
    return 2 * mode - (side - 1) + WIDTH * torch.special.ndtri((place - mode).clamp(1e-5, 1 - 1e-5))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, nargs="+", default=[5, 10])
    parser.add_argument("--steps", type=int, default=2_000)
    given = parser.parse_args()
    torch.set_num_threads(1)
    print("| modes | gamma | divergence found | true | s |\n|---|---|---|---|---|")
    for side, gamma in ((side, gamma) for side in given.side for gamma in GAMMAS):
        found, true, seconds = seen(side, gamma, given.steps)
        print(f"| {side * side} | {gamma} | {found:.4f} | {true:.4f} | {seconds:.0f} |", flush=True)
    print("\n| modes | generator | high quality | s |\n|---|---|---|---|")
    for side, change in ((side, change) for side in given.side for change in GENERATORS):
        quality, seconds = told(side, change, given.steps)
        name = ", ".join(f"{key} {value}" for key, value in change.items()) or "of width 64"
        print(f"| {side * side} | {name} | {quality:.3f} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
