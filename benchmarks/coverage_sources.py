"""Distributions of which `coverage.py` draws data, and models that are a little wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from veridical.config import DataConfig
from veridical.data.sources import load
from veridical.data.space import Space
from veridical.evaluation.extractors import extractor_for
from veridical.evaluation.features import extract_data
from veridical.targets import Law, correlated, heavy_tailed, ring, simplex
from veridical.targets.categorical import zipf
from veridical.targets.ising import Ising
from veridical.targets.law import HasEntropy

RARE, FACTOR = 0.2, 0.5
"""The imperfect model has this share of the distribution less often, by this factor."""


@dataclass(frozen=True)
class Source:
    """Draws of a distribution, and of a model that is a little wrong."""

    draw: Callable[[int, torch.Generator], Tensor]
    wrong: Callable[[int, torch.Generator], Tensor]
    law: Law | None = None
    space: Space | None = None
    shrunk: float = 1.0
    classes: int | None = None
    """Number of classes; the last column of the draws is then the class."""


def score(x: Tensor) -> Tensor:
    """Return where every row lies in one direction."""
    return x.flatten(1)[:, 0] if x.shape[1] < 100 and x.ndim == 2 else x.flatten(1).sum(dim=1)


def rarer(x: Tensor, n: int, generator: torch.Generator, cut: float) -> Tensor:
    """Return n rows, of which those beyond the cut are half as frequent; independent, as the cut is not theirs."""
    odd = (score(x) > cut) & (torch.rand(len(x), generator=generator) > FACTOR)
    return x[~odd][:n]


def cut_of(x: Tensor) -> float:
    """Return the score beyond which a fifth of the rows lies."""
    return float(score(x).quantile(1 - RARE))


def of_law(law: Law, shrunk: float) -> Source:
    """Return draws of a law of vectors."""
    if isinstance(law, HasEntropy):
        law.entropy = cache(law.entropy)  # type: ignore[method-assign]  # the same in all repetitions

    def draw(n: int, generator: torch.Generator) -> Tensor:
        return law.sample(n, generator, torch.float32)

    x = draw(10_000, torch.Generator().manual_seed(9))
    cut = cut_of(x)

    def wrong(n: int, generator: torch.Generator) -> Tensor:
        return shrunk * rarer(draw(2 * n, generator), n, generator, cut)

    space = Space(tuple(x.shape[1:]), "vector", None, None, mean=float(x.mean()), std=float(x.std()))
    return Source(draw, wrong, law, space, shrunk)


def of_pool(pool: Tensor, wrong: Callable[[int, torch.Generator], Tensor], **other: Any) -> Source:
    """Return draws without replacement from a large pool."""
    return Source(lambda n, g: pool[torch.randperm(len(pool), generator=g)[:n]], wrong, **other)


def images() -> Source:
    """Return features of images with their class in the last column; the model has softer, fewer ones."""
    parts = [load(DataConfig(source="fashion-mnist-10k"), split) for split in ("train", "test")]
    extractor = extractor_for(parts[0].space, "fashion-28", torch.device("cpu"))
    rows = torch.cat([extract_data(part, extractor) for part in parts])
    labels = torch.cat([part.labels.cpu() for part in parts])  # type: ignore[union-attr]
    pool, middle = torch.cat([rows, labels[:, None].float()], dim=1), rows.mean(dim=0)
    cut = cut_of(pool)

    def wrong(n: int, generator: torch.Generator) -> Tensor:
        x = rarer(pool[torch.randperm(len(pool), generator=generator)[: 2 * n]], n, generator, cut)
        return torch.cat([middle + 0.97 * (x[:, :-1] - middle), x[:, -1:]], dim=1)

    return of_pool(pool, wrong, classes=10)


def spins() -> Source:
    """Return critical lattices; the model is 3 % too hot, and its positive lattices are fewer."""
    law, hot = Ising(8), Ising(8, coupling=0.97 * Ising(8).coupling)
    pool, other = (
        at.sample(40_000, torch.Generator().manual_seed(i), torch.float32) for i, at in enumerate((law, hot))
    )
    space = Space(law.shape, kind="lattice", support=(-1.0, 1.0), levels=2, mean=0.0, std=1.0)
    cut = cut_of(other)

    def wrong(n: int, generator: torch.Generator) -> Tensor:
        return rarer(other[torch.randperm(len(other), generator=generator)[: 2 * n]], n, generator, cut)

    return of_pool(pool, wrong, law=law, space=space)


def outcomes() -> Source:
    """Return draws of a categorical law."""
    return of_law(zipf(), 1.0)


SOURCES: Mapping[str, Callable[[], Source]] = {
    "ring": lambda: of_law(ring(), 0.995),
    "simplex": lambda: of_law(simplex(), 0.97),
    "correlated": lambda: of_law(correlated(), 0.97),
    "heavy-tailed": lambda: of_law(heavy_tailed(), 0.97),
    "images": images,
    "spins": spins,
    "categorical": outcomes,
}
