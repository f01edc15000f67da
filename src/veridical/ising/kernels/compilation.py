"""How kernels are compiled: once, kept on disk where a place for that can be written."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import extending, njit

inlined: Any = njit(forceinline=True)
"""Decorator for the small functions of which kernels are made."""

intrinsic: Any = extending.intrinsic
"""Decorator for functions that write LLVM instructions; what they return is not what their callers see."""


def _digest() -> str:
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()[:12]


_DIGEST = _digest()


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a kernel that releases the interpreter lock, and keep the machine code between runs.

    Numba keeps it next to the source, else in the user's cache directory (`NUMBA_CACHE_DIR` overrules both). Where
    neither can be written the kernel is compiled anew in every process. Numba itself looks only at the kernel's own
    file: the digest of all kernels in its name keeps one from running with an older version of its parts inside.
    """
    function.__qualname__ = f"{function.__qualname__}_{_DIGEST}"
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError as error:
        if "cannot cache" not in str(error):
            raise
        return njit(nogil=True)(function)
