"""Whether plug and play draws distant modes in their shares, with and without temperatures.

    python benchmarks/tempered_codes.py
    python benchmarks/tempered_codes.py --run RUN -n 200

*Closed form*: the condition is a mixture of two Gaussians of width 0.1 at +-1.5 of the first of D components, with
weights .2 and .8; under a standard normal prior these are the shares, while each basin has half of it. *A generator*:
`gan-2d` on the ring, 2,000 steps; the condition is "mode 0 with probability .2, mode 4 with .8" by the responsibilities
of the ring's mixture, and the reference is what 200,000 weighted draws of the prior give. *Images*, of a run on
Fashion-MNIST: "a bag with probability .2, trousers with .8" by the shipped classifier, and 20,000 weighted draws. One
line for each number of temperatures: the share of the rarer mode with its standard error over chains, renewals of a
chain, the mean exchange, and evaluations of the generator per chain.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from veridical.config import DataConfig
from veridical.config.presets import find_preset
from veridical.config.sampling import ConditionedSampling
from veridical.latent.guidance import decoder, latent_of
from veridical.latent.plug_and_play import plug_and_play
from veridical.model import GenerativeModel
from veridical.noise import SampleNoise
from veridical.targets import GaussianMixture, ring
from veridical.workflows.load import load
from veridical.workflows.sample import classifier_for
from veridical.workflows.start import train

WEIGHTS, FAR, WIDTH = torch.tensor([0.2, 0.8]), 1.5, 0.1
PAIR = [0, 4]
"""Opposite modes of the ring."""
CLASSES = [8, 1]
"""Bags and trousers."""


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


def in_classes(classifier: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Return the log-probability of the condition on images."""
    return lambda x: (classifier(x).log_softmax(dim=1)[:, CLASSES] + WEIGHTS.to(x).log()).logsumexp(dim=1)


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


def generator(steps: int, n: int, every: list[tuple[int, int]]) -> Iterator[str]:
    """Train a generator of the ring, draw and compare."""
    config = find_preset("gan-2d")
    training = replace(config.training, steps=steps, seed=0, precision="fp32")
    config = replace(config, data=DataConfig(source="ring"), training=training)
    with TemporaryDirectory() as folder:
        model = load(train(config, out=Path(folder) / "run", say=quiet).path, say=quiet).eval()
    target = ring()
    yield from compare(
        "`gan-2d`, ring", model, in_pair(target), lambda x: nearest(x, target) == PAIR[0], 200_000, n, every
    )


def images(run: Path, n: int, every: list[tuple[int, int]]) -> Iterator[str]:
    """Load a generator of images, draw and compare."""
    model = load(run, say=quiet).eval()
    classifier = classifier_for(model, ConditionedSampling(condition=str(CLASSES[0])))
    assert classifier is not None
    rare = partial(is_rare, classifier)
    yield from compare("images", model, in_classes(classifier), rare, 20_000, n, every)


def is_rare(classifier: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return whether the classifier takes each image for the rarer of the two classes."""
    return classifier(x)[:, CLASSES].argmax(dim=1) == 0


def compare(
    name: str,
    model: GenerativeModel,
    log_condition: Callable[[Tensor], Tensor],
    rare: Callable[[Tensor], Tensor],
    reference: int,
    n: int,
    every: list[tuple[int, int]],
) -> Iterator[str]:
    """Draw with so many temperatures and steps; return rows of the table.

    Args:
        name: of the case.
        model: with a code.
        log_condition: of examples.
        rare: whether examples belong to the rarer mode.
        reference: draws of the prior that give the true share.
        n: chains.
        every: temperatures and steps.
    """
    latent, decode = latent_of(model), decoder(latent_of(model), None)
    with torch.no_grad():
        drawn = (decode(latent.prior(1_000)) for _ in range(reference // 1_000))
        conditions, firsts = zip(*((log_condition(x), rare(x)) for x in drawn), strict=True)
    weights, first = torch.cat(conditions).double().exp(), torch.cat(firsts)
    expected, start = float(weights[first].sum() / weights.sum()), float(first.double().mean())
    effective = float(weights.sum().square() / weights.square().sum())
    print(f"{name}: {effective:.0f} effective draws, {start:.3f} of the prior nearer to the rarer mode", flush=True)
    for temperatures, n_steps in every:
        noise = SampleNoise(0, 0, n)
        z = latent.prior(n, noise)
        found = plug_and_play(decode, log_condition, z, n_steps=n_steps, temperatures=temperatures, noise=noise)
        with torch.no_grad():
            first = rare(decode(found.z))
        yield line(
            f"{name} | {expected:.3f} | {temperatures} | {n_steps}", first, expected, found, temperatures * n_steps
        )


def nearest(x: Tensor, target: GaussianMixture) -> Tensor:
    """Return the mode of each example."""
    return torch.cdist(x, target.means.to(x)).argmin(dim=1)


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2_000)
    parser.add_argument("-n", type=int, default=1_000)
    parser.add_argument("--run", type=Path, default=None, help="a run on images of Fashion-MNIST: only the third case")
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print("| case | share | temperatures | steps | found | renewals | without one | exchange | evaluations |")
    print("|---|---|---|---|---|---|---|---|---|")
    if given.run is not None:
        for row in images(given.run, given.n, [(1, 100), (1, 400), (4, 100), (4, 300)]):
            print(row, flush=True)
        return
    for dimension, temperatures, n_steps in (
        (2, 1, 200), (2, 1, 1_000), (2, 5, 200), (8, 1, 1_600), (8, 8, 200), (8, 8, 600), (32, 24, 600),
    ):  # fmt: skip
        print(closed_form(dimension, given.n, temperatures, n_steps), flush=True)
    for row in generator(given.steps, given.n, [(1, 200), (1, 1_600), (8, 200), (8, 600)]):
        print(row, flush=True)


if __name__ == "__main__":
    main()
