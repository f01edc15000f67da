"""From what a person names (a set, a folder, a file) to `ArrayData`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from veridical.config import DataConfig
from veridical.data.archives import holds_split
from veridical.data.cache import read_images
from veridical.data.dataset import ArrayData
from veridical.data.drawn import SUMMARIES, draw, is_drawn
from veridical.data.errors import DataError, NoSuchDataError, NoTestSplitError
from veridical.data.fetch import get
from veridical.data.files import Arrays, read_both_splits, read_file
from veridical.data.folder import Listing, invisible, list_images, range_notes
from veridical.data.images import extensions
from veridical.data.named import NAMED, find, how_to_get, read_named, recognise
from veridical.data.shaping import shape_images
from veridical.data.space import Space
from veridical.data.split import held_out
from veridical.data.stacked import STACKED, read_stacked
from veridical.data.stacked import SUMMARY as STACKED_SUMMARY
from veridical.data.wav import read_wavs, wavs_in
from veridical.nearest import did_you_mean, nearest

__all__ = ["get", "load", "load_examples", "load_splits", "names", "split_folder", "splits_of"]

Split = Literal["train", "test"]

_SET = "set:"  # before the name of a named set, where a folder has the same name
_TEST_NAMES = ("test", "val", "valid", "validation")


def load(config: DataConfig | str, split: Split = "train", *, memory_limit: int | None = None) -> ArrayData:
    """Read the data of a configuration, or of a name or path as it is.

    Where a set has no test split of its own, the share `config.holdout` of its examples is kept from training and is
    the test split, always the same ones (`split.held_out`); its space (mean and std too) is that of the whole.

    Args:
        config: what to read and how to make it fit; or a name, folder or file alone.
        split: "train", or "test" for examples kept from training.
        memory_limit: bytes of decoded images of a folder kept in memory; None: half of what is free.

    Raises:
        DataError: no such source, or data that cannot be used.
    """
    config = DataConfig(source=config) if isinstance(config, str) else config
    name = set_name(config.source)
    if name is not None:
        config = replace(config, source=name)
        return draw(config, split) if is_drawn(name) else _read_set(config, split)
    path = find_path(config.source)
    own = split_folder(path)
    if own is not None:
        return _folder_of_splits(config, *own, split, memory_limit)
    return _parts(path, config, memory_limit)(split)


def load_examples(config: DataConfig, like: Space, split: Split = "train") -> ArrayData:
    """Read examples for a model of other data: all of a file or folder, or a part of a set that has parts of its own.

    Decoded images may be of one colour, or a single one: their space is known. Arrays are read as in `load`; integers
    that are all levels of the model's data are taken as such.

    Args:
        config: what to read and how to make it fit.
        like: the space of the model's data.
        split: of a named set, or a folder of splits.

    Raises:
        DataError: no such source, data that cannot be used, or of another shape than those of the model.
    """
    config = replace(config, holdout=0.0)
    if set_name(config.source) is not None or split_folder(path := find_path(config.source)) is not None:
        data = load(config, split)
    else:
        arrays = _read_path(path, config, None)
        if math.prod(arrays.x.shape[1:]) != like.dim:
            raise other_shape(path.name, arrays.x.shape[1:], "the model's data", like.shape)
        levels = _known_levels(arrays, config, like)
        space = None if levels is None else replace(like, levels=levels, classes=None)
        if space is not None:
            arrays = arrays._replace(x=arrays.x.astype(np.uint8, copy=False))
        data = _array_data(arrays, config, path.name, space=space)
    if data.space.shape != like.shape:
        raise other_shape(data.name, data.space.shape, "the model's data", like.shape)
    return data


def _known_levels(arrays: Arrays, config: DataConfig, like: Space) -> int | None:
    """Return the number of levels of what was read: of decoded images, or of an array that holds those of a model."""
    x = arrays.x
    if arrays.eight_bit and like.kind == "image":
        return _levels(arrays, config)
    if like.levels is None or like.levels > 256 or config.levels is not None or x.dtype.kind not in "iu":
        return None
    return like.levels if x.size and 0 <= int(x.min()) and int(x.max()) < like.levels else None


def other_shape(name: str, shape: tuple[int, ...], other: str, like: tuple[int, ...]) -> DataError:
    """Return the error that two sets of examples have different shapes.

    Args:
        name: of one set.
        shape: of its examples.
        other: the other set, in words.
        like: the shape of its examples.
    """
    side = like[-1] if len(like) == 3 and like[-1] == like[-2] else "N"
    remedy = f"Bring images to one size: --size {side} --fit crop (Reading(size={side}, fit='crop'))."
    return DataError(
        f"{name} contains examples of shape {shape}, {other} of shape {like}; they must be equal.",
        remedy if len(shape) == len(like) == 3 else f"Choose examples of shape {like}.",
    )


def load_splits(config: DataConfig) -> tuple[ArrayData, ArrayData | None]:
    """Read the training data and the examples held out (`splits_of`).

    Returns:
        The training data; the held-out examples, or None if there are none.

    Raises:
        DataError: no such source, or data that cannot be used.
    """
    parts = splits_of(config)
    try:
        test = parts("test")
    except NoTestSplitError:
        test = None
    return parts("train"), test


def splits_of(config: DataConfig) -> Callable[[Split], ArrayData]:
    """Return the function that takes a split of the data; a file or folder without splits is read once, here.

    Raises:
        DataError: no such source, or data that cannot be used.
    """
    if set_name(config.source) is None and split_folder(path := find_path(config.source)) is None:
        return _parts(path, config, None)
    return partial(load, config)


def _parts(path: Path, config: DataConfig, memory_limit: int | None) -> Callable[[Split], ArrayData]:
    """Read a file or folder, and return the function that takes a split of it."""
    arrays = _read_path(path, config, memory_limit)
    data = _array_data(arrays, config, path.name)
    return lambda split: _part(data, arrays.n_train, config, split)


def set_name(source: str) -> str | None:
    """Return the name of the named set that a source means, or None where it means a path.

    Raises:
        DataError: the name is ambiguous, or there is no such data set.

    Examples:
        >>> set_name("digits"), set_name("set:digits"), set_name("./digits")
        ('digits', 'digits', None)
    """
    name = source.removeprefix(_SET)
    known = name in (*NAMED, STACKED) or is_drawn(name)
    if name != source and not known:
        raise NoSuchDataError(f"{name!r} is no named set.", did_you_mean(name, names_of_sets()))
    if name == source and known and Path(name).exists():
        what = "folder" if Path(name).is_dir() else "file"
        raise DataError(
            f"{name!r} is both a named set and a {what} here.",
            f"Write ./{name} for the {what} or {_SET}{name} for the named set.",
        )
    return name if known else None


def names_of_sets() -> list[str]:
    """Return the names of all named sets."""
    return [*NAMED, STACKED, *SUMMARIES]


def names() -> dict[str, str]:
    """Return every named set with one line on what it is and whether it is available now."""
    lines = {name: f"{NAMED[name].summary}; {_availability(name)}" for name in NAMED}
    stacked = {STACKED: f"{STACKED_SUMMARY}; {_availability('mnist')}"}
    return lines | stacked | SUMMARIES


def find_path(source: str) -> Path:
    """Return the existing path of a source that is no named set.

    Raises:
        NoSuchDataError: there is no such file, folder or data set; the message names the closest one.
    """
    if not source:
        raise NoSuchDataError("no data are given.", f"Name a set ({', '.join(names_of_sets())}), a folder or a file.")
    path = Path(source).expanduser()
    if path.exists():
        return path
    around = [str(path.parent / entry.name) for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    close = nearest(source, [*names_of_sets(), *(entry.removeprefix("./") for entry in around)])
    raise NoSuchDataError(
        f"{source!r} is neither a named set nor a file or folder.",
        f"Did you mean {close}?" if close else f"Named sets: {', '.join(names_of_sets())}; see: veridical data list.",
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


def _stacked(config: DataConfig, split: Split) -> ArrayData:
    """Stack digits; the space of both splits is that of the training digits."""
    if config.size is not None or config.channels != "auto":
        raise DataError(f"{STACKED} has three channels of 28x28.", "Leave out size and channels.")
    return read_stacked(split, labels=config.labels)


def _read_set(config: DataConfig, split: Split) -> ArrayData:
    """Read a set that is kept in files."""
    if config.source == STACKED:
        return _stacked(config, split)
    named = NAMED[config.source]
    arrays = _shaped(Arrays(*read_named(config.source, split), class_names=named.classes), config, config.source)
    space = None if split == "train" else _read_set(config, "train").space
    return _array_data(arrays, config, config.source, named.levels, space)


def _folder_of_splits(config: DataConfig, train: Path, test: Path, split: Split, memory_limit: int | None) -> ArrayData:
    """Read one of two folders; the test folder must fit the space of the training folder."""
    arrays = _read_folder(train, config, memory_limit)
    data = _array_data(arrays, config, train.parent.name)
    if split == "train":
        return data
    listing = list_images(test, labels=config.labels)
    found = None if listing.classes is None else tuple(listing.classes)
    if found != arrays.class_names:
        raise DataError(
            f"the classes of {test} are {found}, those of {train} are {arrays.class_names}.",
            "Give both the same sub-folders, or read no labels (--no-labels).",
        )
    as_trained = replace(config, channels="grey" if data.space.shape[0] == 1 else "colour")
    arrays = _decoded(listing, as_trained, memory_limit)
    return _array_data(arrays, config, train.parent.name, space=data.space)


def _read_path(path: Path, config: DataConfig, memory_limit: int | None) -> Arrays:
    """Read a folder, one image or a file of arrays."""
    if path.is_dir():
        return _read_folder(path, config, memory_limit)
    if path.suffix.lower() == ".wav":
        return read_wavs([path], config.window)
    if path.suffix.lower() in extensions():
        return _decoded(Listing(path.parent, [path], None, ()), config, memory_limit)
    return _shaped(read_file(path), config, str(path))


def _read_folder(path: Path, config: DataConfig, memory_limit: int | None) -> Arrays:
    if holds_split(path):
        arrays = read_both_splits(path)
        name = recognise(arrays.x[: arrays.n_train], "train")
        note = (f"these are the images of {name} (their SHA-256 is the published one)",) if name else ()
        return _shaped(arrays._replace(notes=note), config, str(path))
    if recordings := wavs_in(path):
        return read_wavs(recordings, config.window)
    return _decoded(list_images(path, labels=config.labels), config, memory_limit)


def _decoded(listing: Listing, config: DataConfig, memory_limit: int | None) -> Arrays:
    """Decode listed images."""
    decoded = read_images(listing, config, memory_limit)
    names = None if listing.classes is None else tuple(listing.classes)
    notes = (*listing.notes, *decoded.notes, *range_notes(int(decoded.x.max()), decoded.sixteen))
    if decoded.transparent and decoded.x.min() == decoded.x.max():
        raise DataError(*invisible(str(listing.folder), config.background))
    files = tuple(map(str, decoded.files))
    return Arrays(decoded.x, listing.labels(decoded.files), notes, class_names=names, eight_bit=True, files=files)


def _shaped(arrays: Arrays, config: DataConfig, where: str) -> Arrays:
    x, notes = shape_images(arrays.x, config, where)
    return arrays._replace(x=x, notes=(*arrays.notes, *notes))


def _array_data(
    arrays: Arrays, config: DataConfig, name: str, levels: int | None = None, space: Space | None = None
) -> ArrayData:
    """Make data of arrays.

    Args:
        arrays: as they were read.
        config: what the user knows of their values and axes.
        name: of the data.
        levels: of a named set.
        space: of the training split, for a test split.
    """
    kind = arrays.kind if arrays.kind is not None and config.kind == "auto" else config.kind
    data = ArrayData(
        arrays.x,
        arrays.y if config.labels else None,
        space=space,
        levels=_levels(arrays, config) if levels is None else levels,
        kind=kind,
        value_range=config.value_range,
        sample_rate=arrays.sample_rate if config.sample_rate is None else config.sample_rate,
        class_names=arrays.class_names if config.labels else None,
        name=name,
    )
    data.notes, data.files = (*arrays.notes, *data.notes), arrays.files
    return data


def _levels(arrays: Arrays, config: DataConfig) -> int | None:
    """Levels of what was read; more than 256 were brought to 8 bits while images were decoded."""
    if not arrays.eight_bit:
        return config.levels
    return config.levels if config.levels is not None and config.levels <= 256 else 256


def _part(data: ArrayData, n_train: int | None, config: DataConfig, split: Split) -> ArrayData:
    """Return a split: the file's own, or the share that is held out."""
    row = torch.arange(len(data))
    test = row >= n_train if n_train is not None else torch.from_numpy(held_out(len(data), config.holdout))
    if split == "train":
        return data.subset(row[~test]) if test.any() else data
    if not test.any():
        if len(data) == 1:
            raise NoTestSplitError(
                f"{data.name} is one single example and has no test split.", "Give a test set of its own."
            )
        raise NoTestSplitError(
            f"{data.name} has no test split: of its {len(data):,} examples holdout {config.holdout:g} keeps none.",
            "Raise holdout, or put training and test images into folders train and test.",
        )
    return data.subset(row[test])
