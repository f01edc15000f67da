"""Can a discriminator of 557 parameters see that the digits of Stacked MNIST have wrong shares?

    VERIDICAL_DATA=FOLDER python benchmarks/stacked_shares.py

No generator: the "fakes" are real stacks, drawn so that the digits of every channel are 0.28 nats from equal shares, as
those of a generator after 20,000 steps (`gan_stacked_mnist.py`). The discriminator of that benchmark, with its loss,
penalties and constant step, learns to tell them from stacks as they are. Printed: the lower bound of the
Jensen-Shannon divergence that it finds between 10,000 test stacks of each kind, and the divergence of the shares, which
is exact. One thread.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from gan_stacked_mnist import CHANNELS, configure, parse, tiny_discriminator, tiny_generator
from numpy.typing import NDArray
from scipy import optimize, special
from torch import Tensor

from veridical.config import DataConfig
from veridical.data.dataset import ArrayData
from veridical.data.sources import load
from veridical.data.stacked import DIGITS
from veridical.evaluation.stacked import kl_to_uniform
from veridical.families.gan import GAN
from veridical.objectives.game import diagnose, discriminator_turn
from veridical.training.optim import build_optimizer

NATS = 0.28
TESTED = 10_000
BATCH = 64

Shares = NDArray[np.float64]


def unequal_shares(seed: int) -> Shares:
    """Return (DIGITS, 10) shares, geometric in a random order of the digits, `NATS` from equal ones."""
    rng = np.random.default_rng(seed)
    orders = np.stack([rng.permutation(10) for _ in range(DIGITS)])

    def shares(slope: float) -> Shares:
        return special.softmax(slope * orders, axis=1)

    return shares(optimize.brentq(lambda slope: kl_to_uniform(shares(slope)).mean() - NATS, 0.01, 1.0))


def divergence(shares: Shares) -> float:
    """Return the Jensen-Shannon divergence, in nats, of stacks with these shares from stacks with equal ones."""
    stacks = np.einsum("a,b,c->abc", *shares)
    middle = (stacks + 1e-3) / 2
    return float(special.rel_entr(stacks, middle).sum() + special.rel_entr(1e-3, middle).sum()) / 2


def weights(data: ArrayData, shares: Shares) -> Tensor:
    """Return (n,) weights of the stacks, with which the digits have these shares."""
    assert data.labels is not None
    mode = data.labels.long()
    digits = torch.stack([mode // 100, mode // 10 % 10, mode % 10])
    ratio = [torch.from_numpy(s) / d.bincount(minlength=10) for s, d in zip(shares, digits, strict=True)]
    return torch.stack([r[d] for r, d in zip(ratio, digits, strict=True)]).prod(0)


def draw(data: ArrayData, weight: Tensor, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return n stacks, and n with these weights."""
    rows = torch.randint(len(data), (n,), generator=generator)
    return data.batch(rows).x, data.batch(torch.multinomial(weight, n, replacement=True, generator=generator)).x


def learn(train: ArrayData, test: ArrayData, shares: Shares, steps: int, seed: int) -> list[tuple[int, float, float]]:
    """Train a discriminator; return steps, nats found, and share of pairs ranked correctly, four times on the way."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    discriminator = tiny_discriminator(CHANNELS["quarter"], 1)
    model = GAN(configure(parse([])), train.space, generator=tiny_generator(), discriminator=discriminator)
    optimizer = build_optimizer(model.config.discriminator_optimizer, model.discriminator.parameters())
    drawn, tested = weights(train, shares), draw(test, weights(test, shares), TESTED, generator)
    found: list[tuple[int, float, float]] = []
    for step in range(1, steps + 1):
        loss = discriminator_turn(model.game, model.logits, *draw(train, drawn, BATCH, generator), step=step).loss
        model.discriminator.zero_grad()
        loss.backward()
        optimizer.step()
        if step % (steps // 4) == 0:
            with torch.no_grad():
                terms = diagnose(*tested, *map(model.logits, tested), relativistic=True, step=1)
            found.append((step, float(terms["js"]), float(terms["accuracy"])))
    return found


def main() -> None:
    """Train, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=1_000)
    given = parser.parse_args()
    torch.set_num_threads(1)
    train, test = (load(DataConfig(source="stacked-mnist"), split) for split in ("train", "test"))
    for seed in given.seeds:
        shares = unequal_shares(seed)
        print(f"seed {seed}: the shares differ by {divergence(shares):.4f} nats")
        for step, nats, accuracy in learn(train, test, shares, given.steps, seed):
            print(f"  step {step}: {nats:.4f} nats found, {accuracy:.3f} of the pairs ranked correctly", flush=True)


if __name__ == "__main__":
    main()
