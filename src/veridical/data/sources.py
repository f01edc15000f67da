"""From what a person names (a set, a folder, a file) to `ArrayData`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch

from veridical.config import DataConfig
from veridical.data.dataset import ArrayData
from veridical.data.errors import DataError, did_you_mean
from veridical.data.named import NAMED, find, how_to_get, read_named
from veridical.targets import GaussianMixture, grid, ring

Split = Literal["train", "test"]

MIXTURES: dict[str, tuple[str, Callable[[], GaussianMixture]]] = {
    "ring": ("100,000 points of 8 Gaussians of width 0.01 on the unit circle (VEEGAN, PacGAN); drawn", ring),
    "grid": ("100,000 points of 25 Gaussians of width 0.05 on {-4,-2,0,2,4}^2 (VEEGAN, PacGAN); drawn", grid),
}
_DRAWS = {"train": (100_000, 0), "test": (25_000, 1)}  # size and seed of each split of a drawn set


def load(config: DataConfig, split: Split = "train") -> ArrayData:
    """Read the data of a configuration.

    Args:
        config: what to read and how to make it fit.
        split: "train", or "test" for examples kept from training.

    Raises:
        DataError: no such source, or data that cannot be used.
    """
    if config.source in MIXTURES:
        return _draw(config.source, split)
    if config.source in NAMED:
        return _named(config, split)
    raise DataError(f"source is {config.source!r}; no such set.{did_you_mean(config.source, names())}")


def names() -> dict[str, str]:
    """Return every named set with one line on what it is and whether it is available now."""
    lines = {name: f"{NAMED[name].summary}; {_availability(name)}" for name in NAMED}
    return lines | {name: summary for name, (summary, _) in MIXTURES.items()}


def _availability(name: str) -> str:
    path = find(name)
    if path is None:
        return f"not on this machine: {how_to_get(name)}"
    return "in the package" if path.parent.name == "shipped" else f"found at {path}"


def _draw(name: str, split: Split) -> ArrayData:
    """Draw a split of a law; the test split is a fresh draw with another seed, in the space of the training split."""
    law = MIXTURES[name][1]()
    n, seed = _DRAWS[split]
    x = law.sample(n, torch.Generator().manual_seed(seed), torch.float32)
    space = None if split == "train" else _draw(name, "train").space
    return ArrayData(x, space=space, name=name, target=law)


def _named(config: DataConfig, split: Split) -> ArrayData:
    name = config.source
    x, y = read_named(name, split)
    space = None if split == "train" else _named(config, "train").space
    return ArrayData(x, y if config.labels else None, space=space, levels=NAMED[name].levels, name=name)
