"""Labels as numbers, and the names of the classes."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from veridical.data.errors import DataError, NoSuchDataError
from veridical.data.space import Space
from veridical.nearest import nearest

SHOWN = 10
"""Names of classes that are listed."""

MOST_CLASSES = 1_000_000
"""Labels are numbers of classes, below this one: every class costs memory."""

_DIGITS = 18


def in_order(names: Iterable[str]) -> list[str]:
    """Sort names in natural order: numbers in them by value, so that "10" comes after "9".

    Examples:
        >>> in_order(["10", "9", "a2", "a10"])
        ['9', '10', 'a2', 'a10']
    """
    return sorted(names, key=lambda name: ([_part(part) for part in re.split(r"(\d+)", name)], name))


def numbered(labels: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Turn labels that are text into numbers 0..K-1, in the order of `in_order`, and return the names.

    Args:
        labels: (N,) text, bytes, or Python strings.

    Returns:
        (N,) int64 numbers, and the name of each.

    Raises:
        DataError: a label is not text.
    """
    words = texts(labels)
    other = next((word for word in words if not isinstance(word, str)), None)
    if other is not None or labels.shape != (len(words),):
        raise DataError(
            f"the labels have shape {labels.shape} and hold {type(other).__name__} values; expected (N,) integers "
            "from 0, or (N,) text."
        )
    names = in_order(set(words))
    number = {name: i for i, name in enumerate(names)}
    return np.array([number[word] for word in words], np.int64), tuple(names)


def texts(array: np.ndarray) -> list[Any]:
    """Return the values of an array of text, with bytes decoded, as a flat list; other Python objects stay.

    Raises:
        DataError: bytes or code points that are no text.
    """
    try:
        words = [word.decode() if isinstance(word, bytes) else word for word in array.reshape(-1).tolist()]
        "".join(word for word in words if isinstance(word, str)).encode()
    except (ValueError, SystemError) as error:
        raise DataError(f"the labels hold values that are no text ({error}).", "Save them as UTF-8.") from error
    return words


def class_number(label: str | int, classes: int, names: tuple[str, ...] | None = None) -> int:
    """Return the number of a class that is given by its number or its name; a name counts first.

    Args:
        label: number or name.
        classes: how many there are.
        names: of the classes, in the order of their numbers; None where they have none.

    Raises:
        NoSuchDataError: there is no such class, and the message names the closest one; or there are no classes.

    Examples:
        >>> class_number("cat", 2, ("cat", "dog")), class_number("1", 2)
        (0, 1)
    """
    if classes < 1:
        raise NoSuchDataError(f"there is no class {str(label)!r}: the data have no labels.", "Leave the label out.")
    if names and label in names:
        return names.index(str(label))
    if str(label).isdecimal() and len(str(label)) <= _DIGITS and int(label) < classes:
        return int(label)
    near = nearest(str(label), names or ())
    known = f" ({', '.join(names[:20])}{', ...' if len(names) > 20 else ''})" if names else ""
    raise NoSuchDataError(
        f"there is no class {str(label)!r}; expected a number from 0 to {classes - 1}"
        f"{f' or one of the {len(names)} names' if names else ''}{known}.",
        f"Did you mean {near!r}?" if near else "",
    )


def as_labels(
    labels: np.ndarray | Tensor | Sequence[Any] | None, n: int, name: str
) -> tuple[Tensor | None, tuple[str, ...] | None]:
    """Convert labels to int64 (N,), or other conditioning to float32 (N, *context); text becomes numbers with names.

    Args:
        labels: labels or conditioning.
        n: number of examples.
        name: name of the data, for messages.

    Returns:
        The labels, and the names of the classes if the labels were text.

    Raises:
        DataError: not one label for each example, or labels of a type that has no meaning here.
    """
    if labels is None:
        return None, None
    names, array = None, np.asarray(labels) if not isinstance(labels, Tensor) else labels
    if isinstance(array, np.ndarray):
        if array.dtype.kind in "USO":
            array, names = numbered(array)
        elif array.dtype.kind not in "buif":
            raise DataError(f"the labels of {name} are {array.dtype} values; expected integers from 0, or text.")
        array = native(array)
    return _as_tensor(torch.as_tensor(array), n, name), names


def native(array: np.ndarray) -> np.ndarray:
    """Return a copy of numbers in a form that torch reads: the byte order of this machine, at most 64 bits."""
    return np.array(array, np.float64 if array.dtype.itemsize > 8 else array.dtype.newbyteorder("="))


def _as_tensor(c: Tensor, n: int, name: str) -> Tensor:
    if c.ndim == 0:
        raise DataError(f"the labels of {name} are a single value; expected one label for each of {n:,} examples.")
    if len(c) != n:
        raise DataError(f"{name} has {n:,} examples and {len(c):,} labels; expected one label for each example.")
    if c.is_floating_point():
        if not torch.isfinite(c).all():
            raise DataError(f"the conditioning of {name} contains values that are not finite; remove those examples.")
        return c.to(torch.float32).reshape(n, -1) if c.ndim == 1 else c.to(torch.float32)
    c = c.to(torch.int64)
    if c.ndim == 2 and c.shape[1] == 1:
        c = c[:, 0]
    if c.ndim != 1:
        raise DataError(
            f"the labels of {name} have shape {tuple(c.shape)}; expected (N,) integers or floats of any shape."
        )
    if int(c.max()) >= MOST_CLASSES:
        raise DataError(
            f"the largest label of {name} is {int(c.max()):,}; labels number the classes from 0, below "
            f"{MOST_CLASSES:,}.",
            "Number the classes anew, or pass other conditioning as floats.",
        )
    if int(c.min()) < 0:
        raise DataError(
            f"the smallest label of {name} is {int(c.min())}; expected integers from 0. Remove unlabelled examples."
        )
    return c


def with_classes(space: Space, labels: Tensor | None, name: str, names: Sequence[str] | None = None) -> Space:
    """Return the space with the number of classes, from labels and names.

    Args:
        space: space of the examples.
        labels: labels from `as_labels`.
        name: name of the data, for messages.
        names: names of the classes.

    Raises:
        DataError: a label is outside the classes of the space, or has no name.
    """
    if labels is None or labels.is_floating_point():
        return space
    classes = int(labels.max()) + 1
    if names is not None:
        if classes > len(names):
            raise DataError(f"{name} has a label {classes - 1} and {len(names)} class names; expected one for each.")
        classes = len(names)
    if space.classes is None:
        return dataclasses.replace(space, classes=classes)
    if classes > space.classes:
        raise DataError(
            f"{name} has a label {classes - 1}; its space has {space.classes} classes, 0..{space.classes - 1}."
        )
    return space


def _part(text: str) -> tuple[int, int, str, str]:
    """Order numbers by value (by length first, since Python refuses very long ones) and before text."""
    if not text.isdecimal():
        return (1, 0, "", text)
    digits = "".join(str(int(digit)) for digit in text).lstrip("0")
    return (0, len(digits), digits, "")


def name_classes(classes: int | None, names: Sequence[str] | None) -> str:
    """Say how many classes there are, and name the first of those whose names are no plain numbers.

    Examples:
        >>> name_classes(2, ("cat", "dog")), name_classes(3, ("0", "1", "2")), name_classes(None, None)
        ('2 classes (cat, dog)', '3 classes', 'no labels')
    """
    if not classes:
        return "no labels"
    if not names or list(names) == [str(i) for i in range(classes)]:
        return f"{classes} classes"
    return f"{classes} classes ({', '.join(names[:SHOWN])}{', ...' if classes > SHOWN else ''})"
