"""General compressors applied to configurations: bits per spin, compared with codes that use the lattice.

Spins are packed eight to the byte, row by row, one configuration after the other, and compressed as one file; PNG gets
them as one black and white image, as wide as the lattice. What is written counts, headers included.
"""

import bz2
import io
import lzma
import zlib
from collections.abc import Callable

import numpy as np
from jaxtyping import Bool

from veridical.ising.information import Bound
from veridical.statistics import mean_interval

Lattices = Bool[np.ndarray, "n height width"]


def _png(x: Lattices) -> int:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(x.reshape(-1, x.shape[2])).save(file, "png", optimize=True)
    return file.tell()


def _packed(compress: Callable[[bytes], bytes]) -> Callable[[Lattices], int]:
    return lambda x: len(compress(np.packbits(x.reshape(len(x), -1), axis=1).tobytes()))


COMPRESSORS: dict[str, Callable[[Lattices], int]] = {
    "zlib": _packed(lambda data: zlib.compress(data, 9)),
    "bz2": _packed(lambda data: bz2.compress(data, 9)),
    "xz": _packed(lambda data: lzma.compress(data, preset=9 | lzma.PRESET_EXTREME)),
    "PNG": _png,
}
"""Bytes that each compressor needs for configurations, at its strongest setting."""


def compressor_bound(x: Lattices, name: str, pieces: int = 10) -> Bound:
    """Bound the entropy from above by what a general compressor needs.

    The value is that of all configurations in one file. Its interval comes from files of a tenth each, which a
    compressor that learns codes a little worse: their spread is taken, not their mean.

    Args:
        x: configurations.
        name: one of `COMPRESSORS`.
        pieces: files the interval comes from.
    """
    if name not in COMPRESSORS:
        raise ValueError(f"name is {name!r}; expected one of {', '.join(COMPRESSORS)}.")
    bits = 8 * COMPRESSORS[name](x) / x.size
    if len(x) < 2 * pieces:
        return Bound(name, "upper", bits, -np.inf, np.inf, len(x))
    parts = [8 * COMPRESSORS[name](part) / part.size for part in np.array_split(x, pieces)]
    low, high = mean_interval(parts)
    half = (high - low) / 2
    return Bound(name, "upper", bits, bits - half, bits + half, len(x))
