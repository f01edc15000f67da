"""From what a person names (a set, a folder, a file) to `ArrayData`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch

from veridical.config import DataConfig
from veridical.data.archives import holds_split
from veridical.data.cache import read_pictures
from veridical.data.dataset import ArrayData
from veridical.data.errors import DataError, NoSuchDataError
from veridical.data.fetch import get
from veridical.data.files import Arrays, read_both_splits, read_file
from veridical.data.folder import list_pictures
from veridical.data.named import NAMED, find, how_to_get, read_named, recognise
from veridical.data.shaping import shape_pictures
from veridical.data.space import Space
from veridical.data.split import held_out
from veridical.data.stacked import STACKED, read_stacked
from veridical.data.stacked import SUMMARY as STACKED_SUMMARY
from veridical.nearest import nearest
from veridical.targets import GaussianMixture, grid, ring
from veridical.targets.categorical import Categorical, zipf, zipf_bits
from veridical.targets.ising import Ising
from veridical.targets.shapes import Shapes

__all__ = ["get", "load", "names", "split_folder"]

Split = Literal["train", "test"]

MIXTURES: dict[str, tuple[str, Callable[[], GaussianMixture]]] = {
    "ring": ("100,000 points of 8 Gaussians of width 0.01 on the unit circle (VEEGAN, PacGAN); drawn", ring),
    "grid": ("100,000 points of 25 Gaussians of width 0.05 on {-4,-2,0,2,4}^2 (VEEGAN, PacGAN); drawn", grid),
}
CATEGORICALS: dict[str, tuple[str, Callable[[], Categorical]]] = {
    "categorical": ("100,000 draws of one of 32 levels of known probabilities, 1/rank; drawn", zipf),
    "categorical-bits": ("the same law of 32 outcomes as words of 5 bits, dependent on each other; drawn", zipf_bits),
}
LAWS = MIXTURES | CATEGORICALS
"""Laws of vectors that are drawn from."""

SHAPES = "shapes"
"""The named set of pictures with known factors."""

LATTICE = "ising:L"
"""The named set of critical lattices of side L (or ising:HxW)."""

_DRAWS = {"train": (100_000, 0), "test": (25_000, 1)}  # size and seed of each split of a drawn set
_SHAPES = {"train": (50_000, 0), "test": (10_000, 1)}
_LATTICES = {"train": (50_000, 0), "test": (10_000, 1)}
_TEST_NAMES = ("test", "val", "valid", "validation")


def load(config: DataConfig, split: Split = "train", *, memory_limit: int | None = None) -> ArrayData:
    """Read the data of a configuration.

    Where a set has no test split of its own, the share `config.holdout` of its examples is kept from training and is
    the test split, always the same ones (`split.held_out`); its space (mean and std too) is that of the whole.

    Args:
        config: what to read and how to make it fit.
        split: "train", or "test" for examples kept from training.
        memory_limit: bytes of decoded pictures of a folder kept in memory; None: half of what is free.

    Raises:
        DataError: no such source, or data that cannot be used.
    """
    if config.source in LAWS:
        return _draw(config, split)
    if config.source == SHAPES:
        return _shapes(config, split)
    if config.source.startswith(LATTICE[:-1]):
        return _lattices(config, split)
    if config.source == STACKED:
        return _stacked(config, split)
    if config.source in NAMED:
        return _named(config, split)
    path = find_path(config.source)
    own = split_folder(path)
    if own is not None:
        return _folder_of_splits(config, *own, split, memory_limit)
    arrays = _read_folder(path, config, memory_limit) if path.is_dir() else _shaped(read_file(path), config, str(path))
    return _part(_array_data(arrays, config, path.name), arrays.n_train, config, split)


def names() -> dict[str, str]:
    """Return every named set with one line on what it is and whether it is available now."""
    lines = {name: f"{NAMED[name].summary}; {_availability(name)}" for name in NAMED}
    lattices = "50,000 critical configurations of the Ising model on a torus of side L (or ising:HxW), 2 levels; drawn"
    shapes = "50,000 grey 28x28 pictures of a shape whose kind, scale, orientation and place are known; drawn"
    drawn = {name: summary for name, (summary, _) in LAWS.items()} | {SHAPES: shapes, LATTICE: lattices}
    stacked = {STACKED: f"{STACKED_SUMMARY}; {_availability('mnist')}"}
    return lines | stacked | drawn


def is_drawn(source: str) -> bool:
    """Tell whether a source is the name of a law that is drawn from."""
    return source in LAWS or source == SHAPES or source.startswith(LATTICE[:-1])


def find_path(source: str) -> Path:
    """Return the existing path of a source that is no named set.

    Raises:
        NoSuchDataError: nothing of that name; the nearest names are said.
    """
    if not source:
        raise NoSuchDataError(
            "no data are given.",
            f"Name a set ({', '.join([*NAMED, STACKED, *LAWS, SHAPES, LATTICE])}), a folder or a file.",
        )
    path = Path(source).expanduser()
    if path.exists():
        return path
    beside = [str(path.parent / entry.name) for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    close = nearest(source, [*NAMED, STACKED, *LAWS, SHAPES, LATTICE, *(entry.removeprefix("./") for entry in beside)])
    raise NoSuchDataError(
        f"{source!r} is neither a named set nor a file or folder.",
        f"Did you mean {close}?"
        if close
        else f"Named sets: {', '.join([*NAMED, STACKED, *LAWS, SHAPES, LATTICE])}; see: veridical data list.",
    )


def split_folder(path: Path) -> tuple[Path, Path] | None:
    """Return the training and the test folder of a folder that holds both, by their usual names; otherwise None."""
    if not (path / "train").is_dir():
        return None
    test = next((path / name for name in _TEST_NAMES if (path / name).is_dir()), None)
    return None if test is None else (path / "train", test)


def _availability(name: str) -> str:
    path = find(name)
    if path is None:
        return f"not on this machine: {how_to_get(name)}"
    return "in the package" if path.parent.name == "shipped" else f"found at {path}"


def _draw(config: DataConfig, split: Split) -> ArrayData:
    """Draw a split of a law; the test split is a fresh draw with another seed, in the space of the training split."""
    if config.size is not None or config.channels != "auto":
        raise DataError(f"{config.source} are points, not pictures.", "Leave out size and channels.")
    law = LAWS[config.source][1]()
    n, seed = _DRAWS[split]
    x = law.sample(n, torch.Generator().manual_seed(seed), torch.float32)
    if isinstance(law, Categorical):
        space = Space((law.dim,), "vector", (0.0, law.levels - 1.0), law.levels, mean=law.mean(), std=law.std())
        return ArrayData(x.to(torch.uint8), space=space, name=config.source, target=law)
    space = None if split == "train" else _draw(config, "train").space
    return ArrayData(x, space=space, name=config.source, target=law)


def _shapes(config: DataConfig, split: Split) -> ArrayData:
    """Draw a split of the shapes, at the side asked for; its target knows the factors of every row."""
    if config.channels == "colour":
        raise DataError(f"{config.source} are grey.", "Leave out channels.")
    n, seed = _SHAPES[split]
    law = Shapes(config.size or 28, seed=seed)
    factors = law.factors(torch.arange(n))
    x = ((law.render(factors, torch.float32) + 1) * 127.5).round().to(torch.uint8)
    space = None if split == "train" else _shapes(config, "train").space
    labels = factors[:, 0].long() if config.labels else None
    return ArrayData(x, labels, space=space, name=config.source, target=law)


def _lattices(config: DataConfig, split: Split) -> ArrayData:
    """Draw critical configurations; mean and standard deviation of a spin are exact."""
    if config.size is not None or config.channels != "auto":
        raise DataError(f"{config.source} are lattices, not pictures.", "Leave out size and channels.")
    sides = config.source.removeprefix("ising:").split("x")
    if len(sides) > 2 or not all(side.isascii() and side.isdigit() and int(side) > 1 for side in sides):
        raise DataError(
            f"{config.source!r} names no lattice.", "Write its side, ising:16, or height x width, ising:16x32."
        )
    law = Ising(int(sides[0]), int(sides[-1]))
    n, seed = _LATTICES[split]
    space = Space(law.shape, kind="lattice", support=(-1.0, 1.0), levels=2, mean=0.0, std=1.0)
    name = law.name.replace(":", "-")  # names become folders
    return ArrayData(law.draw(n, seed), space=space, name=name, target=law)


def _stacked(config: DataConfig, split: Split) -> ArrayData:
    """Stack digits; the space of both splits is that of the training digits."""
    if config.size is not None or config.channels != "auto":
        raise DataError(f"{STACKED} has three channels of 28x28.", "Leave out size and channels.")
    return read_stacked(split, labels=config.labels)


def _named(config: DataConfig, split: Split) -> ArrayData:
    arrays = _shaped(Arrays(*read_named(config.source, split)), config, config.source)
    space = None if split == "train" else _named(config, "train").space
    return _array_data(arrays, config, config.source, NAMED[config.source].levels, space)


def _folder_of_splits(config: DataConfig, train: Path, test: Path, split: Split, memory_limit: int | None) -> ArrayData:
    """Read one of two folders; the test folder must fit the space of the training folder."""
    arrays = _read_folder(train, config, memory_limit)
    data = _array_data(arrays, config, train.parent.name)
    if split == "train":
        return data
    known = list_pictures(train, labels=config.labels).classes
    listing = list_pictures(test, labels=config.labels)
    if listing.classes != known:
        raise DataError(
            f"the classes of {test} are {listing.classes}, those of {train} are {known}.",
            "Give both the same sub-folders, or read no labels (--no-labels).",
        )
    as_trained = replace(config, channels="grey" if data.space.shape[0] == 1 else "colour")
    decoded = read_pictures(listing, as_trained, memory_limit)
    arrays = Arrays(decoded.x, listing.labels(decoded.files), (*listing.notes, *decoded.notes))
    return _array_data(arrays, config, train.parent.name, space=data.space)


def _read_folder(path: Path, config: DataConfig, memory_limit: int | None) -> Arrays:
    if holds_split(path):
        arrays = read_both_splits(path)
        name = recognise(arrays.x[: arrays.n_train], "train")
        note = (f"these are the pictures of {name} (their SHA-256 is the published one)",) if name else ()
        return _shaped(arrays._replace(notes=note), config, str(path))
    listing = list_pictures(path, labels=config.labels)
    decoded = read_pictures(listing, config, memory_limit)
    return Arrays(decoded.x, listing.labels(decoded.files), (*listing.notes, *decoded.notes))


def _shaped(arrays: Arrays, config: DataConfig, where: str) -> Arrays:
    x, notes = shape_pictures(arrays.x, config, where)
    return arrays._replace(x=x, notes=(*arrays.notes, *notes))


def _array_data(
    arrays: Arrays, config: DataConfig, name: str, levels: int = 256, space: Space | None = None
) -> ArrayData:
    data = ArrayData(arrays.x, arrays.y if config.labels else None, space=space, levels=levels, name=name)
    data.notes = (*arrays.notes, *data.notes)
    return data


def _part(data: ArrayData, n_train: int | None, config: DataConfig, split: Split) -> ArrayData:
    """Return a split: the file's own, or the share that is held out."""
    row = torch.arange(len(data))
    test = row >= n_train if n_train is not None else torch.from_numpy(held_out(len(data), config.holdout))
    if split == "train":
        return data.subset(row[~test]) if test.any() else data
    if not test.any():
        raise DataError(
            f"{data.name} has no test split: of its {len(data):,} examples holdout {config.holdout:g} keeps none.",
            "Raise holdout, or put training and test pictures into folders train and test.",
        )
    return data.subset(row[test])
