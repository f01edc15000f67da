"""Data sets drawn from known distributions: points, words of bits, images, shapes, spin lattices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch

from veridical import budget
from veridical.config import DataConfig
from veridical.data.cache import available_memory
from veridical.data.dataset import ArrayData
from veridical.data.errors import DataError
from veridical.data.named import NAMED, read_named
from veridical.data.space import Space
from veridical.targets import CorrelatedMixture, Law, correlated, grid, heavy_tailed, principal_mixture, ring, simplex
from veridical.targets import shapes as shapes_law
from veridical.targets.bars import BarsAndStripes
from veridical.targets.categorical import Categorical, zipf, zipf_bits
from veridical.targets.ising import Ising
from veridical.targets.shapes import Shapes
from veridical.targets.tones import Tones
from veridical.targets.wells import forty, many_well

Split = Literal["train", "test"]

DENSITIES: dict[str, tuple[str, Callable[[], Law]]] = {
    "ring": ("100,000 points of 8 Gaussians of width 0.01 on the unit circle (VEEGAN, PacGAN); drawn", ring),
    "grid": ("100,000 points of 25 Gaussians of width 0.05 on {-4,-2,0,2,4}^2 (VEEGAN, PacGAN); drawn", grid),
    "simplex": ("100,000 points of 25 Gaussians of width 1 in 32 dimensions, all 6 apart; drawn", simplex),
    "correlated": ("100,000 points of a Gaussian in 64 dimensions, correlations 0.9^|i-j|; drawn", correlated),
    "heavy-tailed": ("100,000 points of a t distribution of 5 degrees of freedom in 8 dimensions; drawn", heavy_tailed),
    "forty": ("100,000 points of 40 Gaussians of width 1.3 at random places in a square of side 80; drawn", forty),
    "many-well": ("100,000 points of 16 double wells in 32 dimensions, whose normalisation is known; drawn", many_well),
    "drawn-digits": (
        "100,000 grey 8x8 images of the mixture of 10 Gaussians, one per digit, fitted to digits; drawn",
        lambda: drawn_digits(),  # defined below
    ),
}
CATEGORICALS: dict[str, tuple[str, Callable[[], Categorical]]] = {
    "categorical": ("100,000 draws of one of 32 levels of known probabilities, 1/rank; drawn", zipf),
    "categorical-bits": ("the same distribution of 32 outcomes as words of 5 dependent bits; drawn", zipf_bits),
}
LAWS = DENSITIES | CATEGORICALS
"""Distributions drawn without further choices: of vectors, and of small images."""

SHAPES = "shapes"
"""The named set of images with known factors."""

LATTICE = "ising:L"
"""The named set of critical lattices of side L (or ising:HxW)."""

BARS = "bars:N"
"""The named set of bars and stripes of side N."""

TONES = "tones"
"""The named set of sequences with a known density."""

_DRAWS = {"train": (100_000, 0), "test": (25_000, 1)}  # size and seed of each split of a drawn set
_SHAPES = {"train": (50_000, 0), "test": (10_000, 1)}
_TONES = {"train": (20_000, 0), "test": (5_000, 1)}
_LATTICES = {"train": (50_000, 0), "test": (10_000, 1)}

SUMMARIES: dict[str, str] = {
    **{name: summary for name, (summary, _) in LAWS.items()},
    SHAPES: "50,000 grey 28x28 images of a shape whose kind, scale, orientation and place are known; drawn",
    LATTICE: "50,000 critical configurations of the Ising model on a torus of side L (or ising:HxW), 2 levels; drawn",
    TONES: "20,000 sequences of 128 steps at 8 kHz: a resonator of 440 Hz driven by noise, density known; drawn",
    BARS: "50,000 images of N x N bits, all rows equal or all columns (bars and stripes, N from 2 to 30); drawn",
}
"""One line on each, by name."""


def is_drawn(name: str) -> bool:
    """Return whether a name is that of a distribution that is drawn from."""
    return name in LAWS or name in (SHAPES, TONES) or name.startswith((LATTICE[:-1], BARS[:-1]))


def draw(config: DataConfig, split: Split) -> ArrayData:
    """Draw a split; that for testing is drawn with another seed and shares the space of the training split.

    Raises:
        DataError: options that the set has no use for, or a name that is no lattice.
    """
    if config.source in LAWS:
        return _points(config, split)
    if config.source.startswith(BARS[:-1]):
        return _bars(config, split)
    if config.source == TONES:
        return _tones(config, split)
    return _shapes(config, split) if config.source == SHAPES else _lattices(config, split)


def _points(config: DataConfig, split: Split) -> ArrayData:
    """Draw a split of points; the test split is a fresh draw with another seed, in the space of the training split."""
    if config.size is not None or config.channels != "auto":
        raise DataError(f"{config.source} are points, not images.", "Leave out size and channels.")
    n, seed = _DRAWS[split]
    random = torch.Generator().manual_seed(seed)
    if config.source in CATEGORICALS:
        law = CATEGORICALS[config.source][1]()
        x = law.sample(n, random, torch.float32)
        space = Space((law.dim,), "vector", (0.0, law.levels - 1.0), law.levels, mean=law.mean(), std=law.std())
        return ArrayData(x.to(torch.uint8), space=space, name=config.source, target=law)
    law = DENSITIES[config.source][1]()
    space = None if split == "train" else _points(config, "train").space
    x = law.sample(n, random, torch.float32)
    if space is None and x.ndim == 4:  # images whose values have no bounds
        space = Space(tuple(x.shape[1:]), "image", None, None, mean=float(x.mean()), std=float(x.std()))
    return ArrayData(x, space=space, name=config.source, target=law)


def drawn_digits() -> CorrelatedMixture:
    """Return a known distribution of images: a principal component analyser for each class of the shipped digits.

    Examples are 1 x 8 x 8, in the units of the data set `digits`, where black is -1 and white 1; the density of a
    Gaussian has no bounds, and values beyond both occur.

    Examples:
        >>> drawn_digits()
        CorrelatedMixture(drawn-digits v1: 10 Gaussians in 64 d)
    """
    images, labels = read_named("digits", "train")
    x = 2 * torch.as_tensor(images).double() / (NAMED["digits"].levels - 1) - 1
    return principal_mixture(x, torch.as_tensor(labels).long(), name="drawn-digits")


def _shapes(config: DataConfig, split: Split) -> ArrayData:
    """Draw a split of the shapes at the requested side; its target has the factors of every row."""
    if config.channels == "colour":
        raise DataError(f"{config.source} are grey images.", "Omit channels.")
    n, seed = _SHAPES[split]
    _require_memory(n * (config.size or 28) ** 2 * 12, f"{config.source} of side {config.size}")
    law = Shapes(config.size or 28, seed=seed)
    factors = law.factors(torch.arange(n))
    x = ((law.render(factors, torch.float32) + 1) * 127.5).round().to(torch.uint8)
    space = None if split == "train" else _shapes(config, "train").space
    labels = factors[:, 0].long() if config.labels else None
    return ArrayData(x, labels, space=space, class_names=shapes_law.SHAPES, name=config.source, target=law)


def _tones(config: DataConfig, split: Split) -> ArrayData:
    """Draw sequences; mean and standard deviation of a step are exact."""
    if config.size is not None or config.channels != "auto":
        raise DataError(f"{config.source} are sequences, not images.", "Leave out size and channels.")
    n, seed = _TONES[split]
    law = Tones()
    x = law.sample(n, torch.Generator().manual_seed(seed), torch.float32)
    space = Space((1, law.steps), "sequence", None, None, mean=0.0, std=1.0, sample_rate=law.sample_rate)
    return ArrayData(x, space=space, name=config.source, target=law)


def _lattices(config: DataConfig, split: Split) -> ArrayData:
    """Draw critical configurations; mean and standard deviation of a spin are exact."""
    if config.size is not None or config.channels != "auto":
        raise DataError(f"{config.source} are lattices, not images.", "Leave out size and channels.")
    sides = config.source.removeprefix("ising:").split("x")
    if len(sides) > 2 or not all(_is_side(side) for side in sides):
        raise DataError(
            f"{config.source!r} names no lattice.", "Write its side, ising:16, or height x width, ising:16x32."
        )
    n, seed = _LATTICES[split]
    _require_memory(n * int(sides[0]) * int(sides[-1]), config.source)
    law = Ising(int(sides[0]), int(sides[-1]))
    space = Space(law.shape, kind="lattice", support=(-1.0, 1.0), levels=2, mean=0.0, std=1.0)
    name = law.name.replace(":", "-")  # names become folders
    return ArrayData(law.draw(n, seed), space=space, name=name, target=law)


def _bars(config: DataConfig, split: Split) -> ArrayData:
    """Draw bars and stripes; mean and standard deviation of a bit are exact."""
    if config.size is not None or config.channels != "auto":
        raise DataError(f"{config.source} are images of bits.", "Leave out size and channels; the side is in the name.")
    side = config.source.removeprefix(BARS[:-1])
    if not _is_side(side) or int(side) > 30:
        raise DataError(f"{config.source!r} names no bars and stripes.", "Write a side from 2 to 30, as in bars:4.")
    n, seed = _LATTICES[split]
    law = BarsAndStripes(int(side))
    x = law.sample(n, torch.Generator().manual_seed(seed), torch.float32)
    space = Space(law.shape, support=law.support, levels=2, mean=0.0, std=1.0)
    return ArrayData(((x + 1) / 2).to(torch.uint8), space=space, name=law.name.replace(":", "-"), target=law)


def _is_side(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 1


def _require_memory(needed: int, what: str) -> None:
    """Refuse a draw that does not fit into the free memory."""
    free = available_memory()
    if needed > free:
        raise DataError(
            f"{what} need {budget.written(needed)} of memory; {budget.written(free)} are free.",
            "Choose a smaller side.",
        )
