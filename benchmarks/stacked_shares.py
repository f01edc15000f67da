"""Can a discriminator of 557 parameters see what is wrong with a generator of Stacked MNIST?

    VERIDICAL_DATA=FOLDER python benchmarks/stacked_shares.py

The discriminator of `gan_stacked_mnist.py`, with its loss, penalties and constant step, learns to tell stacks from two
kinds of fakes. *Wrong shares*: real stacks, drawn so that the digits of every channel are 0.28 nats from equal shares,
as those of a generator after 20,000 steps; beside what it finds stands the divergence of these shares from MNIST's,
which is exact. *Held still*: a generator of that benchmark after 2,000 steps, as the game sees it (its weights, and
statistics of the batch) and as it is measured (averaged weights, and kept statistics). Printed: the lower bound of the
Jensen-Shannon divergence on 10,000 test stacks and as many fakes, and the share of pairs that are ranked correctly. One
thread, about six minutes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from gan_stacked_mnist import CHANNELS, averaged, configure, parse, play, tiny_discriminator, tiny_generator
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
Draw = Callable[[int], Tensor]
"""From a number of examples to as many."""


def unequal_shares(seed: int) -> Shares:
    """Return (DIGITS, 10) shares, geometric in a random order of the digits, `NATS` from equal ones."""
    rng = np.random.default_rng(seed)
    orders = np.stack([rng.permutation(10) for _ in range(DIGITS)])

    def shares(slope: float) -> Shares:
        return special.softmax(slope * orders, axis=1)

    return shares(optimize.brentq(lambda slope: kl_to_uniform(shares(slope)).mean() - NATS, 0.01, 1.0))


def digits_of(data: ArrayData) -> Tensor:
    """Return (DIGITS, n) the digits of the channels."""
    assert data.labels is not None
    mode = data.labels.long()
    return torch.stack([mode // 100, mode // 10 % 10, mode % 10])


def shares_of(data: ArrayData) -> Shares:
    """Return (DIGITS, 10) the shares of the digits in data."""
    return np.stack([digits.bincount(minlength=10) / len(data) for digits in digits_of(data)])


def divergence(p: Shares, q: Shares) -> float:
    """Return the Jensen-Shannon divergence, in nats, of stacks of independent digits with these shares."""
    p, q = (np.einsum("a,b,c->abc", *shares) for shares in (p, q))
    middle = (p + q) / 2
    return float(special.rel_entr(p, middle).sum() + special.rel_entr(q, middle).sum()) / 2


def with_shares(data: ArrayData, shares: Shares, generator: torch.Generator) -> Draw:
    """Return a function that draws stacks with these shares."""
    weight = torch.from_numpy(shares / shares_of(data))
    weights = torch.stack([w[d] for w, d in zip(weight, digits_of(data), strict=True)]).prod(0)
    return lambda n: data.batch(torch.multinomial(weights, n, replacement=True, generator=generator)).x


@torch.no_grad()
def fakes(model: GAN, n: int) -> Tensor:
    """Return n fakes, in batches of the game, whose statistics a generator in training uses."""
    return torch.cat([model.decode(model.prior(BATCH)) for _ in range(0, n, BATCH)])[:n]


def learn(train: ArrayData, test: ArrayData, fake: Draw, fake_test: Draw, steps: int, seed: int) -> None:
    """Train a discriminator on stacks and fakes; print what it finds four times on the way."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    discriminator = tiny_discriminator(CHANNELS["quarter"], 1)
    model = GAN(configure(parse([])), train.space, generator=tiny_generator(), discriminator=discriminator)
    optimizer = build_optimizer(model.config.discriminator_optimizer, model.discriminator.parameters())

    def real(data: ArrayData, n: int) -> Tensor:
        return data.batch(torch.randint(len(data), (n,), generator=generator)).x

    tested = real(test, TESTED), fake_test(TESTED)
    for step in range(1, steps + 1):
        loss = discriminator_turn(model.game, model.logits, real(train, BATCH), fake(BATCH), step=step).loss
        model.discriminator.zero_grad()
        loss.backward()
        optimizer.step()
        if step % (steps // 4) == 0:
            with torch.no_grad():
                terms = diagnose(*tested, *map(model.logits, tested), relativistic=True, step=1)
            print(f"  step {step}: {terms['js']:.4f} nats found, {terms['accuracy']:.3f} of the pairs ranked correctly",
                  flush=True)  # fmt: skip


def main() -> None:
    """Train, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=1_000)
    parser.add_argument("--generator-steps", type=int, default=2_000)
    given = parser.parse_args()
    torch.set_num_threads(1)
    train, test = (load(DataConfig(source="stacked-mnist"), split) for split in ("train", "test"))
    for seed in given.seeds:
        shares, generator = unequal_shares(seed), torch.Generator().manual_seed(seed)
        print(f"wrong shares, seed {seed}: {divergence(shares, shares_of(test)):.4f} nats")
        drawn = [with_shares(data, shares, generator) for data in (train, test)]
        learn(train, test, *drawn, given.steps, seed)
    state = play(train, parse(["--steps", str(given.generator_steps), "--generator-schedule", "trapezoid"]), 0)
    assert isinstance(state.model, GAN)
    for name in ("as the game sees it", "as it is measured"):
        drawn = partial(fakes, state.model.train() if name == "as the game sees it" else averaged(state))
        for seed in given.seeds:
            print(f"held still, {name}, seed {seed}")
            learn(train, test, drawn, drawn, given.steps, seed)


if __name__ == "__main__":
    main()
