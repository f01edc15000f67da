r"""Mirrored images: a pure function of (seed, step, row), so that resuming and any number of processes see the same.

Whether row $r$ is mirrored at step $s$ is one bit of a hash, $h(r, s, \text{seed})$, the finalizer of SplitMix64
applied to the three numbers in turn. No random state is kept, and none has to be restored.

Reference: Steele, Lea & Flood, Fast splittable pseudorandom number generators (OOPSLA 2014), Fig. 13.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from veridical.data.errors import DataError
from veridical.data.space import Space

Flip = Literal["none", "horizontal", "vertical", "both"]

_AXES = {"none": (), "horizontal": (-1,), "vertical": (-2,), "both": (-1, -2)}


def require_images(space: Space, flip: Flip) -> None:
    """Refuse to mirror what has no left and right.

    Raises:
        DataError: examples that are no images or lattices of two dimensions.
    """
    if flip != "none" and len(space.shape) != 3:
        raise DataError(
            f"flip is {flip!r} for examples of kind {space.kind!r} and shape {space.shape}; only images are mirrored.",
            "Leave out --flip.",
        )


def mirrored(x: Tensor, rows: Tensor, step: int, seed: int, flip: Flip) -> Tensor:
    """Mirror each image with probability one half, along each axis of the choice on its own.

    Args:
        x: (B, C, H, W) images.
        rows: (B,) int64 rows of the data set.
        step: of the training.
        seed: of the order of the batches.
        flip: which axes.
    """
    for number, axis in enumerate(_AXES[flip]):
        chosen = (_hash(rows, 2 * step + number, seed) & 1).bool()
        x = torch.where(chosen[:, None, None, None], x.flip(axis), x)
    return x


def _hash(rows: Tensor, step: int, seed: int) -> Tensor:
    """Mix three numbers to (B,) int64 whose bits look random."""
    z = torch.full_like(rows, _signed(seed))
    for number in (step, rows):
        z = _mix(z ^ number) if isinstance(number, Tensor) else _mix(z ^ _signed(number))
    return z


def _mix(z: Tensor) -> Tensor:
    """Apply the finalizer in arithmetic modulo 2^64; int64 wraps around."""
    z = z + _signed(0x9E3779B97F4A7C15)
    z = (z ^ _right(z, 30)) * _signed(0xBF58476D1CE4E5B9)
    z = (z ^ _right(z, 27)) * _signed(0x94D049BB133111EB)
    return z ^ _right(z, 31)


def _right(z: Tensor, bits: int) -> Tensor:
    """Shift as if the numbers were unsigned."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)


def _signed(number: int) -> int:
    number &= (1 << 64) - 1
    return number - (1 << 64) if number >> 63 else number
