"""Arrays from files: npy, npz, pt, csv, idx and idx.gz, archives of the named sets. Nothing is ever unpickled."""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from veridical import budget
from veridical.data.archives import read_split
from veridical.data.axes import Kind
from veridical.data.cache import available_memory
from veridical.data.classes import texts
from veridical.data.errors import DataError
from veridical.data.idx import read_idx
from veridical.data.tables import read_csv
from veridical.npy import DAMAGED, Npz, named, open_npz, read_npy

Split = Literal["train", "test"]

X_KEYS, Y_KEYS = ("x", "images", "data"), ("y", "labels")
"""Names under which a file may hold examples and labels."""


class Arrays(NamedTuple):
    """What a file or folder holds, raw."""

    x: np.ndarray
    y: np.ndarray | None
    notes: tuple[str, ...] = ()
    n_train: int | None = None
    """Where the file has a split of its own: the number of training examples, which come first."""

    class_names: tuple[str, ...] | None = None
    """Names of the classes, where they have names."""

    kind: Kind | None = None
    """What the axes mean, where the file says so."""

    sample_rate: float | None = None
    """Steps per second of sequences, where the file says so."""

    eight_bit: bool = False
    """Whether these are images decoded to 8 bits."""

    files: tuple[str, ...] | None = None
    """The path of the file of each example; None: all are of one file of arrays."""


