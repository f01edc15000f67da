"""What one example is: its shape, its range, its resolution. Imports nothing heavy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Space:
    """The space in which examples, and the samples of a model, live.

    Models receive and return tensors in *data space*: images in [-1, 1], vectors in the units of their
    file. Whatever a family needs beyond that (unit variance, [0, 1]) it derives from these fields, so that
    densities are always densities in data space.
    """

    shape: tuple[int, ...]
    """Shape of one example: (C, H, W) for images, (d,) for vectors, (C, T) for sequences."""

    kind: Literal["image", "vector", "lattice", "sequence"] = "image"
    """Meaning of the axes, which decides how an example is drawn: an image; a vector whose components have no order; a
    lattice (C, H, W) or (C, L) with periodic boundary; a sequence of T steps of C channels, such as audio."""

    support: tuple[float, float] | None = (-1.0, 1.0)
    """Smallest and largest value of data space; None for the whole real line."""

    levels: int | None = 256
    """Number of equally spaced values a component can take (256 for 8-bit images, 2 for spins); None: continuous."""

    classes: int | None = None
    """Number of classes of the labels in `Batch.c`; None: no labels."""

    mean: float = 0.0
    """Mean of all components over the data, in data space."""

    std: float = 1.0
    """Standard deviation of all components over the data, in data space."""

    sample_rate: float | None = None
    """Steps per second of a sequence, in Hz; None where that has no meaning."""

    def __post_init__(self) -> None:
        if not self.shape or any(not isinstance(s, int) or s < 1 for s in self.shape):
            raise ValueError(f"shape is {self.shape!r}; expected a non-empty tuple of positive integers.")
        if self.kind == "image" and len(self.shape) != 3:
            raise ValueError(f"shape is {self.shape}; an image has (channels, height, width).")
        if self.kind == "sequence" and len(self.shape) != 2:
            raise ValueError(f"shape is {self.shape}; a sequence has (channels, steps).")
        if self.sample_rate is not None and (self.kind != "sequence" or not self.sample_rate > 0):
            raise ValueError(
                f"sample_rate is {self.sample_rate} for a space of kind {self.kind!r}; expected a positive number of "
                "steps per second for a sequence, None otherwise."
            )
        if self.support is not None and not self.support[0] < self.support[1]:
            raise ValueError(f"support is {self.support}; expected (low, high) with low < high, or None.")
        if self.levels is not None and (self.levels < 2 or self.support is None):
            raise ValueError(
                f"levels is {self.levels} with support {self.support}; levels need at least 2 and a bounded support."
            )
        if not self.std > 0 or not math.isfinite(self.std):
            raise ValueError(f"std is {self.std}; expected a positive finite number (are all examples equal?).")

    @property
    def dim(self) -> int:
        """Number of components of one example."""
        return math.prod(self.shape)

    @property
    def bin_width(self) -> float | None:
        """Distance between neighbouring levels in data space; None when continuous."""
        if self.levels is None or self.support is None:
            return None
        return (self.support[1] - self.support[0]) / (self.levels - 1)
