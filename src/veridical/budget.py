"""How much memory decoding may take: one bound for all formats, checked before anything is decoded.

A small file can decode to any size (zeros compress a thousandfold), and the header of a damaged file can state any
size. Every reader therefore takes the size from a header first, and calls `require`. Threads that decode images share
the bound through `reserve`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

from veridical.errors import DataError

VARIABLE = "VERIDICAL_DECODE_GB"
"""Environment variable that changes the bound."""

DEFAULT_GB = 2.0

_GB = 10**9
_waiting = Condition()
_in_use = [0]


def limit() -> int:
    """Return the bytes that may be decoded at a time: $VERIDICAL_DECODE_GB, or 2 GB.

    Raises:
        DataError: the variable is not a number above 0.
    """
    text = os.environ.get(VARIABLE, "")
    try:
        size = float(text or DEFAULT_GB)
    except ValueError:
        size = math.nan
    if not 0 < size < math.inf:
        raise DataError(f"{VARIABLE} is {text!r}; expected a number of gigabytes above 0.", "Unset or correct it.")
    return int(size * _GB)


def require(needed: int, what: str, held: int = 0) -> None:
    """Refuse what would need more memory than the bound.

    Args:
        needed: bytes once decoded.
        what: subject of the sentence, such as the name of the file.
        held: size of the file; as much is always allowed, since nothing then grows by decoding.

    Raises:
        DataError: it would need more.
    """
    allowed = limit()
    if needed > max(allowed, held):
        raise DataError(
            f"{what} needs {written(needed)} of memory once decoded; at most {written(allowed)} are decoded at a time.",
            f"If the file is what it should be, raise the bound: set the environment variable "
            f"{VARIABLE}={min(math.ceil(needed / _GB), 10**9)}. Otherwise the file is damaged.",
        )


@contextmanager
def reserve(needed: int, what: str) -> Iterator[None]:
    """Wait until what the other threads decode leaves enough of the bound, and use it inside the block.

    Raises:
        DataError: it needs more than the whole bound.
    """
    require(needed, what)
    with _waiting:
        _waiting.wait_for(lambda: _in_use[0] == 0 or _in_use[0] + needed <= limit())
        _in_use[0] += needed
    try:
        yield
    finally:
        with _waiting:
            _in_use[0] -= needed
            _waiting.notify_all()


def written(size: int) -> str:
    """Write a size with its unit.

    Examples:
        >>> written(2_500_000_000), written(30_000_000), written(360), written(10**30)
        ('2.5 GB', '30 MB', '360 bytes', 'more than a million GB')
    """
    if size > 10**6 * _GB:
        return "more than a million GB"
    if size < 10**6:
        return f"{size:,} bytes"
    return f"{size / 1e9:,.4g} GB" if size >= _GB // 10 else f"{size / 1e6:,.4g} MB"
