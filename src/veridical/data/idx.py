"""The idx format of MNIST: a magic number, the sizes of the axes, unsigned bytes.

    00 00 08 03 | n | rows | columns | n*rows*columns bytes        (big-endian 32-bit sizes)

Reference: Y. LeCun, C. Cortes, C. Burges, The MNIST database, "File formats".
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from veridical import budget
from veridical.data.errors import DataError
from veridical.npy import fill

_UNSIGNED_BYTE = 0x08
_GZIP = b"\x1f\x8b"
_REST = 1 << 20


def read_idx(path: Path) -> np.ndarray:
    """Read an idx or idx.gz file of unsigned bytes.

    Raises:
        DataError: not an idx file, another element type, not as long as its header says, or larger than may be decoded.
    """
    try:
        with open(path, "rb") as file:
            packed = file.read(2) == _GZIP
            file.seek(0)
            return parse_stream(file, str(path), packed=packed, held=path.stat().st_size)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({error}); is the download complete?") from error


def parse_stream(stream: BinaryIO, name: str, *, packed: bool, held: int) -> np.ndarray:
    """Decode an idx file as far as its header says; the header is checked before anything else is decoded.

    Args:
        stream: the file.
        name: for the messages.
        packed: whether it is compressed with gzip.
        held: size of the file in bytes.

    Raises:
        DataError: as `read_idx`.
        OSError: and EOFError, zlib.error: damaged compression.

    Examples:
        >>> from io import BytesIO
        >>> parse_stream(BytesIO(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9])), "three.idx", packed=False, held=11)
        array([7, 8, 9], dtype=uint8)
    """
    if packed:
        with gzip.GzipFile(fileobj=stream) as unpacked:
            return parse_stream(cast("BinaryIO", unpacked), name, packed=False, held=held)
    shape = _shape(stream, name)
    start, count = 4 + 4 * len(shape), math.prod(shape)
    budget.require(count, name, held)
    x = np.empty(count, np.uint8)
    there = start + fill(stream, x)
    there += len(stream.read(_REST)) if there == start + count else 0
    if there != start + count:
        raise DataError(
            f"{name} has {there:,} bytes{' or more' if there > start + count else ''}; its header "
            f"({' x '.join(map(str, shape))}) asks for {start + count:,}. "
            "The file is cut short or damaged; download it again."
        )
    return x.reshape(shape)


def _shape(stream: BinaryIO, name: str) -> tuple[int, ...]:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] != _UNSIGNED_BYTE or not 1 <= magic[3] <= 4:
        raise DataError(
            f"{name} starts with the bytes {magic.hex(' ') or '(none)'}; an idx file of unsigned bytes starts with "
            "00 00 08 and the number of axes (00 00 08 03 for grey images, 00 00 08 01 for labels). "
            "Is it really an idx file, and fully downloaded?"
        )
    sizes = stream.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise DataError(f"{name} ends within its header; download it again.")
    return struct.unpack(f">{magic[3]}I", sizes)