def read_file(path: Path) -> Arrays:
    """Read the arrays of a file, by its content where the ending does not tell.

    Raises:
        DataError: a format that is not read, a damaged file, keys that are not known, pickled objects.
    """
    name = path.name.lower()
    if name.endswith(".npy"):
        return Arrays(read_npy(path, map_above=available_memory() // 2), None)
    if name.endswith(".npz"):
        return _load_npz(path)
    if name.endswith((".pt", ".pth")):
        return _load_pt(path)
    if name.endswith((".csv", ".tsv")):
        return Arrays(*read_csv(path))
    if name.endswith((".tgz", ".tar.gz")):
        return read_both_splits(path)
    if re.search(r"idx\d|\.idx", name) or name.endswith((".gz", "ubyte")):
        return _load_idx(path)
    raise DataError(
        f"{path} is of no format that is read here.",
        "Expected a folder of images, one image, or a file npy, npz, pt, csv, idx, idx.gz.",
    )


def read_both_splits(path: Path) -> Arrays:
    """Read the training and the test part of a set of the form of MNIST or CIFAR-10, one after the other."""
    (x, y), (x_test, y_test) = read_split(path, "train"), read_split(path, "test")
    if x.shape[1:] != x_test.shape[1:] or y.shape[1:] != y_test.shape[1:]:
        raise DataError(f"{path} has training images of shape {x.shape[1:]} and test images of {x_test.shape[1:]}.")
    return Arrays(np.concatenate([x, x_test]), np.concatenate([y, y_test]), (), len(x))


def _load_npz(path: Path) -> Arrays:
    with open_npz(path) as archive:
        keys = {key.lower(): key for key in archive.names}
        if {"x_train", "x_test"} <= keys.keys():
            return _both_splits(archive, keys)
        x_key = next((keys[key] for key in X_KEYS if key in keys), None)
        y_key = next((keys[key] for key in Y_KEYS if key in keys), None)
        if x_key is None:
            if {"packed", "size"} <= keys.keys():
                return _packed_lattices(archive, path)
            raise DataError(
                f"{path} holds the arrays {', '.join(archive.names[:20]) or '(none)'}; expected one of "
                f"{', '.join(X_KEYS)} for the examples and {' or '.join(Y_KEYS)} for labels "
                "(or x_train, x_test, y_train, y_test).",
                "Save them again: numpy.savez(file, x=..., y=...).",
            )
        names_key = next((keys[key] for key in ("class_names", "classes") if key in keys), None)
        unused = [key for key in archive.names if key not in (x_key, y_key, names_key)]
        notes = (f"arrays of {path.name} that were not used: {', '.join(unused)}",) if unused else ()
        names = None if names_key is None else tuple(map(str, texts(archive[names_key])))
        return Arrays(archive[x_key], None if y_key is None else archive[y_key], notes, class_names=names)


def _load_pt(path: Path) -> Arrays:
    """Read a tensor, a pair (x, y) or a dict of tensors that `torch.save` wrote; no other objects are read."""
    _require_pt(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle protocols, in damaged files
            held = torch.load(path, map_location="cpu", weights_only=True)
    except (*DAMAGED, AssertionError, pickle.UnpicklingError) as error:
        raise DataError(
            f"{path} cannot be read as tensors: it is damaged, or it holds other objects, which are not loaded.",
            "Expected a tensor, a pair (x, y) or a dict {'x': ..., 'y': ...} of tensors, saved with torch.save.",
        ) from error
    x, y = held, None
    if isinstance(held, dict):
        x, y = (next((held[key] for key in keys if key in held), None) for keys in (X_KEYS, Y_KEYS))
    elif isinstance(held, tuple | list) and len(held) == 2:
        x, y = held
    if not isinstance(x, Tensor) or not (y is None or isinstance(y, Tensor)):
        what = f"a dict of {', '.join(map(str, held))}" if isinstance(held, dict) else f"a {type(held).__name__}"
        raise DataError(
            f"{path} holds {what}; expected a tensor, a pair (x, y) or a dict {{'x': ..., 'y': ...}} of tensors."
        )
    return Arrays(_as_array(x, path), None if y is None else _as_array(y, path))


def _require_pt(path: Path) -> None:
    """Check the size of the unpacked file, if it is packed at all."""
    with named(path):
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                size = sum(info.file_size for info in archive.infolist())
            budget.require(size, str(path), path.stat().st_size)


def _as_array(x: Tensor, path: Path) -> np.ndarray:
    """Return the values; numpy has no bfloat16. A tensor may state more values than it stores."""
    budget.require(x.numel() * x.element_size(), f"a tensor of {path}", path.stat().st_size)
    with named(path):
        return (x.float() if x.dtype is torch.bfloat16 else x).detach().numpy()


def _packed_lattices(archive: Npz, path: Path) -> Arrays:
    """Unpack the bits of configurations that `veridical ising sample --packed` wrote."""
    size, packed = archive["size"], archive["packed"]
    if size.shape != (2,) or size.dtype.kind not in "iu" or int(size.min()) < 1:
        raise DataError(f"{path} states the size {size.tolist()} of its configurations; expected height and width.")
    height, width = (int(side) for side in size)
    budget.require(8 * packed.nbytes, str(path), path.stat().st_size)
    if packed.dtype != np.uint8 or packed.ndim != 2 or packed.shape[1] != (height * width + 7) // 8:
        raise DataError(f"{path} holds packed configurations whose sizes do not fit each other; draw them again.")
    x = np.unpackbits(packed, axis=1, count=height * width).astype(bool).reshape(-1, height, width)
    return Arrays(x, None, ("bits of a lattice were unpacked",), kind="lattice")


def _both_splits(archive: Npz, keys: dict[str, str]) -> Arrays:
    x_train, x_test = archive[keys["x_train"]], archive[keys["x_test"]]
    y = [archive[keys[name]] for name in ("y_train", "y_test") if name in keys]
    if x_train.ndim == 0 or x_train.shape[1:] != x_test.shape[1:]:
        raise DataError(
            f"x_train of {archive.path} has shape {x_train.shape}, x_test {x_test.shape}; expected examples of one "
            "shape."
        )
    return Arrays(np.concatenate([x_train, x_test]), np.concatenate(y) if len(y) == 2 else None, (), len(x_train))


def _load_idx(path: Path) -> Arrays:
    """Read images, and the labels in the same folder under the usual name."""
    x = read_idx(path)
    if x.ndim < 2:
        raise DataError(
            f"{path} holds {x.ndim} axis: labels, not images.",
            "Pass the file of the images (images-idx3-ubyte); the labels in the same folder are found.",
        )
    labels = path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1"))
    return Arrays(x, read_idx(labels) if labels != path and labels.is_file() else None)
