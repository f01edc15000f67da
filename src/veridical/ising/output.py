"""Configurations as they are handed out: sites 0 and 1, spins -1 and 1, or packed bits."""

import math

import numpy as np
from jaxtyping import Int8, UInt8, UInt64

from veridical.ising.law import Law

Configurations = UInt8[np.ndarray, "n height width"] | Int8[np.ndarray, "n height width"] | UInt8[np.ndarray, "n bytes"]
"""Sites 0 or 1; spins -1 or 1; or packed bits as of `numpy.packbits`, one row per configuration."""


class Output:
    """An array of configurations that is filled from packed rows."""

    def __init__(self, law: Law, n: int, spins: bool, packed: bool) -> None:
        if spins and packed:
            raise ValueError("spins and packed are both set; packed bits have no signs. Unset one of them.")
        self.law, self.spins, self.packed = law, spins, packed
        self.bytes = math.ceil(law.sites / 8)
        shape = (n, self.bytes) if packed else (n, law.height, law.width)
        self.array = np.empty(shape, np.int8 if spins else np.uint8)

    def write(self, start: int, words: UInt64[np.ndarray, "rows words"]) -> None:
        """Write packed rows from row `start` on, in the chosen form."""
        packed = words.view(np.uint8)[:, : self.bytes]
        rows = slice(start, start + len(words))
        if self.packed:
            self.array[rows] = packed
        elif self.law.sites % 8:
            self.array[rows] = unpack(packed, (self.law.height, self.law.width), self.spins)
        else:
            from veridical.ising.kernels import packing

            flat = self.array[rows].reshape(len(words), -1).view(np.uint64)
            packing.unpack(packed, 255 if self.spins else 0, 1, flat)


def unpack(
    packed: UInt8[np.ndarray, "n bytes"], size: int | tuple[int, int], spins: bool = False
) -> UInt8[np.ndarray, "n height width"] | Int8[np.ndarray, "n height width"]:
    """Return packed configurations as bytes 0 and 1, or as spins -1 and 1.

    Examples:
        >>> unpack(np.array([[0b1010_0000]], np.uint8), 2)
        array([[[1, 0],
                [1, 0]]], dtype=uint8)
    """
    height, width = (size, size) if isinstance(size, int) else size
    bits = np.unpackbits(packed, axis=1, count=height * width).reshape(-1, height, width)
    return 2 * bits.view(np.int8) - 1 if spins else bits
