"""Size, fit and channels of images that come as arrays: the same choices as for a folder of files."""

from __future__ import annotations

import math

import numpy as np

from veridical import budget
from veridical.config import DataConfig
from veridical.data.axes import channels_first
from veridical.data.errors import DataError
from veridical.data.images import fit_array

_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, as Pillow's "L"


def shape_images(x: np.ndarray, config: DataConfig, where: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Bring an array to (N, C, H, W) of the wanted channels and side; vectors pass when nothing is asked.

    Returns:
        The array, and what was done in sentences.

    Raises:
        DataError: choices that do not apply to the array.
    """
    x, moved = channels_first(x) if config.kind in ("auto", "image", "lattice") else (x, ())
    notes = list(moved)
    if config.size is None and config.channels == "auto":
        return x, tuple(notes)
    if x.ndim not in (3, 4):
        raise DataError(
            f"{where} has shape {x.shape}; size and channels apply to images, (N, C, H, W) or (N, H, W).",
            "Leave them out.",
        )
    x = x[:, None] if x.ndim == 3 else x
    if config.channels != "auto":
        x = _channels(x, config.channels, where, notes)
    if config.size is not None and x.shape[2:] != (config.size, config.size):
        x = _resize(x, config, config.size, where, notes)
    return x, tuple(notes)


def _channels(x: np.ndarray, wanted: str, where: str, notes: list[str]) -> np.ndarray:
    channels = 1 if wanted == "grey" else 3
    if x.shape[1] == channels:
        return x
    if x.shape[1] not in (1, 3):
        raise DataError(f"{where} has {x.shape[1]} channels; {wanted} is defined for 1 and 3.", "Leave out channels.")
    if channels == 3:
        notes.append("grey made colour by repeating the channel")
        return np.repeat(x, 3, axis=1)
    if x.dtype.kind not in "buif":
        raise DataError(f"{where} holds {x.dtype} values; only numbers are made grey.", "Leave out channels.")
    notes.append("colour made grey (ITU-R 601 luma)")
    grey = np.einsum("nchw,c->nhw", x, _LUMA)[:, None]
    return np.rint(grey).astype(np.uint8) if x.dtype == np.uint8 else grey.astype(x.dtype)


def _resize(x: np.ndarray, config: DataConfig, size: int, where: str, notes: list[str]) -> np.ndarray:
    if x.shape[2] != x.shape[3] and config.fit == "error":
        raise DataError(
            f"the images of {where} are {x.shape[3]} x {x.shape[2]} (width x height), not square.",
            f"Pass --size {size} --fit crop (or pad, stretch).",
        )
    if x.dtype != np.uint8 and x.dtype.kind != "f":
        raise DataError(f"{where} holds {x.dtype} values; only uint8 and float images are resized.", "Leave out size.")
    budget.require(math.prod(x.shape[:2]) * size * size * min(x.itemsize, 4), f"{where} at the size {size}", x.nbytes)
    how = "" if x.shape[2] == x.shape[3] else f" ({config.fit})"
    notes.append(f"resized from {x.shape[3]}x{x.shape[2]} to {size}x{size}{how}")
    return fit_array(x if x.dtype == np.uint8 else x.astype(np.float32), size, config.fit)
