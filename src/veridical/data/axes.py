"""Meaning of the axes of an array: examples first, then channels, then positions.

These rules are the same for arrays and files.
"""

from __future__ import annotations

from typing import Literal, TypeVar

import numpy as np
from torch import Tensor

from veridical.data.errors import DataError

Kind = Literal["image", "vector", "lattice", "sequence"]
Wish = Literal["auto", "image", "vector", "lattice", "sequence"]
"""A requested kind, or "auto": two axes are vectors, three or four are images."""

ArrayT = TypeVar("ArrayT", np.ndarray, Tensor, np.ndarray | Tensor)

_CHANNELS = (1, 3, 4)
_MOST_CHANNELS_OF_A_SEQUENCE = 8


def arrange(x: ArrayT, kind: Wish, name: str) -> tuple[ArrayT, Kind, tuple[str, ...]]:
    """Arrange an array as (N, *event) of a kind: (C, H, W), (d,), (C, L) or (C, H, W) of a lattice, (C, T).

    Returns:
        The array, its kind, and notes on changes of its axes.

    Raises:
        DataError: the array has no examples, or its axes do not fit the kind.
    """
    if x.ndim < 2 or 0 in x.shape:
        raise DataError(
            f"{name} has shape {tuple(x.shape)}; expected (N, C, H, W) or (N, H, W) images, (N, d) vectors, or "
            "(N, T) sequences, with N at least 1."
        )
    if kind == "auto":
        kind = "vector" if x.ndim == 2 else "image"
    if kind == "vector":
        flat = x.reshape(len(x), -1)
        return flat, kind, (f"examples of {tuple(x.shape[1:])} made vectors of {flat.shape[1]}",) if x.ndim > 2 else ()
    if kind == "sequence":
        return _sequence(x, name)
    if x.ndim == 3 or (x.ndim == 2 and kind == "lattice"):
        return x[:, None], kind, ()
    if x.ndim != 4:
        raise DataError(
            f"{name} has shape {tuple(x.shape)}; expected (N, C, H, W) or (N, H, W) for the kind {kind!r}. "
            "Give the kind (--kind vector, lattice or sequence; in Python kind=...), or pass a Space."
        )
    x, notes = channels_first(x)
    return x, kind, notes


def channels_first(x: ArrayT) -> tuple[ArrayT, tuple[str, ...]]:
    """Return (N, H, W, C) images as (N, C, H, W), if the last axis can only be the channels."""
    if x.ndim != 4 or x.shape[-1] not in _CHANNELS or x.shape[1] in _CHANNELS:
        return x, ()
    x = np.moveaxis(x, -1, 1) if isinstance(x, np.ndarray) else x.movedim(-1, 1)
    return x, (f"channels last made channels first: an example is {tuple(x.shape[1:])}",)


def _sequence(x: ArrayT, name: str) -> tuple[ArrayT, Kind, tuple[str, ...]]:
    if x.ndim == 2:
        return x[:, None], "sequence", ()
    if x.ndim != 3:
        raise DataError(f"{name} has shape {tuple(x.shape)}; expected (N, T) or (N, C, T) sequences.")
    if x.shape[2] <= _MOST_CHANNELS_OF_A_SEQUENCE < x.shape[1]:
        x = np.moveaxis(x, -1, 1) if isinstance(x, np.ndarray) else x.movedim(-1, 1)
        return x, "sequence", (f"channels last made channels first: an example is {tuple(x.shape[1:])}",)
    return x, "sequence", ()
