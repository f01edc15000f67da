"""Conversion of Python objects (tensors, arrays, lists, dicts, torch data sets) to training data.

All data are read once and kept in memory in their original type; axes and ranges follow the same rules as for files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, default_collate

from veridical.config import DataConfig
from veridical.data.dataset import ArrayData
from veridical.data.errors import DataError
from veridical.data.files import X_KEYS, Y_KEYS
from veridical.data.source import BatchSource
from veridical.data.sources import load

EXPECTED = (
    "expected a tensor or array (N, ...), a tuple of examples and labels, a list of examples or of (x, y) pairs, a "
    "dict {'x': ..., 'y': ...}, a torch Dataset or DataLoader, the name of a set or file, an ArrayData, or a "
    "BatchSource"
)


def as_data(data: Any, name: str = "") -> ArrayData | BatchSource:
    """Convert an object with examples to training data.

    Args:
        data: see `EXPECTED`.
        name: name of the data in messages and reports; by default the type or file.

    Raises:
        DataError: the object cannot be used; the message says what is expected.
    """
    if isinstance(data, ArrayData | BatchSource):
        return data
    if isinstance(data, str | Path):
        return load(DataConfig(source=str(data)))
    if isinstance(data, Tensor | np.ndarray):
        return ArrayData(data, name=name or "array")
    if isinstance(data, Mapping):
        return _mapping(data, name or "arrays")
    if isinstance(data, DataLoader):
        return _loader(data, name)
    if isinstance(data, IterableDataset):
        raise DataError(
            f"{type(data).__name__} is an iterable data set, whose examples have no index.",
            "Pass a data set with __len__ and __getitem__, or a BatchSource, which returns a batch for each step.",
        )
    if isinstance(data, Dataset):
        return _data_set(data, name or type(data).__name__)
    if _is_pair(data):
        return ArrayData(data[0], data[1], name=name or "arrays")
    if isinstance(data, Sequence) and not isinstance(data, bytes):
        return _items([data[i] for i in range(len(data))], name or "list")
    raise DataError(f"data is a {type(data).__name__}; {EXPECTED}.")


def _is_pair(data: Any) -> bool:
    """Say whether something is (examples, labels): a tuple of two arrays, of which the second has one axis."""
    if not (isinstance(data, tuple) and len(data) == 2 and all(isinstance(part, Tensor | np.ndarray) for part in data)):
        return False
    x, y = data
    return x.ndim > 1 and y.ndim == 1 and len(x) == len(y)


def _mapping(data: Mapping[Any, Any], name: str) -> ArrayData:
    """Read examples and labels under the names used in npz files."""
    keys = {str(key).lower(): key for key in data}
    x = next((keys[key] for key in X_KEYS if key in keys), None)
    y = next((keys[key] for key in Y_KEYS if key in keys), None)
    if x is None:
        held = ", ".join(map(str, data)) or "nothing"
        raise DataError(f"the dict contains {held}; expected 'x' for examples, and 'y' for labels if any.")
    unused = [str(key) for key in data if key not in (x, y)]
    made = ArrayData(_array(data[x], "x"), None if y is None else _labels(data[y]), name=name)
    if unused:
        made.notes = (*made.notes, f"unused entries: {', '.join(unused)}")
    return made


def _loader(loader: DataLoader, name: str) -> ArrayData:
    """Read the data set of a loader; its batch size, order and workers are ignored."""
    if loader.collate_fn is not default_collate and loader.collate_fn is not None:
        raise DataError(
            "the DataLoader has a custom collate_fn, which cannot be used: training makes its own batches.",
            "Move this code into the Dataset and pass the Dataset, or pass a BatchSource.",
        )
    made = as_data(loader.dataset, name)
    if isinstance(made, ArrayData):
        note = "the data set of the DataLoader was read; its batch size, order and workers are ignored"
        made.notes = (*made.notes, note)
        return made
    raise DataError("the DataLoader has no data set that can be read.", f"Instead {EXPECTED}.")


def _data_set(data: Dataset, name: str) -> ArrayData:
    """Read every example of a data set once."""
    try:
        n = len(data)  # type: ignore[arg-type]
    except TypeError as error:
        raise DataError(f"{name} has no length; expected a Dataset with __len__ and __getitem__.") from error
    items = [data[i] for i in range(n)]
    made = _items(items, name)
    names = getattr(data, "classes", None)  # torchvision's name for the names of the classes
    if made.labels is not None and isinstance(names, Sequence) and made.space.classes == len(names):
        made.class_names = tuple(map(str, names))
    if n and not _equal(items[0], data[0]):
        note = "example 0 changes when it is read again: random transforms are applied once, not at every step"
        made.notes = (*made.notes, note)
    return made


def _items(items: list[Any], name: str) -> ArrayData:
    """Stack a list of examples, of (x, y) pairs, or of dicts."""
    if not items:
        raise DataError(f"{name} is empty; {EXPECTED}.")
    first = items[0]
    if isinstance(first, Mapping):
        return _mapping({key: [item[key] for item in items] for key in first}, name)
    if isinstance(first, tuple) and len(first) == 2 and not isinstance(first[0], int | float):  # numbers are a point
        return ArrayData(_array([x for x, _ in items], name), _labels([y for _, y in items]), name=name)
    if isinstance(first, tuple) and len(first) == 1:
        items = [x for (x,) in items]
    return ArrayData(_array(items, name), name=name)


def _array(values: Any, name: str) -> np.ndarray | Tensor:
    """Convert an array, or a list of arrays of equal shape, to one array."""
    if isinstance(values, Tensor | np.ndarray):
        return values
    if not isinstance(values, Sequence) or isinstance(values, str | bytes):
        raise DataError(f"{name} is a {type(values).__name__}; expected an array (N, ...) or a list of arrays.")
    if not values:
        raise DataError(f"{name} is empty; expected at least one example.")
    if all(isinstance(value, Tensor) for value in values):
        shapes = {tuple(value.shape) for value in values}
        if len(shapes) == 1:
            return torch.stack(list(values))
    else:
        parts = [_pixels(value) if isinstance(value, Image.Image) else np.asarray(value) for value in values]
        shapes = {part.shape for part in parts}
        if len(shapes) == 1:
            return np.stack(parts)
    shown = ", ".join(map(str, sorted(shapes)[:3]))
    raise DataError(
        f"the examples of {name} have {len(shapes)} shapes ({shown}{', ...' if len(shapes) > 3 else ''}).",
        "Give all examples the same shape; for a folder of images use --size and --fit.",
    )


def _pixels(image: Image.Image) -> np.ndarray:
    """Return an image as 8-bit grey or colour values."""
    return np.asarray(image if image.mode in ("L", "RGB") else image.convert("L" if image.mode == "1" else "RGB"))


def _labels(values: Any) -> np.ndarray | Tensor:
    """Convert labels to one array."""
    if isinstance(values, Tensor | np.ndarray):
        return values
    values = list(values)
    if values and isinstance(values[0], Tensor):
        return torch.stack(values)
    return np.array(values)


def _equal(one: Any, two: Any) -> bool:
    """Return whether two readings of an example are equal."""
    if isinstance(one, tuple | list):
        return len(one) == len(two) and all(_equal(a, b) for a, b in zip(one, two, strict=True))
    if isinstance(one, Mapping):
        return all(_equal(one[key], two[key]) for key in one)
    return bool(np.array_equal(np.asarray(one), np.asarray(two)))
