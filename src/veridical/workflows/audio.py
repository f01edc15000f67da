"""Sequences as WAV files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from veridical.data.space import Space
from veridical.data.wav import write_recording

SCALE = 4.0
"""Standard deviations of data without bounds that are the loudest sound."""


def require_audio(space: Space) -> float:
    """Return the sample rate of sequences that can be heard.

    Raises:
        ValueError: these are not sequences, or their sample rate is not known.
    """
    if space.kind != "sequence":
        raise ValueError(f"a .wav file holds sequences; these examples are of kind {space.kind!r}. Use .npz.")
    if space.sample_rate is None:
        raise ValueError(
            "the sample rate of these sequences is not known; train with --sample-rate HERTZ, or use a .npz."
        )
    return space.sample_rate


def samples_of(x: Tensor, space: Space) -> np.ndarray:
    """Return int16 samples of the shape of x: 32,768 times data space in [-1, 1], other supports moved to it.

    Data without bounds are scaled so that `SCALE` standard deviations are the loudest sound. What is louder is cut.
    """
    if space.support is None:
        unit = (x - space.mean) / (SCALE * space.std)
    else:
        low, high = space.support
        unit = 2 * (x - low) / (high - low) - 1
    return (unit.double() * 32768).round().clamp(-32768, 32767).to(torch.int16).numpy()


def values_of(samples: np.ndarray, space: Space) -> Tensor:
    """Return the values in data space, single precision, of the shape of the samples: the inverse of `samples_of`.

    Args:
        samples: int16, or floats in [-1, 1).
        space: of the sequences.
    """
    unit = torch.from_numpy(samples.astype(np.float64) / (32768 if samples.dtype == np.int16 else 1))
    if space.support is None:
        return (space.mean + SCALE * space.std * unit).float()
    low, high = space.support
    return (low + (unit + 1) / 2 * (high - low)).float()


def save_one(blocks: Iterator[Tensor], space: Space, out: Path) -> None:
    """Write all sequences (n, C, T) into one file, one after the other."""
    rate = require_audio(space)
    pieces = [samples_of(x, space) for block in blocks for x in block]
    write_recording(np.concatenate(pieces, axis=1), rate, out)


def save_each(blocks: Iterator[Tensor], space: Space, n: int, out: Path) -> None:
    """Write every sequence into a file of its own in a folder.

    Args:
        blocks: (B, C, T) sequences in data space, block by block.
        space: of the sequences.
        n: number of sequences in all blocks.
        out: an existing folder.
    """
    rate, digits = require_audio(space), len(str(n - 1))
    for i, x in enumerate(x for block in blocks for x in block):
        write_recording(samples_of(x, space), rate, out / f"{i:0{digits}d}.wav")
