"""The idx format of MNIST: a magic number, the sizes of the axes, unsigned bytes.

    00 00 08 03 | n | rows | columns | n*rows*columns bytes        (big-endian 32-bit sizes)

Reference: Y. LeCun, C. Cortes, C. Burges, The MNIST database, "File formats".
"""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np

from veridical.data.errors import DataError

_UNSIGNED_BYTE = 0x08


def read_idx(path: Path) -> np.ndarray:
    """Read an idx or idx.gz file of unsigned bytes.

    Raises:
        DataError: not an idx file, another element type, or not as long as its header says.
    """
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({error}); is the download complete?") from error
    return parse_idx(content, str(path))


def parse_idx(content: bytes, name: str) -> np.ndarray:
    """Decode the bytes of an idx file; `name` is for the messages.

    Raises:
        DataError: as `read_idx`.

    Examples:
        >>> parse_idx(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9]), "three.idx")
        array([7, 8, 9], dtype=uint8)
    """
    magic = content[:4]
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] != _UNSIGNED_BYTE or not 1 <= magic[3] <= 4:
        raise DataError(
            f"{name} starts with the bytes {magic.hex(' ') or '(none)'}; an idx file of unsigned bytes starts with "
            "00 00 08 and the number of axes (00 00 08 03 for grey images, 00 00 08 01 for labels). "
            "Is it really an idx file, and fully downloaded?"
        )
    start = 4 + 4 * magic[3]
    if len(content) < start:
        raise DataError(f"{name} ends within its header; download it again.")
    shape = struct.unpack(f">{magic[3]}I", content[4:start])
    expected = start + int(np.prod(shape, dtype=np.int64))
    if len(content) != expected:
        raise DataError(
            f"{name} has {len(content):,} bytes; its header ({' x '.join(map(str, shape))}) asks for {expected:,}. "
            "The file is cut short or damaged; download it again."
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy()
